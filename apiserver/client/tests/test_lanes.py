"""A lane lets so many requests through at once; watches, and what is named, pass beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from apiserver.apimachinery.clock import run_virtual
from apiserver.client.interface import TransportResponse
from apiserver.client.lanes import LEASES, WATCHES, Lane


class Slow:
    """Each request takes a second."""

    def __init__(self) -> None:
        self.running = self.most = 0

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(1)
        self.running -= 1
        return cast(TransportResponse, target)

    async def aclose(self) -> None:
        return None


def test_no_more_than_so_many_are_under_way_and_all_come_through() -> None:
    async def main() -> None:
        slow = Slow()
        lane = Lane(slow, 3)
        answers = await asyncio.gather(*(lane.send("GET", f"/{i}") for i in range(10)))
        assert cast(list[str], answers) == [f"/{i}" for i in range(10)]
        assert (slow.most, asyncio.get_running_loop().time()) == (3, 4.0)

    run_virtual(main())


def test_watches_and_leases_do_not_wait_behind_a_burst() -> None:
    async def main() -> None:
        lane = Lane(Slow(), 1, beside=(WATCHES, LEASES))
        burst = [asyncio.create_task(lane.send("POST", "/api/v1/pods")) for _ in range(5)]
        await asyncio.sleep(0)
        await lane.send("PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/me")
        await lane.send("GET", "/api/v1/pods?watch=true")
        assert asyncio.get_running_loop().time() == 2.0
        await asyncio.gather(*burst)

    run_virtual(main())
