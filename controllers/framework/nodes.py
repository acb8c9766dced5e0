"""What loops ask about nodes, and how they change their taints (upstream pkg/controller/util/node)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import Clock, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.events import EventRecorder
from apiserver.client.resources import STRATEGIC_PATCH, ResourceClient

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"

TAINT_TRIES = 5  # upstream UpdateTaintBackoff: conflicts are tried again
TAINT_WAIT = 0.1

Taint = dict[str, Any]


def taints_of(node: Object) -> list[Taint]:
    return (node.get("spec") or {}).get("taints") or []


def has_taint(node: Object, key: str, effect: str = "") -> bool:
    return any(taint["key"] == key and effect in ("", taint["effect"]) for taint in taints_of(node))


def zone_of(node: Object) -> str:
    """Region and zone as one key; empty where neither is told (upstream GetZoneKey)."""
    labels = objects.labels_of(node)
    zone, region = (
        labels.get(f"failure-domain.beta.kubernetes.io/{part}", labels.get(f"topology.kubernetes.io/{part}", ""))
        for part in ("zone", "region")
    )
    return f"{region}:\0:{zone}" if region or zone else ""


def node_name_index(pod: Object) -> Iterable[str]:
    """An index function: pods by their node, under the name `node`."""
    name = pod["spec"].get("nodeName")
    return (name,) if name else ()


def tolerates(toleration: dict[str, Any], taint: Taint) -> bool:
    """Does a toleration bear a taint? An empty effect or key means all of them."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))


def reference(node: Object) -> Object:
    """What events about a node are about: the node without a revision."""
    meta = node["metadata"]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": meta["name"], "uid": meta.get("uid", "")}}


def tell_node(recorder: EventRecorder, node: Object, reason: str, message: str) -> None:
    recorder.event(reference(node), "Normal", reason, f"Node {node['metadata']['name']} event: {message}")


def tell_status(recorder: EventRecorder, node: Object, status: str) -> None:
    name = node["metadata"]["name"]
    recorder.event(reference(node), "Normal", status, f"Node {name} status is now: {status}")


def taints_after(taints: Sequence[Taint], add: Sequence[Taint], remove: Iterable[tuple[str, str]]) -> list[Taint]:
    """Taints with some added and some taken away, by key and effect; one that is there already stays as it is."""
    gone = set(remove)
    kept = [taint for taint in taints if (taint["key"], taint["effect"]) not in gone]
    present = {(taint["key"], taint["effect"]): taint.get("value", "") for taint in kept}
    new = [taint for taint in add if present.get((taint["key"], taint["effect"])) != taint.get("value", "")]
    replaced = {(taint["key"], taint["effect"]) for taint in new}
    return [taint for taint in kept if (taint["key"], taint["effect"]) not in replaced] + new


async def swap_taints(
    nodes: ResourceClient, name: str, clock: Clock, add: Sequence[tuple[str, str]], remove: Iterable[tuple[str, str]]
) -> None:
    """Add and remove taints by (key, effect), reading the node freshly; a lost race is run again. Raises StatusError."""
    gone = tuple(remove)
    now = rfc3339(clock.now())
    added = [{"key": key, "effect": effect, "timeAdded": now} for key, effect in add]
    for attempt in range(TAINT_TRIES):
        node = await nodes.get(name)
        taints = taints_after(taints_of(node), added, gone)
        if taints == taints_of(node):
            return
        # The revision makes it a conflict when somebody changed the taints meanwhile: the list is replaced as a whole.
        patch = {
            "metadata": {"resourceVersion": node["metadata"]["resourceVersion"]},
            "spec": {"taints": taints or None},
        }
        try:
            await nodes.patch(name, "", patch, type=STRATEGIC_PATCH)
            return
        except StatusError as error:
            if error.code != 409 or attempt + 1 == TAINT_TRIES:
                raise
        await asyncio.sleep(TAINT_WAIT)
