"""CSIStorageCapacity: how much storage of a class is left in a part of the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.storage.parameters import GROUP
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import label_selector
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.pod.names import subdomain_errors
from apiserver.api.validation.pod.warnings import DEPRECATED_LABELS
from apiserver.api.validation.resources import non_negative_quantity
from apiserver.apimachinery import quantity
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion


class CapacityStrategy(KindStrategy):
    """Mirrors upstream registry/storage/csistoragecapacity and its validation."""

    allow_unconditional_update = False

    def default(self, obj: Object) -> None:
        obj.setdefault("storageClassName", "")

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return _errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from _errors(obj, any_values=any(label_selector_errors(old.get("nodeTopology"), "")))
        yield from metadata_update_errors(obj, old)
        topology, name = obj.get("nodeTopology"), obj.get("storageClassName") or ""
        if topology != old.get("nodeTopology"):
            yield invalid("nodeTopology", label_selector(topology), IMMUTABLE)
        if name != (old.get("storageClassName") or ""):
            yield invalid("storageClassName", name, IMMUTABLE)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        for i, expression in enumerate(get(obj, "nodeTopology", "matchExpressions", default=())):
            if (key := expression.get("key") or "") in DEPRECATED_LABELS:
                yield f"nodeTopology.matchExpressions[{i}].key: {key} is {DEPRECATED_LABELS[key]}"
        for key in sorted(get(obj, "nodeTopology", "matchLabels", default=())):
            if key in DEPRECATED_LABELS:
                yield f"nodeTopology.matchLabels.{key}: {DEPRECATED_LABELS[key]}"

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _errors(obj: Object, *, any_values: bool = False) -> Iterator[FieldError]:
    yield from label_selector_errors(obj.get("nodeTopology"), "nodeTopology", any_values=any_values)
    yield from subdomain_errors(obj.get("storageClassName") or "", "storageClassName")
    if obj.get("capacity") is not None:
        yield from non_negative_quantity(quantity.parse(obj["capacity"]), "capacity")


RESOURCE = Resource(
    group=GROUP,
    plural="csistoragecapacities",
    kind="CSIStorageCapacity",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=CapacityStrategy(),
    empty={"storageClassName": ""},
)
