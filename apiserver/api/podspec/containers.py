"""Walks over the containers of a PodSpec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.apimachinery.objects import Object

CONTAINER_FIELDS = ("initContainers", "containers", "ephemeralContainers")  # upstream VisitContainers' order


def all_containers(spec: Object) -> Iterator[Object]:
    """Init, regular and ephemeral containers."""
    for field in CONTAINER_FIELDS:
        yield from spec.get(field) or ()


def with_paths(spec: Object, path: str) -> Iterator[tuple[Object, str]]:
    """Every container with its field path."""
    for field in CONTAINER_FIELDS:
        for i, container in enumerate(spec.get(field) or ()):
            yield container, f"{path}.{field}[{i}]"


def is_sidecar(container: Object) -> bool:
    """A restartable init container (given that it is an init container)."""
    return container.get("restartPolicy") == "Always"


def sub(obj: Object, *path: str) -> dict[str, Any]:
    """The object under `path`; an empty one where it is absent. For reading."""
    for step in path:
        obj = obj.get(step) or {}
    return obj
