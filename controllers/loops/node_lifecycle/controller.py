"""The node lifecycle loop: looks at every node's health, sets taints, marks pods of silent nodes not ready.

Mirrors upstream pkg/controller/nodelifecycle. Options, as flags: `node_monitor_period`, `node_monitor_grace_period`,
`node_startup_grace_period`, `node_eviction_rate`, `secondary_node_eviction_rate`, `large_cluster_size_threshold`,
`unhealthy_zone_threshold`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.tasks import TaskOwner
from controllers.framework import nodes as node_facts
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import LEASES, NODES, PODS
from controllers.framework.manager import Loop
from controllers.framework.nodes import NOT_READY, UNREACHABLE
from controllers.framework.periodic import Periodic
from controllers.loops.node_lifecycle.health import Health, observe, ready_condition, ready_status, silenced
from controllers.loops.node_lifecycle.taints import condition_taints, missing_labels
from controllers.loops.node_lifecycle.zones import Rates, Zones

log = logging.getLogger(__name__)

NAME = "node-lifecycle-controller"
COMPONENT = "node-controller"
WORKERS = 8
POD_WORKERS = 4
PERIOD = 5.0  # seconds between looks
GRACE = 50.0  # seconds of silence before a node's state is not known
STARTUP_GRACE = 60.0  # … where it never reported
TRIES = 5
TRY_AGAIN = 0.02
TAINT_PERIOD = 0.1  # upstream NodeEvictionPeriod
LEASE_NAMESPACE = "kube-node-lease"
EXCLUDED = "node.kubernetes.io/exclude-disruption"
# Ready's status → the NoExecute taint it means, and the one it rules out
EVICTING = {"False": (NOT_READY, UNREACHABLE), "Unknown": (UNREACHABLE, NOT_READY)}


class StaleLease(Exception):
    """The informer shows an older lease than the server has: nothing may be concluded from it."""


class NodeHealth:
    """Looks at all nodes at intervals."""

    def __init__(self, context: Context) -> None:
        options = context.options
        self.clock = context.clock
        self.nodes, self.pods, self.leases = (context.resource(r) for r in (NODES, PODS, LEASES))
        pods = context.informer(PODS)
        pods.add_index("node", node_facts.node_name_index)
        self.known_pods = pods.lister
        self.known = context.informer(NODES).lister
        self.known_leases = context.informer(LEASES, namespace=LEASE_NAMESPACE).lister
        self.recorder = context.recorder(COMPONENT)
        self.grace = float(options.get("node_monitor_grace_period", GRACE))
        self.startup_grace = float(options.get("node_startup_grace_period", STARTUP_GRACE))
        self.zones = Zones(
            Rates(
                float(options.get("node_eviction_rate", Rates().usual)),
                float(options.get("secondary_node_eviction_rate", Rates().secondary)),
                int(options.get("large_cluster_size_threshold", Rates().large_cluster)),
                float(options.get("unhealthy_zone_threshold", Rates().unhealthy)),
            )
        )
        self.health: dict[str, Health] = {}
        self.registered: dict[str, Object] = {}
        self.to_retry: dict[str, None] = {}  # nodes some of whose pods could not be marked
        self.taints_wanted = asyncio.Event()

    async def look(self) -> None:
        nodes = self.known.list()
        await self._classify(nodes)
        places = asyncio.Semaphore(WORKERS)

        async def one(node: Object) -> Object | None:
            async with places:
                return await self._look_at(node)

        seen = [node for node in await asyncio.gather(*(one(node) for node in nodes)) if node is not None]
        ready: dict[str, list[str | None]] = {}
        for node in seen:
            if EXCLUDED not in objects.labels_of(node):
                ready.setdefault(node_facts.zone_of(node), []).append(ready_status(node))
        await self._judge(ready, nodes)

    async def _classify(self, nodes: Sequence[Object]) -> None:
        now = {node["metadata"]["name"]: node for node in nodes}
        for name, node in now.items():
            self.zones.get(node_facts.zone_of(node), self.clock.now())
            if name not in self.registered:
                node_facts.tell_node(self.recorder, node, "RegisteredNode", f"Registered Node {name} in Controller")
                self.registered[name] = node
                await self._reachable(node)
        for name in [name for name in self.registered if name not in now]:
            node = self.registered.pop(name)
            node_facts.tell_node(self.recorder, node, "RemovingNode", f"Removing Node {name} from Controller")
            self.health.pop(name, None)
            self.to_retry.pop(name, None)
            self.zones.get(node_facts.zone_of(node), self.clock.now()).remove(name)

    async def _look_at(self, node: Object) -> Object | None:
        """The node as it is after the look; None where it could not be looked at."""
        name, before = node["metadata"]["name"], ready_status(node)
        try:
            node = await self._update_health(node)
        except StaleLease:
            return None
        except StatusError as error:
            log.info("node's health not updated", extra={"node": name, "error": error.message})
            return None
        status = ready_status(node)
        if status is not None:
            await self._want_taint(node, status)
            if status != "True" and before == "True":
                node_facts.tell_status(self.recorder, node, "NodeNotReady")
                self.to_retry[name] = None
            if status != "True" and name in self.to_retry and not await self._mark_pods(node):
                return node
        self.to_retry.pop(name, None)
        return node

    async def _update_health(self, node: Object) -> Object:
        """Note signs of life; write Unknown conditions where there were none for too long."""
        name = node["metadata"]["name"]
        for attempt in range(TRIES):
            grace = self.startup_grace if ready_condition(node) is None else self.grace
            now = self.clock.now()
            health = observe(self.health.get(name), node, self.known_leases.get(LEASE_NAMESPACE, name), now)
            self.health[name] = health
            if now - health.probed <= grace:
                return node
            await self._check_lease(name, health)
            conditions = silenced(node, now)
            if conditions == ((node.get("status") or {}).get("conditions") or []):
                return node
            try:
                written = {**node, "status": {**(node.get("status") or {}), "conditions": conditions}}
                node = await self.nodes.update_status(written)
                health.ready = ready_condition(node)
                return node
            except StatusError as error:
                if error.code != 409 or attempt + 1 == TRIES:
                    raise
            await asyncio.sleep(TRY_AGAIN)
            node = await self.nodes.get(name)
        raise AssertionError("unreachable")

    async def _check_lease(self, name: str, health: Health) -> None:
        """Upstream's NodeControllerLeaseCircuitBreaker: a stale informer must not take down nodes that are well."""
        try:
            live = await self.leases.get(name, LEASE_NAMESPACE)
        except StatusError as error:
            if error.code == 404:
                return
            raise
        if live["metadata"]["resourceVersion"] != health.lease_version:
            raise StaleLease

    async def _want_taint(self, node: Object, status: str) -> None:
        name = node["metadata"]["name"]
        if status == "True":
            await self._reachable(node)
            return
        zone = self.zones.get(node_facts.zone_of(node), self.clock.now())
        wanted, opposite = EVICTING[status]
        if node_facts.has_taint(node, opposite, "NoExecute"):
            await self._taint(name, [(wanted, "NoExecute")], [(opposite, "NoExecute")])
            return
        if not node_facts.has_taint(node, wanted, "NoExecute"):
            if name in zone.waiting:
                return
            zone.remove(name)
        if zone.add(name):
            self.taints_wanted.set()

    async def _reachable(self, node: Object) -> None:
        """The node is well: none of our NoExecute taints, nothing queued."""
        name = node["metadata"]["name"]
        ours = [(key, "NoExecute") for key in (UNREACHABLE, NOT_READY) if node_facts.has_taint(node, key, "NoExecute")]
        if ours and not await self._taint(name, [], ours):
            return
        self.zones.get(node_facts.zone_of(node), self.clock.now()).remove(name)

    async def _taint(self, name: str, add: Sequence[tuple[str, str]], remove: Sequence[tuple[str, str]]) -> bool:
        try:
            await node_facts.swap_taints(self.nodes, name, self.clock, add, remove)
        except StatusError as error:
            log.info("node not tainted", extra={"node": name, "error": error.message})
            return False
        return True

    async def _judge(self, ready: dict[str, list[str | None]], nodes: Sequence[Object]) -> None:
        now = self.clock.now()
        verdict = self.zones.judge(ready, now)
        if verdict.entered:
            log.warning("all nodes are down: evictions stop")
            for node in nodes:
                await self._reachable(node)
        if verdict.left:
            for health in self.health.values():
                health.probed = now
        self.taints_wanted.set()

    async def set_taints(self) -> None:
        """Taint the nodes that wait for it, as fast as their zones allow. Runs until cancelled."""
        while True:
            await self.taints_wanted.wait()
            self.taints_wanted.clear()
            while any(zone.waiting and zone.limiter.rate for zone in self.zones.zones.values()):
                for zone in list(self.zones.zones.values()):
                    for name in list(zone.waiting):
                        if not zone.limiter.try_take(self.clock.now()):
                            break
                        if await self._set_taint(name):
                            zone.waiting.pop(name, None)
                await asyncio.sleep(TAINT_PERIOD)

    async def _set_taint(self, name: str) -> bool:
        node = self.known.get("", name)
        status = ready_status(node) if node is not None else "True"
        if status is None:
            return False
        if status not in EVICTING:
            return True
        wanted, opposite = EVICTING[status]
        return await self._taint(name, [(wanted, "NoExecute")], [(opposite, "NoExecute")])

    async def _mark_pods(self, node: Object) -> bool:
        """Mark all pods of a silent node not ready; did that succeed?"""
        failed = False
        for pod in self.known_pods.by_index("node", node["metadata"]["name"]):
            failed = not await self.mark_pod(pod) or failed
        return not failed

    async def mark_pod(self, pod: Object) -> bool:
        ready = pod_facts.condition(pod, "Ready")
        if ready is None or ready["status"] == "False":
            return True
        changed = objects.copy(pod)
        for condition in changed["status"]["conditions"]:
            if condition["type"] == "Ready":
                condition |= {"status": "False", "lastTransitionTime": rfc3339(self.clock.now())}
        succeeded = True
        try:
            await self.pods.update_status(changed)
        except StatusError as error:
            if error.code == 404:
                return True
            succeeded = False
        about = {**pod, "apiVersion": "v1", "kind": "Pod"}
        self.recorder.event(about, "Warning", "NodeNotReady", "Node is not ready")
        return succeeded


class NodeTaints:
    """Requests are nodes: their conditions as NoSchedule taints, and the labels of old that say the same as new ones."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.nodes = context.resource(NODES)
        self.known = context.informer(NODES).lister

    async def reconcile(self, request: Request) -> None:
        node = self.known.get(*request)
        if node is None:
            return
        add, remove = condition_taints(node)
        if add or remove:
            await node_facts.swap_taints(self.nodes, request.name, self.clock, add, remove)
        labels = missing_labels(node)
        if labels:
            await self.nodes.patch(request.name, "", {"metadata": {"labels": labels}})


class NewPods:
    """Requests are pods that came to a node: on one that is silent they are not ready."""

    def __init__(self, context: Context, health: NodeHealth) -> None:
        self.known = context.informer(PODS).lister
        self.nodes = context.informer(NODES).lister
        self.health = health

    def concerns(self, old: Object | None, new: Object) -> bool:
        node = new["spec"].get("nodeName")
        if not node or (old is not None and old["spec"].get("nodeName") == node):
            return False
        health = self.health.health.get(node)
        return health is not None and health.ready is not None and health.ready["status"] != "True"

    async def reconcile(self, request: Request) -> None:
        pod = self.known.get(*request)
        if pod is None or self.nodes.get("", pod["spec"].get("nodeName", "")) is None:
            return
        if not await self.health.mark_pod(pod):
            raise StatusError(409, "Conflict", f"pod {request} could not be marked not ready")


class NodeLifecycle:
    """The parts together."""

    name = NAME

    def __init__(self, context: Context) -> None:
        nodes, pods = context.informer(NODES), context.informer(PODS)
        leases = context.informer(LEASES, namespace=LEASE_NAMESPACE)
        self.health = NodeHealth(context)
        period = float(context.options.get("node_monitor_period", PERIOD))
        self._monitor = Periodic(f"{NAME}-health", self.health.look, period, needs=[nodes, pods, leases])
        self._taints = Controller(f"{NAME}-nodes", NodeTaints(context), workers=WORKERS)
        self._taints.watch(nodes)
        new_pods = NewPods(context, self.health)
        self._pods = Controller(f"{NAME}-pods", new_pods, workers=POD_WORKERS)
        self._pods.watch(pods, when=new_pods.concerns)

    async def run(self) -> None:
        tasks = TaskOwner(self.name)
        parts: dict[str, Any] = {
            "monitor": self._monitor.run,
            "taints": self._taints.run,
            "pods": self._pods.run,
            "evictions": self.health.set_taints,
        }
        try:
            await asyncio.gather(*(tasks.create_task(run(), name=f"{NAME}-{part}") for part, run in parts.items()))
        finally:
            await tasks.close()

    @property
    def idle(self) -> bool:
        return self._taints.idle and self._pods.idle


def build(context: Context) -> Loop:
    return NodeLifecycle(context)
