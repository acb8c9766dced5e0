"""TaintNodesByCondition: a new node is not ready until its controller says so."""

from __future__ import annotations

from apiserver.admission.interface import CREATE, AdmissionPlugin, Attributes
from apiserver.apimachinery.gvk import GroupResource

NOT_READY, NO_SCHEDULE = "node.kubernetes.io/not-ready", "NoSchedule"


class TaintNodesByCondition(AdmissionPlugin):
    name = "TaintNodesByCondition"
    operations = frozenset({CREATE})
    resources = frozenset({GroupResource("", "nodes")})

    async def admit(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        spec = attributes.obj.setdefault("spec", {})
        taints = spec.get("taints") or []
        if not any(taint.get("key") == NOT_READY and taint.get("effect") == NO_SCHEDULE for taint in taints):
            spec["taints"] = [*taints, {"key": NOT_READY, "effect": NO_SCHEDULE}]
