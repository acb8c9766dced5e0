"""Memory goes back to the system when many connections have gone, and once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.memory import INTERVAL, MANY, ROUNDS, Trimmer, malloc_trim


def noting(trims: list[float], what: Callable[[], float]) -> Callable[[], asyncio.Future[None]]:
    """A trim that is over at once: virtual time knows no threads."""

    def trim() -> asyncio.Future[None]:
        trims.append(what())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    return trim


def test_memory_is_given_back_once_when_many_connections_have_gone() -> None:
    async def main() -> None:
        connections, trims = MANY + 10, list[float]()
        trimmer = Trimmer(asyncio.get_running_loop(), lambda: connections, noting(trims, lambda: connections))
        await asyncio.sleep(2 * INTERVAL)
        connections = 11
        await asyncio.sleep(2 * INTERVAL)
        assert not trims
        connections = 10
        await asyncio.sleep(5 * INTERVAL)
        await trimmer.close()
        assert trims == [10]

    run_virtual(main())


def test_memory_is_given_back_once_a_minute_whatever_happens() -> None:
    async def main() -> None:
        trims = list[float]()
        loop = asyncio.get_running_loop()
        trimmer = Trimmer(loop, lambda: 1, noting(trims, loop.time))
        await asyncio.sleep((3 * ROUNDS + 0.5) * INTERVAL)
        await trimmer.close()
        assert len(trims) == 3

    run_virtual(main())


def test_trimming_is_harmless_wherever_this_runs() -> None:
    malloc_trim()
