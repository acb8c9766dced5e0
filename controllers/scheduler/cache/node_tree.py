"""The order in which nodes are looked at: round robin over zones. Mirrors upstream backend/cache/node_tree.go."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object

_REGIONS = ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region")
_ZONES = ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone")


def zone_key(node: Object) -> str:
    """Region and zone of a node as one text; empty where it has neither (upstream util/node GetZoneKey)."""
    labels = node["metadata"].get("labels") or {}
    region = next((labels[name] for name in _REGIONS if name in labels), "")
    zone = next((labels[name] for name in _ZONES if name in labels), "")
    return f"{region}:\x00:{zone}" if region or zone else ""


class NodeTree:
    """Names of nodes by zone, both in the order in which they came."""

    def __init__(self) -> None:
        self._zones: dict[str, dict[str, None]] = {}

    def update(self, old: Object | None, new: Object) -> bool:
        """Add or move a node; False when its place stays the same."""
        zone, name = zone_key(new), new["metadata"]["name"]
        if old is not None:
            if zone_key(old) == zone:
                return False
            self.remove(old)
        self._zones.setdefault(zone, {})[name] = None
        return True

    def remove(self, node: Object) -> None:
        zone = zone_key(node)
        members = self._zones.get(zone, {})
        members.pop(node["metadata"]["name"], None)
        if not members:
            self._zones.pop(zone, None)

    def order(self) -> list[str]:
        columns = [list(members) for members in self._zones.values()]
        longest = max(map(len, columns), default=0)
        return [column[i] for i in range(longest) for column in columns if i < len(column)]
