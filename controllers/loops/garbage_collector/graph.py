"""Who depends on whom: a graph over all objects, fed by changes, that says which nodes want a closer look.

Mirrors upstream pkg/controller/garbagecollector/graph_builder.go. Nodes are keyed by uid; an owner that was only heard of
is a virtual node until it is seen, or found to be absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from apiserver.apimachinery.objects import Object

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


class Identity(NamedTuple):
    """What an owner reference says of an owner, and where it has to be looked for."""

    api_version: str
    kind: str
    name: str
    uid: str
    namespace: str

    def __str__(self) -> str:
        return f"[{self.api_version}/{self.kind}, namespace: {self.namespace}, name: {self.name}, uid: {self.uid}]"


@dataclass(eq=False)
class Node:
    """One object. Dependents are kept in the order they came."""

    identity: Identity
    owners: list[dict[str, Any]] = field(default_factory=list)
    dependents: dict[str, Node] = field(default_factory=dict)  # by uid
    virtual: bool = False  # heard of by reference only
    being_deleted: bool = False
    deleting_dependents: bool = False  # foreground deletion has begun

    @property
    def blocking_dependents(self) -> list[Node]:
        """Dependents that must go before this node may."""
        uid = self.identity.uid
        return [
            node
            for node in self.dependents.values()
            if any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in node.owners)
        ]


def finalizers_of(obj: Object) -> Iterable[str]:
    return obj["metadata"].get("finalizers") or ()


def is_terminating_with(obj: Object | None, finalizer: str) -> bool:
    return obj is not None and bool(obj["metadata"].get("deletionTimestamp")) and finalizer in finalizers_of(obj)


class Graph:
    """Feed it with `observe` and `forget`; it calls back with nodes to look at and owners to orphan from."""

    def __init__(
        self,
        attempt_to_delete: Callable[[Node], None],
        attempt_to_orphan: Callable[[Node], None],
        report_misplaced_owner: Callable[[Node, dict[str, Any]], None],
    ) -> None:
        self.nodes: dict[str, Node] = {}
        self.absent: dict[tuple[str, str], None] = {}  # (uid, namespace) of owners known to be gone, newest last
        self._delete = attempt_to_delete
        self._orphan = attempt_to_orphan
        self._misplaced = report_misplaced_owner

    def observe(self, old: Object | None, obj: Object, api_version: str, kind: str) -> None:
        """An object was added or has changed."""
        meta = obj["metadata"]
        identity = Identity(api_version, kind, meta["name"], meta["uid"], meta.get("namespace") or "")
        owners: list[dict[str, Any]] = meta.get("ownerReferences") or []
        node = self.nodes.get(identity.uid)
        if node is not None and node.virtual:
            node = self._confirm(node, identity)
        if node is None:
            node = self.nodes[identity.uid] = Node(identity, owners)
            self._join(node, owners)
        elif node.owners != owners:
            self._change_owners(node, owners)
        if meta.get("deletionTimestamp"):
            node.being_deleted = True
        self._transitions(old, obj, node)

    def _confirm(self, node: Node, identity: Identity) -> Node | None:
        """A node heard of is seen. Dependents that named it wrongly are looked at: their owner may not exist."""
        if node.identity == identity:
            node.virtual = False
            return node
        del self.nodes[identity.uid]
        seen = Node(identity)
        for uid, dependent in node.dependents.items():
            seen.dependents[uid] = dependent
            if not self._reference_fits(dependent, identity):
                self._delete(dependent)
        self.nodes[identity.uid] = seen
        return seen

    def _reference_fits(self, dependent: Node, owner: Identity) -> bool:
        if owner.namespace and owner.namespace != dependent.identity.namespace:
            return False
        named = (owner.api_version, owner.kind, owner.name, owner.uid)
        return any((r["apiVersion"], r["kind"], r["name"], r["uid"]) == named for r in dependent.owners)

    def _join(self, node: Node, owners: Iterable[dict[str, Any]]) -> None:
        """Make `node` a dependent of its owners; owners not known yet become virtual nodes and are looked up."""
        for reference in owners:
            owner = self.nodes.get(reference["uid"])
            if owner is None:
                namespace = node.identity.namespace
                identity = Identity(
                    reference["apiVersion"], reference["kind"], reference["name"], reference["uid"], namespace
                )
                owner = self.nodes[identity.uid] = Node(identity, virtual=True)
                owner.dependents[node.identity.uid] = node
                self._delete(owner)
                continue
            owner.dependents[node.identity.uid] = node
            if not owner.virtual and not self._reference_fits(node, owner.identity):
                if owner.identity.namespace and owner.identity.namespace != node.identity.namespace:
                    self._misplaced(node, reference)
                self._delete(node)

    def _change_owners(self, node: Node, owners: list[dict[str, Any]]) -> None:
        before = {ref["uid"]: ref for ref in node.owners}
        after = {ref["uid"]: ref for ref in owners}
        node.owners = owners
        for uid, reference in before.items():
            owner = self.nodes.get(uid)
            if owner is None:
                continue
            if uid not in after:
                owner.dependents.pop(node.identity.uid, None)
            unblocked = reference.get("blockOwnerDeletion") and not after.get(uid, {}).get("blockOwnerDeletion")
            if unblocked and owner.deleting_dependents:
                self._delete(owner)
        self._join(node, [ref for uid, ref in after.items() if uid not in before])
        if any(uid in before and before[uid] != ref for uid, ref in after.items()):
            self._delete(node)
        if len(after) < len(before):
            self._delete(node)

    def _transitions(self, old: Object | None, obj: Object, node: Node) -> None:
        """A deletion that begins: orphaning, or foreground with the dependents first."""
        if is_terminating_with(obj, ORPHAN) and not is_terminating_with(old, ORPHAN):
            self._orphan(node)
        elif is_terminating_with(obj, FOREGROUND) and not is_terminating_with(old, FOREGROUND):
            node.deleting_dependents = True
            for dependent in node.dependents.values():
                self._delete(dependent)
            self._delete(node)

    def forget(self, uid: str) -> None:
        """An object is gone: its dependents lost an owner, its owners wait for one less."""
        node = self.nodes.pop(uid, None)
        if node is None:
            return
        for reference in node.owners:
            owner = self.nodes.get(reference["uid"])
            if owner is not None:
                owner.dependents.pop(uid, None)
                if owner.deleting_dependents:
                    self._delete(owner)
                if owner.virtual and not owner.dependents:
                    del self.nodes[owner.identity.uid]
        if node.dependents:
            self.mark_absent(uid, node.identity.namespace)
        for dependent in node.dependents.values():
            self._delete(dependent)

    def mark_absent(self, uid: str, namespace: str) -> None:
        self.absent[(uid, namespace)] = None
        if len(self.absent) > 500:  # as upstream's absentOwnerCache
            del self.absent[next(iter(self.absent))]

    def is_absent(self, uid: str, namespace: str) -> bool:
        return (uid, namespace) in self.absent or (uid, "") in self.absent
