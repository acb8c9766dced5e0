"""DaemonSets run a pod on every node that fits, and roll from one template to the next.

Mirrors upstream pkg/controller/daemon. The scheduler binds the pods: each is made with an affinity to its node.
"""

from __future__ import annotations

import asyncio
from collections import deque

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.batches import slow_start
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.errors import namespace_terminating
from controllers.framework.expectations import Expectations
from controllers.framework.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from controllers.framework.ownership import (
    CONTROLLER,
    ControllerReferences,
    controller_reference,
    controller_uid,
    fresh_owner_check,
    owned_or_orphaned,
)
from controllers.framework.pod_control import PodControl
from controllers.framework.revisions import REVISION_HASH
from controllers.framework.status import write_status
from controllers.loops.daemonset import plan as plans
from controllers.loops.daemonset.history import API_VERSION, KIND, History
from controllers.loops.daemonset.placement import Placements, affinity_to, target_node, tolerations_of
from controllers.loops.daemonset.plan import Daemons, Plan

COMPONENT = "daemonset-controller"
BURST = 250  # pods made or deleted in one go
FIRST_WAIT, LONGEST_WAIT = 1.0, 900.0  # seconds between kills of failed pods on one node
STATUS_TRIES = 2


class FailureBackoff:
    """How soon the next failed pod on a node may be killed: doubling, forgotten after twice the longest wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[tuple[str, int, str], tuple[float, float]] = {}  # (wait, since)

    def remaining_or_start(self, key: tuple[str, int, str]) -> float:
        """Seconds still to wait; where none are, the next wait begins now."""
        now = self._clock.now()
        wait, since = self._entries.get(key, (0.0, now))
        if now - since > 2 * LONGEST_WAIT:
            wait = 0.0
        if now - since < wait:
            return wait - (now - since)
        self._entries[key] = (min(2 * wait, LONGEST_WAIT) if wait else FIRST_WAIT, now)
        if len(self._entries) > 10_000:
            self._entries = {k: e for k, e in self._entries.items() if now - e[1] <= 2 * LONGEST_WAIT}
        return 0.0


def new_pod(daemon_set: Object, node: str, hash: str) -> Object:
    """A pod of the present template for one node."""
    template = daemon_set["spec"]["template"]
    reference = controller_reference(daemon_set, API_VERSION, KIND)
    pod = pod_facts.from_template(template, daemon_set, reference)
    generation = objects.annotations_of(daemon_set).get(plans.GENERATION)
    marks = {REVISION_HASH: hash, **({plans.GENERATION_LABEL: generation} if generation is not None else {})}
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), **marks}
    pod["spec"]["tolerations"] = tolerations_of(template)
    pod["spec"]["affinity"] = affinity_to(pod["spec"].get("affinity"), node)
    return pod


class DaemonSets:
    """Requests are daemon sets."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.daemon_sets = context.resource(DAEMON_SETS)
        self.known = context.informer(DAEMON_SETS).lister
        self.known_nodes = context.informer(NODES).lister
        self.pods = context.resource(PODS)
        informer, revisions = context.informer(PODS), context.informer(CONTROLLER_REVISIONS)
        informer.add_index(CONTROLLER, controller_uid)
        revisions.add_index(CONTROLLER, controller_uid)
        self.known_pods = informer.lister
        self.recorder = context.recorder(COMPONENT)
        self.control = PodControl(self.pods, self.recorder)
        self.history = History(context.resource(CONTROLLER_REVISIONS), revisions.lister, self.daemon_sets, self.pods)
        self.expectations = Expectations[Request]()
        self.backoff = FailureBackoff(context.clock)

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            self.expectations.forget(request)
            return None
        daemon_set: Object = {**known, "apiVersion": API_VERSION, "kind": KIND}
        if daemon_set["spec"].get("selector") == {}:
            message = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.event(daemon_set, "Warning", "SelectingAll", message)
            return None
        if daemon_set["metadata"].get("deletionTimestamp"):
            return None
        may_act = self.expectations.satisfied(request)
        pods = await self._claim(daemon_set)
        revision, old = await self.history.construct(daemon_set, pods)
        look = _Look(self, request, self._gather(daemon_set, objects.labels_of(revision)[REVISION_HASH], pods))
        failure: Exception | None = None
        if may_act:
            try:
                await look.act()
                await self.history.clean_up(daemon_set, old, pods)
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                failure = error
        await self._write_status(daemon_set, plans.status_of(look.daemons, observed=may_act))
        if failure is not None:
            raise failure
        return look.result()

    async def _claim(self, daemon_set: Object) -> list[Object]:
        selector = labels.from_label_selector(daemon_set["spec"]["selector"])
        reference = controller_reference(daemon_set, API_VERSION, KIND)
        can_adopt = fresh_owner_check(self.daemon_sets, daemon_set)
        references = ControllerReferences(self.pods, daemon_set, reference, selector, can_adopt)
        return await references.claim(owned_or_orphaned(self.known_pods, daemon_set))

    def _gather(self, daemon_set: Object, hash: str, pods: list[Object]) -> Daemons:
        rules = Placements(daemon_set["spec"]["template"])
        placements = {node["metadata"]["name"]: rules.on(node) for node in self.known_nodes.list()}
        by_node: dict[str, list[Object]] = {}
        for pod in sorted(pods, key=plans.oldest_first):
            over = pod_facts.phase(pod) in ("Succeeded", "Failed") and plans.is_deleted(pod)
            node = target_node(pod)
            if node and not over:
                by_node.setdefault(node, []).append(pod)
        return Daemons(daemon_set, hash, placements, by_node, self.clock.now())

    async def _write_status(self, daemon_set: Object, status: Object) -> None:
        """Write the status when it differs; a lost race is tried once more on the newest object, as upstream."""
        if status == {k: v for k, v in (daemon_set.get("status") or {}).items() if v or k in status}:
            return
        await write_status(self.daemon_sets, daemon_set, status, STATUS_TRIES)


class _Look:
    """Acts on one look at one daemon set."""

    def __init__(self, loop: DaemonSets, request: Request, daemons: Daemons) -> None:
        self.loop = loop
        self.request = request
        self.daemons = daemons
        self.again: list[float] = []

    async def act(self) -> None:
        """Put every node right, then, when nothing is under way, take the next step of the rollout."""
        await self._sync(plans.manage(self.daemons, self._may_kill))
        strategy = (self.daemons.spec.get("updateStrategy") or {}).get("type")
        if strategy == "RollingUpdate" and self.loop.expectations.satisfied(self.request):
            await self._sync(plans.rolling_update(self.daemons))

    def _may_kill(self, node: str) -> bool:
        meta, status = self.daemons.daemon_set["metadata"], self.daemons.daemon_set.get("status") or {}
        wait = self.loop.backoff.remaining_or_start((meta["uid"], status.get("observedGeneration", 0), node))
        if wait:
            self.again.append(wait)
        return not wait

    def result(self) -> Result | None:
        min_ready = self.daemons.spec.get("minReadySeconds") or 0
        everywhere = [pod for pods in self.daemons.pods.values() for pod in pods]
        after = pod_facts.next_available(everywhere, min_ready, self.daemons.now) if min_ready else None
        waits = [*self.again, *([after] if after is not None else [])]
        return Result(after=min(waits)) if waits else None

    async def _sync(self, plan: Plan) -> None:
        daemon_set = self.daemons.daemon_set
        for reason, type, message in plan.told:
            self.loop.recorder.event(daemon_set, type, reason, message)
        create, delete = plan.create[:BURST], plan.delete[:BURST]
        self.loop.expectations.expect(self.request, len(create), [pod["metadata"]["uid"] for pod in delete])
        failures = [await self._create(create)]
        failures += await asyncio.gather(*(self._delete(pod) for pod in delete))
        for failure in failures:
            if failure is not None:
                raise failure

    async def _create(self, nodes: list[str]) -> Exception | None:
        waiting = deque(nodes)

        async def create() -> None:
            node = waiting.popleft()  # no await before this: each call takes the next
            await self.loop.control.create(
                new_pod(self.daemons.daemon_set, node, self.daemons.hash), self.daemons.daemon_set
            )

        created, failure = await slow_start(len(nodes), create)
        self.loop.expectations.creations_failed(self.request, len(nodes) - created)
        if isinstance(failure, StatusError) and namespace_terminating(failure):
            return None
        return failure

    async def _delete(self, pod: Object) -> Exception | None:
        try:
            await self.loop.control.delete(pod, self.daemons.daemon_set)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            self.loop.expectations.deletion_observed(self.request, pod["metadata"]["uid"])
            return None if isinstance(error, StatusError) and error.code == 404 else error
        return None
