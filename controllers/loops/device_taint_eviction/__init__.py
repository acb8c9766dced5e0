"""Pods leave tainted devices: what is due when (pure), the evictions, and what rules tell of them."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework import devices
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result, request_of
from controllers.framework.kinds import DEVICE_TAINT_RULES, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from controllers.framework.manager import Loop
from controllers.framework.together import Together
from controllers.loops.device_taint_eviction.controller import (
    BY_POOL,
    NAME,
    STATUS_EVERY,
    Evictions,
    RuleStatus,
    World,
    slice_pool,
)

WORKERS = 8


class DeviceTaintEviction(Together):
    """Pods that may have to go, and rules that tell of it."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self._world = World(context)
        self._evictions = Evictions(context, self._world)
        self._pods = Controller(NAME, self, workers=WORKERS)
        self._rules = Controller("device-taint-rules", RuleStatus(context, self._world, self._evictions.evicted))
        pods, claims = context.informer(PODS), context.informer(RESOURCE_CLAIMS)
        slices, rules = context.informer(RESOURCE_SLICES), context.informer(DEVICE_TAINT_RULES)
        claims.add_handler(Handler(self._claim, self._claim_changed, self._claim))
        pods.add_handler(Handler(self._consider, self._pod_changed, self._pod_gone))
        rules.add_handler(Handler(self._rule, self._rule_changed, self._rule_gone))
        slices.add_handler(Handler(self._slice, lambda old, new: self._slice(new), self._slice))
        for informer in (pods, claims, slices, rules):
            self._pods.needs(informer)
            self._rules.needs(informer)
        super().__init__(NAME, self._pods, self._rules)

    async def reconcile(self, request: Request) -> Result | None:
        """Evict a pod, and have the rules that wanted it tell so after a while: their status reads our copy."""
        result = await self._evictions.reconcile(request)
        reported, self._evictions.reported = self._evictions.reported, []
        self._report_later(frozenset(reported))
        return result

    def _consider(self, pod: Object) -> None:
        eviction = self._evictions.consider(pod) if devices.uses_claims(pod) else None
        if eviction is not None:
            self._pods.queue.add_after(request_of(pod), eviction.when - self._clock.now())
            self._report_later(eviction.rules)

    def _report_later(self, uids: frozenset[str]) -> None:
        for rule in self._world.rules.list() if uids else ():
            if rule["metadata"]["uid"] in uids:
                self._rules.queue.add_after(request_of(rule), STATUS_EVERY)

    def _pod_changed(self, old: Object, new: Object) -> None:
        """Only where it is and which claims it has matter; above all not the condition that we write ourselves."""

        def facts(pod: Object) -> tuple[object, ...]:
            return pod["metadata"]["uid"], pod["spec"].get("nodeName"), list(devices.claims_of(pod))

        if facts(old) != facts(new):
            self._consider(new)

    def _pod_gone(self, pod: Object) -> None:
        self._evictions.forget(request_of(pod), pod["metadata"]["uid"])

    def _claim(self, claim: Object) -> None:
        for pod in self._world.pods_of(claim):
            self._consider(pod)

    def _claim_changed(self, old: Object, new: Object) -> None:
        for claim in (old, new) if devices.consumers(old) != devices.consumers(new) else (new,):
            self._claim(claim)

    def _slice(self, resource_slice: Object) -> None:
        for pool in slice_pool(resource_slice):
            for claim in self._world.claims.by_index(BY_POOL, pool):
                self._claim(claim)

    def _rule(self, rule: Object) -> None:
        """A rule tells of itself at once, before anything is evicted."""
        self._rules.queue.add(request_of(rule))
        self._all_claims()

    def _rule_changed(self, old: Object, new: Object) -> None:
        if old["spec"] != new["spec"] or old["metadata"]["uid"] != new["metadata"]["uid"]:
            self._rule(new)

    def _rule_gone(self, rule: Object) -> None:
        self._evictions.evicted.pop(rule["metadata"]["uid"], None)
        self._all_claims()

    def _all_claims(self) -> None:
        for claim in self._world.claims.list():
            self._claim(claim)


def build(context: Context) -> Loop:
    return DeviceTaintEviction(context)
