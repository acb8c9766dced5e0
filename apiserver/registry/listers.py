"""Listers: a reader's view of the cluster from memory, for admission, authorizers, allocators and bootstrap.

Inside the API server it is fed straight from the cachers (no second copy); what it returns is shared: copy before changing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object


class Lister(Protocol):
    """One resource, in its storage version. Never blocks; may lag behind storage by moments."""

    def get(self, namespace: str, name: str) -> Object | None: ...

    def list(self, namespace: str = "") -> Sequence[Object]: ...

    def on_change(self, callback: Callable[[Object | None, Object | None], None]) -> None:
        """Call `callback(old, new)` for each change from now on; it must not block."""
        ...


class Listers(Protocol):
    """Listers by resource: `listers(GroupResource("", "namespaces"))`. Raises KeyError for what is not served."""

    def __call__(self, group_resource: GroupResource) -> Lister: ...
