"""Resizing a running pod: cpu and memory of its containers, nothing else (upstream ValidatePodResize)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiserver.api.podspec.containers import is_sidecar, sub
from apiserver.api.podspec.quantities import same
from apiserver.api.podspec.resources import qos_class
from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.pod.create import annotations_and_spec_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.spec import MIRROR_ANNOTATION
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid
from apiserver.apimachinery.objects import Object, annotations_of, get

COMPUTE = ("cpu", "memory")


def pod_resize_errors(
    pod: Object, old: Object, options: PodOptions, metadata: Callable[[Object], Iterator[FieldError]]
) -> Iterator[FieldError]:
    spec, old_spec = pod["spec"], old["spec"]
    if MIRROR_ANNOTATION in annotations_of(old):
        yield field_forbidden("[]", "static pods cannot be resized")
        return
    if sub(old_spec, "os").get("name") == "windows":
        yield field_forbidden("[]", "windows pods cannot be resized")
        return
    found = [*metadata_update_errors(pod, old), *metadata(pod), *annotations_and_spec_errors(pod, options)]
    found += _pod_errors(pod, old)
    munged = dict(spec)
    if _has_resources(old_spec) or _has_resources(spec):
        found += _pod_level_errors(spec, old_spec, munged)
    order = list(_order_errors(spec, old_spec))
    found += order
    if not order:
        found += _containers_errors(spec, old_spec, munged)
        if (spec.get("volumes") or []) != (old_spec.get("volumes") or []):
            message = "volumes are immutable on resize when InPlacePodVerticalScalingMemoryBackedVolumes feature gate is disabled"
            found.append(field_forbidden("spec.volumes", message))
    yield from found
    if not found and munged != old_spec:
        yield field_forbidden("spec", "only cpu and memory resources are mutable")


def _pod_errors(pod: Object, old: Object) -> Iterator[FieldError]:
    before = get(old, "status", "qosClass") or qos_class(old["spec"])
    if before != qos_class(pod["spec"]):
        shown = get(pod, "status", "qosClass", default="")
        yield invalid("spec", shown, "Pod QOS Class may not change as a result of resizing")
    for container in get(old, "status", "containerStatuses", default=()):
        if sub(container, "state").get("running") is not None:
            if container.get("resources") is None:
                yield field_forbidden("spec", "Pod running on node without support for resize")
            return


def _has_resources(spec: Object) -> bool:
    resources = spec.get("resources") or {}
    return bool(resources.get("requests") or resources.get("limits"))


def _removed(resources: Object, old: Object) -> bool:
    return any(name not in resources for name in old)


def _pod_level_errors(spec: Object, old: Object, munged: Object) -> Iterator[FieldError]:
    resources, before = spec.get("resources"), old.get("resources")
    if before is not None and resources is None:
        yield field_forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    for side, word in (("requests", "resource requests"), ("limits", "resource limits")):
        if before is not None and _removed(sub(resources or {}, side), sub(before, side)):
            yield field_forbidden(f"spec.resources.{side}", f"pod-level {word} cannot be removed")
    kept = _without_compute(resources or {}, before or {})
    if before is None and not any(kept.values()):
        munged.pop("resources", None)
    elif resources is not None:
        munged["resources"] = kept
    if not _same_resources(munged.get("resources"), before):
        yield field_forbidden("spec", "only cpu and memory resources are mutable at pod-level")
    elif before is not None:
        munged["resources"] = before


def _without_compute(resources: Object, old: Object) -> Object:
    """The resources with cpu and memory as they were."""
    kept = dict(resources)
    for side in ("requests", "limits"):
        amounts = {name: text for name, text in sub(resources, side).items() if name not in COMPUTE}
        amounts.update({name: text for name, text in sub(old, side).items() if name in COMPUTE})
        kept[side] = amounts
    return kept


def _same_resources(a: Object | None, b: Object | None) -> bool:
    if (a is None) != (b is None):
        return False
    a, b = a or {}, b or {}
    claims = (a.get("claims") or []) == (b.get("claims") or [])
    return claims and all(same(a.get(side), b.get(side)) for side in ("requests", "limits"))


def _order_errors(spec: Object, old: Object) -> Iterator[FieldError]:
    for field in ("containers", "initContainers"):
        containers, before = spec.get(field) or [], old.get(field) or []
        if len(containers) != len(before):
            yield field_forbidden(f"spec.{field}", f"{field} may not be added or removed on resize")
            continue
        for i, (container, old_container) in enumerate(zip(containers, before, strict=True)):
            if container.get("name") != old_container.get("name"):
                message = f"{field} may not be renamed or reordered on resize"
                yield field_forbidden(f"spec.{field}[{i}].name", message)


def _containers_errors(spec: Object, old: Object, munged: Object) -> Iterator[FieldError]:
    for field in ("initContainers", "containers"):
        for i, (container, before) in enumerate(zip(spec.get(field) or (), old.get(field) or (), strict=True)):
            for side in ("requests", "limits"):
                if _removed(sub(container, "resources", side), sub(before, "resources", side)):
                    path = f"spec.{field}[{i}].resources.{side}"
                    yield field_forbidden(path, f"resource {side} cannot be removed")
    for field in ("containers", "initContainers"):
        kept = []
        for i, (container, before) in enumerate(zip(spec.get(field) or (), old.get(field) or (), strict=True)):
            changed = dict(container)
            changed["resources"] = _without_compute(container.get("resources") or {}, before.get("resources") or {})
            if _same_resources(changed["resources"], before.get("resources") or {}):
                changed["resources"] = before.get("resources") or {}
            yield from _container_errors(container, changed, before, field, i)
            kept.append(changed)
        if kept:
            munged[field] = kept


def _container_errors(container: Object, changed: Object, before: Object, field: str, i: int) -> Iterator[FieldError]:
    """`changed` is the container with its old cpu and memory."""
    if field == "containers":
        if changed != before:
            yield field_forbidden("spec", "only cpu and memory resources are mutable")
        return
    path = f"spec.initContainers[{i}]"
    if changed != before:
        yield field_forbidden(path, "only cpu and memory resources for init or sidecar containers are mutable")
    if container == before or is_sidecar(container):
        return
    for policy in container.get("resizePolicy") or ():
        if policy.get("restartPolicy") == "RestartContainer":
            message = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            yield field_forbidden(path, message)
