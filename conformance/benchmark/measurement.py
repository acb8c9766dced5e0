"""What a row found: samples of slices, added up to one measurement per server."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Sample:
    """One slice: how many operations, how long, what it cost the server's processes; `times` in seconds, one each."""

    operations: int
    seconds: float
    cpu: float
    times: list[float] = field(default_factory=list)


@dataclass
class Measurement:
    """A row on one server. Figures that a row does not have stay 0."""

    operations: int = 0
    seconds: float = 0.0
    cpu: float = 0.0  # seconds, all processes of the server
    times: list[float] = field(default_factory=list)
    fact: float = 0.0  # a row that is one number, in its unit

    def add(self, sample: Sample) -> None:
        self.operations += sample.operations
        self.seconds += sample.seconds
        self.cpu += sample.cpu
        self.times += sample.times

    @property
    def rate(self) -> float:
        return self.operations / self.seconds if self.seconds else 0.0

    @property
    def cost(self) -> float:
        """What is compared: microseconds of server CPU per operation, or the fact."""
        return self.cpu / self.operations * 1e6 if self.operations else self.fact

    def percentile(self, share: float) -> float:
        """Milliseconds; 0 where operations were not timed one by one."""
        if not self.times:
            return 0.0
        ordered = sorted(self.times)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3

    def figures(self) -> dict[str, float]:
        """As the ledger has them."""
        if not self.operations:
            return {"value": round(self.fact, 2)}
        found = {"per_second": round(self.rate), "cpu_us": round(self.cost, 1)}
        if self.times:
            found |= {"p50_ms": round(self.percentile(0.5), 2), "p99_ms": round(self.percentile(0.99), 2)}
        return found
