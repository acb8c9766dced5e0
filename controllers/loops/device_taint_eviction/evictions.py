"""When pods must leave because devices of their claims are tainted, and by which rules: pure functions of what is there.

Mirrors upstream pkg/controller/devicetainteviction (claimEvictionTime, podEvictionTime).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from controllers.framework import devices
from controllers.framework.nodes import tolerates

NO_EXECUTE, NONE = "NoExecute", "None"
Slices = Callable[[str, str], Sequence[Object]]  # driver, pool → slices of the pool, of all generations


class Eviction(NamedTuple):
    """`when` in seconds since the epoch; `rules`: uids of the DeviceTaintRules among the reasons."""

    when: float
    rules: frozenset[str] = frozenset()

    def joined(self, other: Eviction | None) -> Eviction:
        """For both reasons, at the earlier time."""
        if other is None:
            return self
        return Eviction(min(self.when, other.when), self.rules | other.rules)


class _Taint(NamedTuple):
    taint: Object
    rule: str = ""  # uid


def effect(rule: Object) -> str:
    return str(rule["spec"]["taint"]["effect"])


def selects(rule: Object, driver: str, pool: str, device: str) -> bool:
    """A rule without a selector selects nothing."""
    selector = rule["spec"].get("deviceSelector")
    if selector is None:
        return False
    wanted = {"driver": driver, "pool": pool, "device": device}
    return all(selector.get(field) in (None, value) for field, value in wanted.items())


def current_devices(slices: Iterable[Object]) -> Iterator[Object]:
    """The devices of a pool as its newest generation has them."""
    slices = list(slices)
    newest = max((s["spec"]["pool"].get("generation", 0) for s in slices), default=0)
    for resource_slice in slices:
        if resource_slice["spec"]["pool"].get("generation", 0) == newest:
            yield from resource_slice["spec"].get("devices") or ()


def results(claim: Object) -> list[Object]:
    """The devices allocated for a claim."""
    found = devices.allocation(claim) or {}
    return (found.get("devices") or {}).get("results") or []


def claim_eviction(claim: Object, slices: Slices, rules: Sequence[Object]) -> Eviction | None:
    """For all taints of the claim's devices that it does not tolerate for ever. `rules`: those that evict."""
    eviction: Eviction | None = None
    for result in results(claim):
        for found in _taints(result, slices, rules):
            when = _leaves_at(found.taint, result.get("tolerations") or ())
            if when is not None:
                eviction = Eviction(when, frozenset((found.rule,) if found.rule else ())).joined(eviction)
    return eviction


def _taints(result: Object, slices: Slices, rules: Sequence[Object]) -> Iterator[_Taint]:
    place = result["driver"], result["pool"], result["device"]
    device = next((d for d in current_devices(slices(*place[:2])) if d["name"] == place[2]), {})
    for taint in device.get("taints") or ():
        if taint["effect"] == NO_EXECUTE:
            yield _Taint(taint)
    for rule in rules:
        if selects(rule, *place):
            yield _Taint({**rule["spec"]["taint"], "effect": NO_EXECUTE}, rule["metadata"]["uid"])


def _leaves_at(taint: Object, tolerations: Sequence[Object]) -> float | None:
    """None: the taint is tolerated for ever, or does not say since when it is."""
    if not taint.get("timeAdded"):
        return None
    matching = [t for t in tolerations if t.get("effect") == NO_EXECUTE and tolerates(t, taint)]
    seconds = [t.get("tolerationSeconds") for t in matching]
    if None in seconds:
        return None
    return parse_rfc3339(taint["timeAdded"]) + min((max(s, 0) for s in seconds if s is not None), default=0)


def pod_eviction(
    pod: Object, claim_of: Callable[[str, str], Object | None], evict: Callable[[Object], Eviction | None]
) -> Eviction | None:
    """For all claims that are reserved for the pod. `evict` tells of one claim."""
    eviction: Eviction | None = None
    if not pod["spec"].get("nodeName"):
        return None
    for name, own in devices.claims_of(pod):
        claim = claim_of(pod["metadata"]["namespace"], name)
        if claim is None or devices.allocation(claim) is None or (own and devices.not_for(pod, claim)):
            continue
        if devices.is_reserved_for(pod, claim) and (found := evict(claim)) is not None:
            eviction = found.joined(eviction)
    return eviction
