"""Namespace: lives until its finalizers are gone; a DELETE only begins its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.object_meta import finalizer_errors, standard_finalizer_errors
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


class NamespaceStrategy(KindStrategy):
    """Mirrors upstream registry/core/namespace (strategy and storage) and core validation."""

    namespaced = False
    has_status = True
    return_deleted_object = True

    def default(self, obj: Object) -> None:
        name = name_of(obj)
        if name:
            _label(obj, name)
        status = obj.get("status")
        if status is None:
            status = obj["status"] = {}
        if not status.get("phase"):
            status["phase"] = "Active"

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return formats.label_name(name, prefix)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {"phase": "Active"}
        spec = obj["spec"] = dict(obj.get("spec") or {})
        finalizers = spec.get("finalizers") or []
        if FINALIZER not in finalizers:
            spec["finalizers"] = [*finalizers, FINALIZER]

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        obj["spec"] = old.get("spec") or {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        for finalizer in get(obj, "spec", "finalizers", default=()):
            yield from _finalizer_errors(finalizer, "spec.finalizers")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.validate_whole(ctx, obj)
        yield from metadata_update_errors(obj, old)

    def canonicalize(self, obj: Object) -> None:
        """A generated name is known only now."""
        _label(obj, name_of(obj))

    def terminate(self, ctx: Context, obj: Object, options: dict[str, Any]) -> bool:
        """Begin the end: upstream registry/core/namespace/storage Delete."""
        meta = obj["metadata"]
        if not meta.get("deletionTimestamp"):
            meta["deletionTimestamp"] = ctx.timestamp()
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
            _set_deletion_finalizers(meta, options)
            return True
        return bool(get(obj, "spec", "finalizers"))

    def deletes_on_update(self, obj: Object, old: Object) -> bool:
        return not get(obj, "spec", "finalizers")


def _label(obj: Object, name: str) -> None:
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    if labels.get(NAME_LABEL) != name:
        meta["labels"] = {**labels, NAME_LABEL: name}


def _finalizer_errors(finalizer: str, path: str) -> Iterator[FieldError]:
    yield from finalizer_errors(finalizer, path)
    yield from standard_finalizer_errors(finalizer, path)


def _set_deletion_finalizers(meta: Object, options: dict[str, Any]) -> None:
    """The finalizers that stand for the propagation policy come and go with it."""
    finalizers = list(meta.get("finalizers") or [])
    orphan, policy = options.get("orphanDependents"), options.get("propagationPolicy")
    if orphan is not None:
        wanted = {"orphan": orphan, "foregroundDeletion": not orphan}
    elif policy is not None:
        wanted = {"orphan": policy == "Orphan", "foregroundDeletion": policy == "Foreground"}
    else:
        return
    for finalizer, should_have in wanted.items():
        if should_have and finalizer not in finalizers:
            finalizers.append(finalizer)
        elif not should_have and finalizer in finalizers:
            finalizers.remove(finalizer)
    meta["finalizers"] = finalizers


class NamespaceStatusStrategy(KindStatusStrategy):
    """`/status`: the phase follows the deletionTimestamp."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        phase = get(obj, "status", "phase", default="")
        if not obj["metadata"].get("deletionTimestamp"):
            if phase != "Active":
                yield invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
        elif phase != "Terminating":
            yield invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")


class NamespaceFinalizeStrategy(KindStatusStrategy):
    """`/finalize`: the one way to change spec.finalizers."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        if "status" in old:
            obj["status"] = old["status"]
        else:
            obj.pop("status", None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        for i, finalizer in enumerate(get(obj, "spec", "finalizers", default=())):
            yield from _finalizer_errors(finalizer, f"spec.finalizers[{i}]")

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("status",),)


def _phase(obj: Object) -> str:
    return get(obj, "status", "phase", default="")  # type: ignore[no-any-return]


STRATEGY = NamespaceStrategy()
RESOURCE = Resource(
    group="",
    plural="namespaces",
    kind="Namespace",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    namespaced=False,
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    empty={"spec": {}, "status": {}},
    columns=(NAME, Column("Status", lambda obj, now: _phase(obj), description="The status of the namespace"), AGE),
    selectable={"status.phase": _phase},
    subresources=(
        Subresource(name="finalize", verbs=("update",), strategy=NamespaceFinalizeStrategy(STRATEGY)),
        Subresource(name="status", strategy=NamespaceStatusStrategy(STRATEGY)),
    ),
)
