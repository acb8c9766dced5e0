"""Evictions by the node itself: under pressure it ends pods, one at a time, and lets fewer in (upstream pkg/kubelet/eviction).

Where the pressure comes from is a seam: `signals`. A simulated node is put under pressure by an annotation of its Node.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from apiserver.apimachinery.objects import Object, annotations_of
from kubelet.node import facts
from kubelet.node.admission import Rejection
from kubelet.node.api_status import Eviction
from kubelet.node.context import WARNING, NodeContext

log = logging.getLogger(__name__)

PRESSURE_ANNOTATION = "simulated.pocketkube.dev/pressure"
INTERVAL = 10.0  # seconds between two evictions (upstream evictionMonitoringPeriod)
CRITICAL = 2_000_000_000  # upstream SystemCriticalPriority
RESOURCES = {"MemoryPressure": "memory", "DiskPressure": "ephemeral-storage", "PIDPressure": "pids"}
_QOS_ORDER = {"BestEffort": 0, "Burstable": 1, "Guaranteed": 2}


def is_critical(pod: Object) -> bool:
    return facts.is_static(pod) or facts.is_mirror(pod) or (pod["spec"].get("priority") or 0) >= CRITICAL


def annotated(node: Object | None) -> frozenset[str]:
    """The pressures that a node's annotation asks for."""
    text = annotations_of(node or {}).get(PRESSURE_ANNOTATION, "")
    return frozenset(word for word in text.split(",") if word in RESOURCES)


def rank(pods: Sequence[Object]) -> list[Object]:
    """Who goes first: those without requests, then the less important (upstream ranks by use over requests, then priority)."""
    return sorted(
        (pod for pod in pods if not is_critical(pod)),
        key=lambda pod: (_QOS_ORDER[facts.qos_of(pod)], pod["spec"].get("priority") or 0),
    )


def admit(pod: Object, pressures: frozenset[str]) -> Rejection | None:
    """Whether a new pod may come to a node under pressure."""
    if not pressures or is_critical(pod):
        return None
    if pressures == {"MemoryPressure"}:
        tolerations = pod["spec"].get("tolerations") or ()
        tolerated = any(
            each.get("key") in (None, "", "node.kubernetes.io/memory-pressure")
            and each.get("effect") in (None, "", "NoSchedule")
            for each in tolerations
            if each.get("key") or each.get("operator") == "Exists"
        )
        if facts.qos_of(pod) != "BestEffort" or tolerated:
            return None
    return Rejection("Evicted", f"The node had condition: [{' '.join(sorted(pressures))}]. ")


class EvictionManager:
    """One node's. `pods` are those alive on it, `kill` ends one of them."""

    def __init__(
        self,
        context: NodeContext,
        pods: Callable[[], Sequence[Object]],
        kill: Callable[[str, Eviction], asyncio.Future[None] | None],
        signals: Callable[[], frozenset[str]],
    ) -> None:
        self._context = context
        self._pods = pods
        self._kill = kill
        self.signals = signals
        self._pressed = asyncio.Event()

    def look(self) -> None:
        """The signals may have changed."""
        if self.signals():
            self._pressed.set()
        else:
            self._pressed.clear()

    async def run(self) -> None:
        """Asleep until there is pressure; then one pod in every interval."""
        while True:
            await self._pressed.wait()
            await self._evict_one()
            await asyncio.sleep(INTERVAL)

    async def _evict_one(self) -> None:
        pressures = sorted(self.signals())
        ranked = rank(self._pods())
        if not pressures or not ranked:
            return
        pod = ranked[0]
        message = f"The node was low on resource: {RESOURCES[pressures[0]]}. "
        self._context.event(pod, WARNING, "Evicted", message)
        ended = self._kill(facts.uid_of(pod), Eviction("Evicted", message, disruption="TerminationByKubelet"))
        if ended is not None:
            await ended
