"""`/status` of flow schemas and priority levels: conditions of distinct types; metadata stays as it was."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.strategy import KindStatusStrategy
from apiserver.apimachinery.errors import FieldError, duplicate, required
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context


class FlowStatusStrategy(KindStatusStrategy):
    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        given = obj["metadata"]
        kept = {key: value for key, value in old["metadata"].items() if key not in ("managedFields", "resourceVersion")}
        own = {key: given[key] for key in ("managedFields", "resourceVersion") if key in given}
        obj["metadata"] = {**kept, **own}

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return status_errors(obj)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


def status_errors(obj: Object) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, condition in enumerate(get(obj, "status", "conditions", default=())):
        kind, path = condition.get("type") or "", f"status.conditions[{i}].type"
        if kind in seen:
            yield duplicate(path, kind)
        seen.add(kind)
        if not kind:
            yield required(path)
