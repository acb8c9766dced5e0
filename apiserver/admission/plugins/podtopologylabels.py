"""PodTopologyLabels: a pod carries zone and region of its node, from the moment it is bound."""

from __future__ import annotations

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import labels_of, metadata

NODES = GroupResource("", "nodes")
LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


class PodTopologyLabels(AdmissionPlugin):
    name = "PodTopologyLabels"
    operations = frozenset({CREATE})
    resources = frozenset({PODS})

    async def admit(self, attributes: Attributes) -> None:
        """Of a pod that is made on a node, or of the binding that puts it there (and carries the labels over)."""
        obj = attributes.obj
        if obj is None:
            return
        if attributes.subresource == "":
            node_name = (obj.get("spec") or {}).get("nodeName")
        elif attributes.subresource == "binding":
            target = obj.get("target") or {}
            node_name = target.get("name") if target.get("kind") == "Node" else None
        else:
            return
        node = lookups.cached(self.dependencies, NODES, "", node_name) if node_name else None
        found = {key: value for key, value in labels_of(node or {}).items() if key in LABELS}
        if found:
            meta = metadata(obj)
            meta["labels"] = {**(meta.get("labels") or {}), **found}
