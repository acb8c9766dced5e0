"""Which objects belong to which node: through the pods bound to it, their claims, and the claims' volumes.

Instead of a graph to search, each object counts the pods by which a node reaches it: a question is one look-up, two for volumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get, name_of, namespace_of
from apiserver.auth.authorizers.references import (
    ATTACHMENT,
    POD_CERTIFICATE,
    SECRET,
    SLICE,
    VOLUME,
    Vertex,
    pod_references,
    volume_claim,
    volume_secrets,
)
from apiserver.registry.listers import Listers

PODS, VOLUMES = GroupResource("", "pods"), GroupResource("", "persistentvolumes")
# Objects that name their node themselves.
OWNED: tuple[tuple[GroupResource, str], ...] = (
    (GroupResource("storage.k8s.io", "volumeattachments"), ATTACHMENT),
    (GroupResource("resource.k8s.io", "resourceslices"), SLICE),
    (GroupResource("certificates.k8s.io", "podcertificaterequests"), POD_CERTIFICATE),
)


class NodeGraph:
    """Built from Listers on first use and kept by their changes. Kinds that are not served play no part."""

    def __init__(self, listers: Listers) -> None:
        self._listers = listers
        self._started = False
        self._reached: dict[Vertex, dict[str, int]] = {}  # object → node → how often
        self._claims: dict[str, Vertex] = {}  # volume → the claim it is bound to
        self._secret_volumes: dict[Vertex, dict[str, None]] = {}  # secret → volumes that need it

    def reaches(self, node: str, kind: str, namespace: str, name: str) -> bool:
        """Whether the object belongs to something that runs on the node."""
        self._start()
        vertex = (kind, namespace, name)
        if node in self._reached.get(vertex, ()):
            return True
        if kind == VOLUME:
            return self._volume_reached(node, name)
        if kind == SECRET:
            return any(self._volume_reached(node, volume) for volume in self._secret_volumes.get(vertex, ()))
        return False

    def _volume_reached(self, node: str, volume: str) -> bool:
        claim = self._claims.get(volume)
        return claim is not None and node in self._reached.get(claim, ())

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        self._follow(PODS, self._pod_changed)
        self._follow(VOLUMES, self._volume_changed)
        for resource, kind in OWNED:
            self._follow(resource, self._owned_changed(kind))

    def _follow(self, resource: GroupResource, change: Callable[[Object | None, Object | None], None]) -> None:
        try:
            lister = self._listers(resource)
        except KeyError:
            return
        lister.on_change(change)
        for obj in lister.list():
            change(None, obj)

    def _count(self, node: str, vertices: Iterable[Vertex], step: int) -> None:
        for vertex in vertices:
            nodes = self._reached.setdefault(vertex, {})
            count = nodes.pop(node, 0) + step
            if count > 0:
                nodes[node] = count
            elif not nodes:
                del self._reached[vertex]

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _same_references(old, new):
            return
        for pod, step in ((new, 1), (old, -1)):
            if pod is not None and (node := get(pod, "spec", "nodeName", default="")):
                self._count(node, pod_references(pod), step)

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            self._claims.pop(name_of(old), None)
            for secret in volume_secrets(old):
                self._secret_volumes.get(secret, {}).pop(name_of(old), None)
                if not self._secret_volumes.get(secret):
                    self._secret_volumes.pop(secret, None)
        if new is not None and (claim := volume_claim(new)) is not None:
            self._claims[name_of(new)] = claim
            for secret in volume_secrets(new):
                self._secret_volumes.setdefault(secret, {})[name_of(new)] = None

    def _owned_changed(self, kind: str) -> Callable[[Object | None, Object | None], None]:
        def change(old: Object | None, new: Object | None) -> None:
            for obj, step in ((new, 1), (old, -1)):
                if obj is not None and (node := get(obj, "spec", "nodeName", default="")):
                    self._count(node, [(kind, namespace_of(obj), name_of(obj))], step)

        return change


def _same_references(old: Object, new: Object) -> bool:
    """A bound pod's references change only with its ephemeral containers and its claims' statuses."""
    return all(get(old, *path) == get(new, *path) for path in _CHANGEABLE)


_CHANGEABLE = (
    ("metadata", "uid"),
    ("spec", "nodeName"),
    ("spec", "ephemeralContainers"),
    ("status", "resourceClaimStatuses"),
    ("status", "extendedResourceClaimStatus"),
)
