"""How checks of pod security look at pods and word what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from apiserver.apimachinery.objects import Object, get

Spec = Object
Test = Callable[[Object], bool]


class Pod(NamedTuple):
    """What is judged: a pod's, or a template's."""

    annotations: dict[str, str]
    spec: Spec


class Finding(NamedTuple):
    """Why a pod is not allowed."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Pod, int], Finding | None]  # (pod, minor version of Kubernetes)


def containers(spec: Spec) -> Iterator[Object]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def context(holder: Object, *path: str) -> object:
    """A value in the securityContext of a pod's spec or of a container."""
    return get(holder, "securityContext", *path)


def names_of(spec: Spec, is_bad: Test) -> list[str]:
    """The names of the containers that are bad."""
    return [container.get("name") or "" for container in containers(spec) if is_bad(container)]


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def plural(word: str, count: int) -> str:
    return word if count == 1 else word + "s"


def named(names: list[str]) -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{plural('container', len(names))} {quoted(names)}"


def uses(names: list[str]) -> str:
    return "uses" if len(names) == 1 else "use"


def setters(spec: Spec, is_bad: Test) -> str:
    """Who sets what is bad: `pod and container "a"`; "" when nobody does."""
    found = ["pod"] if is_bad(spec) else []
    if bad := names_of(spec, is_bad):
        found.append(named(bad))
    return " and ".join(found)


def values_of(spec: Spec, *path: str) -> set[str]:
    """The values that the pod and its containers give at a path of their securityContext."""
    found = (context(holder, *path) for holder in (spec, *containers(spec)))
    return {str(value) for value in found if value is not None}


def is_windows(spec: Spec) -> bool:
    return bool(get(spec, "os", "name") == "windows")


def has_user_namespace(spec: Spec) -> bool:
    return spec.get("hostUsers") is False
