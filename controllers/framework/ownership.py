"""Who owns whom: controller references, adoption and release. Mirrors upstream pkg/controller/controller_ref_manager.go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from apiserver.apimachinery import labels
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.lister import Lister
from apiserver.client.resources import STRATEGIC_PATCH, ResourceClient
from controllers.framework.controller import Request


def controller_reference(owner: Object, api_version: str, kind: str) -> dict[str, Any]:
    """The ownerReference that makes `owner` the managing controller of something."""
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_controlled_by(obj: Object, owner: Object) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


CONTROLLER = "controller"  # the name of the index below


def controller_uid(obj: Object) -> Iterable[str]:
    """An index function: objects by the uid of what controls them; those of nobody by `orphans_of` their namespace."""
    reference = controller_of(obj)
    return (reference["uid"] if reference is not None else orphans_of(obj["metadata"].get("namespace") or ""),)


def orphans_of(namespace: str) -> str:
    """The index value of a namespace's objects without a controller; no uid looks like that."""
    return f"orphans/{namespace}"


def owned_or_orphaned(lister: Lister, owner: Object) -> list[Object]:
    """What `owner` controls, then what nobody controls in its namespace. Needs the index CONTROLLER."""
    meta = owner["metadata"]
    owned = lister.by_index(CONTROLLER, meta["uid"])
    return [*owned, *lister.by_index(CONTROLLER, orphans_of(meta.get("namespace") or ""))]


def fresh_owner_check(client: ResourceClient, owner: Object) -> Callable[[], Awaitable[None]]:
    """A `can_adopt` for ControllerReferences: raises unless the owner is still there, the same, and not being deleted."""
    meta, kind = owner["metadata"], owner["kind"]

    async def check() -> None:
        fresh = (await client.get(meta["name"], meta["namespace"]))["metadata"]
        named = f"{meta['namespace']}/{meta['name']}"
        if fresh["uid"] != meta["uid"]:
            what = f"original {kind} {named} is gone: got uid {fresh['uid']}, wanted {meta['uid']}"
            raise StatusError(409, "Conflict", what)
        if fresh.get("deletionTimestamp"):
            raise StatusError(409, "Conflict", f"{named} has just been deleted at {fresh['deletionTimestamp']}")

    return check


def owner_requests(kind: str, group: str) -> Callable[[Object], Iterable[Request]]:
    """A mapper to the controller of an object, where that is of the given kind."""

    def requests(obj: Object) -> Iterable[Request]:
        reference = controller_of(obj)
        if reference is None or reference["kind"] != kind:
            return ()
        if reference["apiVersion"].rpartition("/")[0] != group:
            return ()
        return (Request(obj["metadata"].get("namespace") or "", reference["name"]),)

    return requests


class ControllerReferences:
    """Claims objects for one owner: adopts matching orphans, releases what no longer matches.

    `can_adopt` reads the owner freshly and raises when it is gone or replaced: nothing is adopted for a ghost.
    """

    def __init__(
        self,
        client: ResourceClient,
        owner: Object,
        reference: dict[str, Any],
        selector: labels.Selector,
        can_adopt: Callable[[], Awaitable[None]],
        finalizers: tuple[str, ...] = (),
    ) -> None:
        self._client = client
        self._owner = owner
        self._uid: str = owner["metadata"]["uid"]
        self._reference = reference
        self._selector = selector
        self._can_adopt = can_adopt
        self._finalizers = finalizers
        self._may_adopt: bool | None = None

    async def claim(
        self, candidates: Iterable[Object], matches: Callable[[Object], bool] = lambda obj: True
    ) -> list[Object]:
        """The objects that are the owner's after adoption and release."""
        mine = []
        for obj in candidates:
            # Most objects are the owner's and stay so: they cost no coroutine each.
            if self._is_mine(obj, matches) or await self._claim(obj, matches):
                mine.append(obj)
        return mine

    def _wanted(self, obj: Object, matches: Callable[[Object], bool]) -> bool:
        return self._selector.matches(obj["metadata"].get("labels") or {}) and matches(obj)

    def _is_mine(self, obj: Object, matches: Callable[[Object], bool]) -> bool:
        reference = controller_of(obj)
        return reference is not None and reference["uid"] == self._uid and self._wanted(obj, matches)

    async def _claim(self, obj: Object, matches: Callable[[Object], bool]) -> bool:
        """Adopt or release an object that is not simply the owner's."""
        meta, owner = obj["metadata"], self._owner["metadata"]
        reference = controller_of(obj)
        if reference is not None:
            if reference["uid"] == self._uid and not owner.get("deletionTimestamp"):
                await self._release(obj)
            return False
        if owner.get("deletionTimestamp") or not self._wanted(obj, matches) or meta.get("deletionTimestamp"):
            return False
        if meta.get("namespace") != owner.get("namespace"):
            return False
        return await self._adopt(obj)

    async def _adopt(self, obj: Object) -> bool:
        if self._may_adopt is None:
            await self._can_adopt()
            self._may_adopt = True
        meta = obj["metadata"]
        patch: dict[str, Any] = {"ownerReferences": [self._reference], "uid": meta["uid"]}
        if self._finalizers:
            patch["finalizers"] = list(self._finalizers)
        return await self._patch(obj, {"metadata": patch})

    async def _release(self, obj: Object) -> None:
        meta = obj["metadata"]
        drop = [{"$patch": "delete", "uid": self._owner["metadata"]["uid"]}]
        patch: dict[str, Any] = {"ownerReferences": drop, "uid": meta["uid"]}
        if self._finalizers:
            patch["$deleteFromPrimitiveList/finalizers"] = list(self._finalizers)
        await self._patch(obj, {"metadata": patch})

    async def _patch(self, obj: Object, patch: Object) -> bool:
        """False when the object is gone or is another one by now: nothing to claim then."""
        meta = obj["metadata"]
        try:
            await self._client.patch(meta["name"], meta.get("namespace") or "", patch, type=STRATEGIC_PATCH)
        except StatusError as error:
            if error.code == 404 or error.reason == "Invalid":
                return False
            raise
        return True
