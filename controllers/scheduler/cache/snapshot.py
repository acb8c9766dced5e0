"""The cluster as one scheduling cycle sees it: copies that nothing changes while the cycle runs."""

from __future__ import annotations

from controllers.scheduler.framework.node_info import NodeInfo


class Snapshot:
    """Nodes by name and in order, and those among them that hold pods with (anti-)affinity."""

    def __init__(self) -> None:
        self.by_name: dict[str, NodeInfo] = {}
        self.nodes: list[NodeInfo] = []
        self._positions: dict[str, int] = {}
        self._affinity: dict[str, None] = {}
        self._anti_affinity: dict[str, None] = {}

    def put(self, name: str, info: NodeInfo | None) -> None:
        """Replace one node; None: it is gone."""
        if info is None:
            self.by_name.pop(name, None)
        else:
            old = self.by_name.get(name)
            if old is not None and old.generation == info.generation:
                info.memo = old.memo
            self.by_name[name] = info
            if name in self._positions:
                self.nodes[self._positions[name]] = info
        _note(self._affinity, name, info is not None and bool(info.affinity_pods))
        _note(self._anti_affinity, name, info is not None and bool(info.anti_affinity_pods))

    def reorder(self, names: list[str]) -> None:
        self._positions = {name: i for i, name in enumerate(names)}
        self.nodes = [self.by_name[name] for name in names]

    def get(self, name: str) -> NodeInfo | None:
        return self.by_name.get(name)

    @property
    def with_affinity(self) -> list[NodeInfo]:
        return [self.by_name[name] for name in self._affinity]

    @property
    def with_anti_affinity(self) -> list[NodeInfo]:
        return [self.by_name[name] for name in self._anti_affinity]

    def claim_in_use(self, claim: tuple[str, str]) -> bool:
        """Does a pod on any node use this PVC? (upstream SharedLister.StorageInfos)"""
        return any(claim in info.claims for info in self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)


def _note(names: dict[str, None], name: str, present: bool) -> None:
    if present:
        names[name] = None
    else:
        names.pop(name, None)
