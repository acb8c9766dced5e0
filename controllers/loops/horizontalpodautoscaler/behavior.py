"""How fast and how steadily an autoscaler may follow its metrics: windows, policies, and what they remember.

Mirrors the normalize… and stabilize… functions of upstream pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from apiserver.apimachinery.objects import Object

DOWNSCALE_WINDOW = 300.0  # seconds; upstream --horizontal-pod-autoscaler-downscale-stabilization
FACTOR, MINIMUM = 2, 4  # without a behaviour a target may double, or reach four
RECENT_HIGHER = "recent recommendations were higher than current one, applying the highest recent recommendation"
RECENT_LOWER = "recent recommendations were lower than current one, applying the lowest recent recommendation"
WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")


class Noted(NamedTuple):
    """A number and when it was noted: a recommendation, or the size of a change."""

    number: int
    at: float


@dataclass
class Memory:
    """What one autoscaler remembers."""

    recommendations: list[Noted] = field(default_factory=list)
    ups: list[Noted] = field(default_factory=list)
    downs: list[Noted] = field(default_factory=list)

    def note_change(self, behavior: Object | None, before: int, after: int, now: float) -> None:
        if behavior is None:
            return  # nobody would ask for it
        way, rules = (self.ups, "scaleUp") if after > before else (self.downs, "scaleDown")
        longest = max((p["periodSeconds"] for p in (behavior.get(rules) or {}).get("policies") or ()), default=0)
        way[:] = [noted for noted in way if noted.at >= now - longest]
        way.append(Noted(abs(after - before), now))


class Decision(NamedTuple):
    """The size to go to, and the conditions AbleToScale and ScalingLimited: (status, reason, message) each."""

    replicas: int
    able: tuple[str, str, str]
    limited: tuple[str, str, str]


def _decide(stabilized: int, desired: int, why: tuple[str, str], limit: tuple[int, str, str]) -> Decision:
    able = ("ReadyForNewScale", "recommended size matches current size") if stabilized == desired else why
    count, reason, message = limit
    return Decision(count, ("True", *able), ("False" if count == stabilized else "True", reason, message))


def plain(memory: Memory, current: int, desired: int, low: int, high: int, now: float) -> Decision:
    """Without a behaviour: down only to the highest recommendation of the last minutes, up to the double."""
    recent = [noted.number for noted in memory.recommendations if noted.at >= now - DOWNSCALE_WINDOW]
    stabilized = max([desired, *recent])
    _remember(memory, desired, now, DOWNSCALE_WINDOW)
    fastest = max(FACTOR * current, MINIMUM)
    limit = (stabilized, *WITHIN)
    if stabilized < low:
        limit = (low, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    elif stabilized > min(high, fastest):
        limit = _too_many(high, fastest)
    return _decide(stabilized, desired, ("ScaleDownStabilized", RECENT_HIGHER), limit)


def _too_many(high: int, fastest: int) -> tuple[int, str, str]:
    if high > fastest:
        return fastest, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate"
    return high, "TooManyReplicas", "the desired replica count is more than the maximum replica count"


def _remember(memory: Memory, desired: int, now: float, window: float) -> None:
    memory.recommendations[:] = [noted for noted in memory.recommendations if noted.at >= now - window]
    memory.recommendations.append(Noted(desired, now))


def with_rules(
    memory: Memory, behavior: Object, current: int, desired: int, low: int, high: int, now: float
) -> Decision:
    """With a behaviour: its windows, then its policies."""
    up, down = behavior.get("scaleUp") or {}, behavior.get("scaleDown") or {}
    up_window = up.get("stabilizationWindowSeconds") or 0
    down_window = down.get("stabilizationWindowSeconds")
    down_window = DOWNSCALE_WINDOW if down_window is None else down_window
    lowest = min([desired, *(n.number for n in memory.recommendations if n.at > now - up_window)])
    highest = max([desired, *(n.number for n in memory.recommendations if n.at > now - down_window)])
    stabilized = min(max(current, lowest), highest)
    _remember(memory, desired, now, max(up_window, down_window))
    why = ("ScaleUpStabilized", RECENT_LOWER) if desired >= current else ("ScaleDownStabilized", RECENT_HIGHER)
    return _decide(stabilized, desired, why, _rate_limit(memory, up, down, current, stabilized, low, high, now))


def _rate_limit(
    memory: Memory, up: Object, down: Object, current: int, desired: int, low: int, high: int, now: float
) -> tuple[int, str, str]:
    if desired > current:
        fastest = max(_limit(up, current, memory, now, up=True), current)
        if desired > min(high, fastest):
            return _too_many(high, fastest)
    elif desired < current:
        slowest = min(_limit(down, current, memory, now, up=False), current)
        if desired < max(low, slowest):
            if low < slowest:
                message = "the desired replica count is decreasing faster than the maximum scale rate"
                return slowest, "ScaleDownLimit", message
            return low, "TooFewReplicas", "the desired replica count is less than the minimum replica count"
    return desired, *WITHIN


def _limit(rules: Object, current: int, memory: Memory, now: float, *, up: bool) -> int:
    """How far the policies let a target go in their periods."""
    select = rules.get("selectPolicy") or "Max"
    if select == "Disabled":
        return current
    proposals = list[int]()
    for policy in rules.get("policies") or ():
        since = now - policy["periodSeconds"]
        start = current - _changed(memory.ups, since) + _changed(memory.downs, since)
        value = policy["value"]
        if policy["type"] == "Pods":
            proposals.append(start + value if up else start - value)
        elif up:
            proposals.append(math.ceil(start * (1 + value / 100)))
        else:
            proposals.append(int(start * (1 - value / 100)))
    if not proposals:
        return current
    # Max: the largest change, which for going down is the lowest number.
    return max(proposals) if up == (select != "Min") else min(proposals)


def _changed(noted: Sequence[Noted], since: float) -> int:
    return sum(n.number for n in noted if n.at > since)
