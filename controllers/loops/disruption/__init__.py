"""PodDisruptionBudgets: facts (pure), and two queues: budgets, and pods whose announced disruption may be stale."""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, request_of
from controllers.framework.kinds import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from controllers.framework.manager import Loop
from controllers.framework.together import Together
from controllers.loops.disruption import facts
from controllers.loops.disruption.controller import Budgets, StaleDisruptions

NAME = "disruption-controller"
# Seconds for each expected pod to wait after a change of one: see SETTLE_PER_POD of the replica sets.
SETTLE_PER_POD = 0.0002


class DisruptionLoop(Together):
    """Both queues."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self._loop = Budgets(context)
        self._budgets = Controller(NAME, self._loop)
        self._pods = Controller("stale-disruption", StaleDisruptions(context))
        self._budgets.watch(context.informer(POD_DISRUPTION_BUDGETS))
        for resource in (REPLICATION_CONTROLLERS, REPLICA_SETS, DEPLOYMENTS, STATEFUL_SETS, PODS):
            self._budgets.needs(context.informer(resource))
        informer = context.informer(PODS)
        informer.add_handler(Handler(self._changed, lambda _, pod: self._changed(pod), self._queue_budget))
        self._pods.needs(informer)
        super().__init__(NAME, self._budgets, self._pods)

    def _changed(self, pod: Object) -> None:
        self._queue_budget(pod)
        wait = facts.stale_wait(pod, self._clock.now())
        if wait is not None:
            self._pods.queue.add_after(request_of(pod), wait)

    def _queue_budget(self, pod: Object) -> None:
        """Queue the pod's budget; of several one is chosen, which is told."""
        found = [
            budget
            for budget in self._loop.known.list(pod["metadata"]["namespace"])
            if facts.selector_of(budget).matches(objects.labels_of(pod))
        ]
        if not found:
            return
        chosen = found[0]
        if len(found) > 1:
            meta = pod["metadata"]
            message = (
                f'Pod "{meta["namespace"]}"/"{meta["name"]}" matches multiple PodDisruptionBudgets.  '
                f'Chose "{chosen["metadata"]["name"]}" arbitrarily.'
            )
            about = {"apiVersion": "v1", "kind": "Pod", **pod}
            self._loop.recorder.event(about, "Warning", "MultiplePodDisruptionBudgets", message)
        expected = (chosen.get("status") or {}).get("expectedPods", 0)
        self._budgets.queue.add_after(request_of(chosen), expected * SETTLE_PER_POD)


def build(context: Context) -> Loop:
    return DisruptionLoop(context)
