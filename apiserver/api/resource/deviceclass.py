"""DeviceClass: a kind of device that claims can ask for by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from apiserver.api.columns import AGE, NAME
from apiserver.api.resource import declared
from apiserver.api.resource.claims import configuration_errors, selectors_errors
from apiserver.api.resource.names import MAX_CONFIGS, items_errors
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion

GROUP = "resource.k8s.io"


class DeviceClassStrategy(KindStrategy):
    """Mirrors upstream registry/resource/deviceclass."""

    namespaced = False
    return_deleted_object = True
    has_generation = True

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _spec_errors(obj.get("spec") or {}, {})
        yield from declared.class_errors(obj.get("spec") or {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from metadata_update_errors(obj, old)
        yield from _spec_errors(obj.get("spec") or {}, old.get("spec") or {})
        yield from declared.class_errors(obj.get("spec") or {})


def _spec_errors(spec: Object, old: Object) -> Iterator[FieldError]:
    """What is unchanged passes where it would be judged more strictly today."""
    selectors, configs = spec.get("selectors") or [], spec.get("config") or []
    yield from selectors_errors(selectors, "spec.selectors", stored=selectors == old.get("selectors"))
    check = partial(configuration_errors, stored=configs == old.get("config"))
    yield from items_errors(configs, MAX_CONFIGS, check, "spec.config")


RESOURCE = Resource(
    group=GROUP,
    plural="deviceclasses",
    kind="DeviceClass",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=DeviceClassStrategy(),
    empty={"spec": {}},
    columns=(NAME, AGE),
)
