"""Pods whose claims have tainted devices go, at once or when their tolerations end; rules tell how far that has come.

Mirrors upstream pkg/controller/devicetainteviction. What is scheduled is kept in `due`; the queue only wakes us.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import devices
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.kinds import DEVICE_TAINT_RULES, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from controllers.framework.pod_status import disruption_target, patch_status, with_condition
from controllers.loops.device_taint_eviction import evictions
from controllers.loops.device_taint_eviction.evictions import NO_EXECUTE, NONE, Eviction, effect, selects
from controllers.loops.device_taint_eviction.status import CONDITION, Counts, condition

NAME = "device-taint-eviction-controller"
STATUS_EVERY = 10.0  # seconds at least between two reports of a rule (upstream ruleStatusPeriod)
MAX_EVICTED = 500  # uids remembered
BY_POOL = "pool"  # the name of an index of slices, and of claims by the pools of their devices


def pool_key(driver: str, pool: str) -> str:
    return f"{driver}/{pool}"


def slice_pool(resource_slice: Object) -> Iterable[str]:
    spec = resource_slice["spec"]
    return (pool_key(spec["driver"], spec["pool"]["name"]),)


def claim_pools(claim: Object) -> Iterable[str]:
    return list(dict.fromkeys(pool_key(r["driver"], r["pool"]) for r in evictions.results(claim)))


class World:
    """What there is, by the informers, and what follows from it."""

    def __init__(self, context: Context) -> None:
        claims, slices = context.informer(RESOURCE_CLAIMS), context.informer(RESOURCE_SLICES)
        claims.add_index(BY_POOL, claim_pools)
        slices.add_index(BY_POOL, slice_pool)
        self.claims, self.slices = claims.lister, slices.lister
        self.pods, self.rules = context.informer(PODS).lister, context.informer(DEVICE_TAINT_RULES).lister

    def evicting_rules(self) -> list[Object]:
        return [rule for rule in self.rules.list() if effect(rule) == NO_EXECUTE]

    def eviction(self, pod: Object, rules: Sequence[Object]) -> Eviction | None:
        return evictions.pod_eviction(
            pod, self.claims.get, lambda claim: evictions.claim_eviction(claim, self._pool, rules)
        )

    def _pool(self, driver: str, pool: str) -> Sequence[Object]:
        return self.slices.by_index(BY_POOL, pool_key(driver, pool))

    def pods_of(self, claim: Object) -> Iterable[Object]:
        """The pods that a claim is reserved for."""
        for consumer in filter(devices.is_pod, devices.consumers(claim)):
            pod = self.pods.get(claim["metadata"]["namespace"], consumer["name"])
            if pod is not None and pod["metadata"]["uid"] == consumer["uid"]:
                yield pod

    def counts(self, rule: Object, evicted: int) -> Counts:
        """Pods are only counted where the rule says NoExecute, or would have to say so to be more than a question."""
        if effect(rule) not in (NO_EXECUTE, NONE):
            return Counts(evicted=evicted)
        rules = self.evicting_rules() if effect(rule) == NO_EXECUTE else [rule]
        pending = [pod for pod in self._users_of(rule) if self._is_pending(pod, rule, rules)]
        namespaces = len({pod["metadata"]["namespace"] for pod in pending})
        if effect(rule) == NO_EXECUTE:
            return Counts(len(pending), namespaces, evicted=evicted)
        return Counts(len(pending), namespaces, self._published(rule), self._allocated(rule), evicted)

    def _users_of(self, rule: Object) -> list[Object]:
        """The pods that claims with devices of the rule are reserved for, each once."""
        found: dict[str, Object] = {}
        for claim in self.claims.list():
            if any(selects(rule, r["driver"], r["pool"], r["device"]) for r in evictions.results(claim)):
                found |= {pod["metadata"]["uid"]: pod for pod in self.pods_of(claim)}
        return list(found.values())

    def _is_pending(self, pod: Object, rule: Object, rules: Sequence[Object]) -> bool:
        if pod["metadata"].get("deletionTimestamp"):
            return False
        eviction = self.eviction(pod, rules)
        return eviction is not None and rule["metadata"]["uid"] in eviction.rules

    def _published(self, rule: Object) -> int:
        pools = dict.fromkeys((s["spec"]["driver"], s["spec"]["pool"]["name"]) for s in self.slices.list())
        current = ((d, p, device["name"]) for d, p in pools for device in evictions.current_devices(self._pool(d, p)))
        return sum(selects(rule, *place) for place in current)

    def _allocated(self, rule: Object) -> int:
        found = (result for claim in self.claims.list() for result in evictions.results(claim))
        return sum(selects(rule, r["driver"], r["pool"], r["device"]) for r in found)


class Evictions:
    """Requests are pods. `evicted` counts by uid of the rule."""

    def __init__(self, context: Context, world: World) -> None:
        self.clock = context.clock
        self.world = world
        self.pods = context.resource(PODS)
        self.recorder = context.recorder(NAME)
        self.due: dict[Request, tuple[str, Eviction]] = {}  # with the pod's uid
        self.evicted: dict[str, int] = {}
        self.reported: list[str] = []  # uids of rules that evicted since the last look
        self._done: dict[str, None] = {}  # uids of pods, the oldest first

    def consider(self, pod: Object) -> Eviction | None:
        """Schedule the pod's eviction, or cancel it. What comes back has to be queued."""
        request, uid = Request(pod["metadata"]["namespace"], pod["metadata"]["name"]), pod["metadata"]["uid"]
        eviction = self.world.eviction(pod, self.world.evicting_rules())
        if eviction is None:
            if self.forget(request, uid):
                self._tell(request, uid, "Cancelling deletion")
            return None
        if uid in self._done:
            return None
        self.due[request] = (uid, eviction)
        return eviction

    def forget(self, request: Request, uid: str) -> bool:
        """Was this pod to be evicted? Not any more."""
        scheduled = self.due.get(request)
        if scheduled is None or scheduled[0] != uid:
            return False
        del self.due[request]
        return True

    def _tell(self, request: Request, uid: str, message: str) -> None:
        metadata = {"name": request.name, "namespace": request.namespace, "uid": uid}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        self.recorder.event(pod, "Normal", "DeviceTaintManagerEviction", message)

    async def reconcile(self, request: Request) -> Result | None:
        scheduled = self.due.get(request)
        if scheduled is None:
            return None
        uid, eviction = scheduled
        if (wait := eviction.when - self.clock.now()) > 0:
            return Result(after=wait)
        if await self._evict(request, uid):
            for rule in sorted(eviction.rules):
                self.evicted[rule] = self.evicted.get(rule, 0) + 1
                self.reported.append(rule)
        self.forget(request, uid)
        self._done[uid] = None
        if len(self._done) > MAX_EVICTED:
            del self._done[next(iter(self._done))]
        return None

    async def _evict(self, request: Request, uid: str) -> bool:
        """False when the pod is gone, or is another one by now."""
        try:
            pod = await self.pods.get(request.name, request.namespace)
            if pod["metadata"]["uid"] != uid:
                return False
            if pod["metadata"].get("deletionTimestamp"):
                return True
            self._tell(request, uid, "Marking for deletion")
            reason, why = "DeletionByDeviceTaintManager", "Device Taint manager: deleting due to NoExecute taint"
            changed = with_condition(pod, disruption_target(pod, reason, why), self.clock.now())
            if changed is not None:
                await patch_status(self.pods, pod, {"conditions": [changed]})
            await self.pods.delete(request.name, request.namespace, uid=uid)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            return False
        return True


class RuleStatus:
    """Requests are rules."""

    def __init__(self, context: Context, world: World, evicted: dict[str, int]) -> None:
        self.clock = context.clock
        self.world = world
        self.rules = context.resource(DEVICE_TAINT_RULES)
        self._evicted = evicted

    async def reconcile(self, request: Request) -> Result | None:
        rule = self.world.rules.get("", request.name)
        if rule is None:
            return None
        meta, now = rule["metadata"], self.clock.now()
        old = pod_facts.condition(rule, CONDITION)
        if old is not None and old.get("observedGeneration") == meta.get("generation"):
            wait = STATUS_EVERY - (now - parse_rfc3339(old["lastTransitionTime"]))
            if wait > 0:
                return Result(after=wait)
        new = condition(rule, self.world.counts(rule, self._evicted.get(meta["uid"], 0)))
        if old is None or {key: old.get(key) for key in new} != new:
            told = {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "DeviceTaintRule",
                "metadata": {"name": meta["name"], "uid": meta["uid"]},
                "status": {"conditions": [{**new, "lastTransitionTime": rfc3339(now)}]},
            }
            await self.rules.apply(told, field_manager=NAME, force=True, subresource="status")
        return None
