"""DeviceClass: a kind of device that claims can ask for by name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from apiserver.api.columns import AGE, NAME
from apiserver.api.resource.claims import MAX_CONFIGS, configuration_errors, selectors_errors
from apiserver.api.resource.names import slice_errors
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid
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
        return _spec_errors(obj.get("spec") or {}, {})

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from metadata_update_errors(obj, old)
        yield from _spec_errors(obj.get("spec") or {}, old.get("spec") or {})


def _spec_errors(spec: Object, old: Object) -> Iterator[FieldError]:
    """What is unchanged passes where it would be judged more strictly today."""
    selectors, configs = spec.get("selectors") or [], spec.get("config") or []
    yield from selectors_errors(selectors, "spec.selectors", stored=selectors == old.get("selectors"))
    check = partial(configuration_errors, stored=configs == old.get("config"))
    yield from slice_errors(configs, MAX_CONFIGS, check, "spec.config")
    name = spec.get("extendedResourceName")
    if name is not None:
        yield from _extended_name_errors(name, "spec.extendedResourceName")


def _extended_name_errors(name: str, path: str) -> Iterator[FieldError]:
    """A declared check, with words of its own."""
    if "/" not in name:
        yield invalid(path, name, "a name must be a domain-prefixed path, such as 'example.com/my-prop'")
    elif "kubernetes.io/" in name:
        yield invalid(path, name, 'must not have "kubernetes.io/" domain')
    if name.startswith("requests."):
        yield invalid(path, name, 'must not have "requests." prefix')
    for message in formats.qualified_name(f"requests.{name}"):
        yield invalid(path, name, message)


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
