"""Ephemeral containers of a running pod: they come, and neither change nor go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.pod.annotations import annotations_update_errors
from apiserver.api.validation.pod.create import annotations_and_spec_errors
from apiserver.api.validation.pod.diff import ephemeral_container_diff
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.spec import MIRROR_ANNOTATION
from apiserver.apimachinery.errors import FieldError, field_forbidden, go_value
from apiserver.apimachinery.objects import Object, annotations_of

PATH = "spec.ephemeralContainers"


def ephemeral_containers_update_errors(
    pod: Object, old: Object, options: PodOptions, metadata: Callable[[Object], Iterator[FieldError]]
) -> Iterator[FieldError]:
    """Upstream ValidatePodEphemeralContainersUpdate."""
    if MIRROR_ANNOTATION in annotations_of(old):
        yield field_forbidden("[]", "static pods do not support ephemeral containers")
        return
    yield from metadata_update_errors(pod, old)
    yield from metadata(pod)
    yield from annotations_and_spec_errors(pod, options)
    yield from annotations_update_errors(pod, old, "metadata.annotations", options)
    containers = {c.get("name") or "": c for c in pod["spec"].get("ephemeralContainers") or ()}
    for before in old["spec"].get("ephemeralContainers") or ():
        name = before.get("name") or ""
        shown = go_value(name)
        if name not in containers:
            yield field_forbidden(PATH, f"existing ephemeral containers {shown} may not be removed\n")
        elif containers[name] != before:
            difference = ephemeral_container_diff(before, containers[name])
            yield field_forbidden(PATH, f"existing ephemeral containers {shown} may not be changed\n{difference}")
