"""What a row is: a name, a goal, and slices that are run on one server and the other in turn.

Neighbours on the machine change what a microsecond is from one minute to the next; two servers measured in alternating slices
of a second or less share the weather, so that their ratio means something where the figures do not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from conformance.benchmark.load import Bench, Make
from conformance.benchmark.measurement import Measurement, Sample

Slice = Callable[[], Awaitable[Sample | float]]  # a float is a fact


class Row(Protocol):
    """`opened` prepares a server, gives what runs one slice on it, and clears up."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str:
        """Of a fact; "" for rows of operations, which are counted in microseconds of server CPU."""
        ...

    @property
    def goal(self) -> float:
        """How many times less than the real pair; 0 where none was set."""
        ...

    @property
    def slices(self) -> int: ...

    def opened(self, bench: Bench) -> AbstractAsyncContextManager[Slice]: ...


@dataclass(frozen=True, kw_only=True)
class Requests:
    """A closed loop of requests; `make` gives the request function of a server."""

    name: str
    make: Callable[[Bench], Make]
    count: int  # requests in a slice
    goal: float = 0.0
    slices: int = 6
    serial: bool = False
    unit: str = ""
    prepare: Callable[[Bench], Awaitable[None]] = Bench.fill

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Slice]:
        await self.prepare(bench)
        make = self.make(bench)
        await bench.loop(max(1, self.count // 5), make, serial=self.serial)  # warm

        async def slice_() -> Sample:
            return await bench.loop(self.count, make, serial=self.serial)

        yield slice_


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One number of a server."""

    name: str
    unit: str
    find: Callable[[Bench], Awaitable[float]]
    goal: float = 0.0
    slices: int = 1

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Slice]:
        async def find() -> float:
            return await self.find(bench)

        yield find


async def run(row: Row, benches: list[Bench]) -> list[Measurement]:
    """The row on every server: slices in turn, forth and back (A B B A), so that a drift hits both alike."""
    found = [Measurement() for _ in benches]
    async with _all_opened(row, benches) as slices:
        for number in range(row.slices):
            order = list(zip(slices, found, strict=True))
            for slice_, measurement in order if number % 2 == 0 else reversed(order):
                result = await slice_()
                if isinstance(result, Sample):
                    measurement.add(result)
                else:
                    measurement.fact = result
    return found


@asynccontextmanager
async def _all_opened(row: Row, benches: list[Bench]) -> AsyncIterator[list[Slice]]:
    if not benches:
        yield []
        return
    async with row.opened(benches[0]) as first, _all_opened(row, benches[1:]) as rest:
        yield [first, *rest]
