"""RuntimeClass: a way of running pods, what it costs, and which nodes know it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from apiserver.api.columns import AGE, NAME
from apiserver.api.podspec.quantities import round_list
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.scheduling import tolerations_errors
from apiserver.api.validation.pod.warnings import DEPRECATED_LABELS
from apiserver.api.validation.resources import requirements_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, required
from apiserver.apimachinery.object_meta import IMMUTABLE, labels_errors
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

LIST_KEY = ("key", "operator", "value", "effect")


class RuntimeClassStrategy(KindStrategy):
    """Mirrors upstream registry/node/runtimeclass and its validation."""

    namespaced = False
    allow_create_on_update = True
    allow_unconditional_update = False

    def default(self, obj: Object) -> None:
        obj.setdefault("handler", "")
        round_list(get(obj, "overhead", "podFixed"))

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _written_errors(obj)
        handler = obj.get("handler") or ""
        if not handler:
            yield required("handler")
        for message in formats.in_bytes(formats.dns1123_label(handler)) if handler else ():
            yield invalid("handler", handler, message)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        """What is declared of a handler is not looked at once it changed: there the written check answers, and first."""
        handler, changed = obj.get("handler") or "", obj.get("handler") != old.get("handler")
        if changed:
            for message in formats.dns1123_label(handler) if handler else ():
                yield invalid("handler", handler, message)
        yield from self.metadata_errors(obj)
        yield from _written_errors(obj)
        yield from metadata_update_errors(obj, old)
        if changed:
            yield invalid("handler", None, IMMUTABLE)
            if not handler:
                yield required("handler")

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        for key in sorted(get(obj, "scheduling", "nodeSelector", default=())):
            if key in DEPRECATED_LABELS:
                yield f"scheduling.nodeSelector: {DEPRECATED_LABELS[key]}"

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _written_errors(obj: Object) -> Iterator[FieldError]:
    """What upstream checks by hand alone."""
    if obj.get("overhead") is not None:
        limits = {"limits": obj["overhead"].get("podFixed")}
        yield from requirements_errors(limits, "overhead", ())
    scheduling = obj.get("scheduling")
    if scheduling is not None:
        yield from labels_errors(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
        yield from _tolerations_errors(scheduling.get("tolerations") or [], "scheduling.tolerations")


def _tolerations_errors(tolerations: list[Object], path: str) -> Iterator[FieldError]:
    yield from tolerations_errors(tolerations, path, PodOptions())
    keys: Sequence[tuple[str, ...]] = [tuple(t.get(field) or "" for field in LIST_KEY) for t in tolerations]
    for i, key in enumerate(keys):
        if key in keys[:i]:
            yield duplicate(f"{path}[{i}]", internal(tolerations[i], "Toleration"))


RESOURCE = Resource(
    group="node.k8s.io",
    plural="runtimeclasses",
    kind="RuntimeClass",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=RuntimeClassStrategy(),
    empty={"handler": ""},
    columns=(NAME, Column("Handler", lambda obj, now: obj.get("handler") or ""), AGE),
)
