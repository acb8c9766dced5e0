"""How fast nodes of a zone are tainted: at the usual rate, slower in a zone that is largely down, not at all when
everything is: then it is us who are cut off. Mirrors upstream node_lifecycle_controller.go handleDisruption."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

INITIAL, NORMAL, PARTIAL, FULL = "Initial", "Normal", "PartialDisruption", "FullDisruption"


class Rates(NamedTuple):
    """Evictions a second, as kube-controller-manager's flags have them."""

    usual: float = 0.1  # --node-eviction-rate
    secondary: float = 0.01  # --secondary-node-eviction-rate
    large_cluster: int = 50  # --large-cluster-size-threshold
    unhealthy: float = 0.55  # --unhealthy-zone-threshold

    def of(self, state: str, size: int) -> float:
        if state == PARTIAL:
            return self.secondary if size > self.large_cluster else 0.0
        return self.usual


def state_of(ready: Iterable[str | None], threshold: float) -> str:
    """A zone's state from the Ready statuses of its nodes."""
    statuses = list(ready)
    down = sum(status != "True" for status in statuses)
    if down and down == len(statuses):
        return FULL
    return PARTIAL if down > 2 and down / len(statuses) >= threshold else NORMAL


@dataclass
class Limiter:
    """A token bucket of one token."""

    rate: float
    tokens: float = 1.0
    filled: float = 0.0

    def try_take(self, now: float) -> bool:
        self._fill(now)
        if self.tokens < 1 - 1e-9:
            return False
        self.tokens -= 1
        return True

    def _fill(self, now: float) -> None:
        self.tokens = min(1.0, self.tokens + (now - self.filled) * self.rate)
        self.filled = now

    def swap(self, rate: float, now: float) -> None:
        """Another rate; a wait under way starts anew."""
        if rate == self.rate:
            return
        self._fill(now)
        self.tokens = 1.0 if self.tokens >= 1 and rate else 0.0
        self.rate = rate


@dataclass
class Zone:
    """One zone: its state, and the nodes that wait for their taint, in order."""

    limiter: Limiter
    state: str = INITIAL
    waiting: dict[str, None] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)  # waiting or done: not queued twice. Only membership is asked

    def add(self, node: str) -> bool:
        if node in self.known:
            return False
        self.known.add(node)
        self.waiting[node] = None
        return True

    def remove(self, node: str) -> bool:
        self.waiting.pop(node, None)
        if node not in self.known:
            return False
        self.known.discard(node)
        return True


class Verdict(NamedTuple):
    """What a look at all zones means: `entered` or `left` the state in which everything is down."""

    entered: bool = False
    left: bool = False


class Zones:
    """All zones by their key."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self.zones: dict[str, Zone] = {}

    def get(self, key: str, now: float) -> Zone:
        zone = self.zones.get(key)
        if zone is None:
            zone = self.zones[key] = Zone(Limiter(self.rates.usual, filled=now))
        return zone

    def judge(self, ready: dict[str, list[str | None]], now: float) -> Verdict:
        """Set the states and rates of zones by the Ready statuses of their nodes."""
        states = {key: state_of(statuses, self.rates.unhealthy) for key, statuses in ready.items()}
        all_down = all(state == FULL for state in states.values())
        for key in ready:
            self.get(key, now)
        for key in [key for key in self.zones if key not in ready and not self.zones[key].waiting]:
            del self.zones[key]
        all_were_down = all(self.zones[key].state == FULL for key in ready)
        if all_down and all_were_down:
            return Verdict()
        if all_down:
            for zone in self.zones.values():
                zone.limiter.swap(0.0, now)
                zone.state = FULL
            return Verdict(entered=True)
        for key, state in states.items():
            zone = self.zones[key]
            if all_were_down or zone.state != state:
                zone.limiter.swap(self.rates.of(state, len(ready[key])), now)
                zone.state = state
        return Verdict(left=all_were_down)
