"""Parts under one name run and end together."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.apimachinery.clock import run_virtual
from controllers.framework.together import Together


class Part:
    """Works for `seconds`, then fails; writes down when it was stopped."""

    def __init__(self, name: str, seconds: float, *, idle: bool = True) -> None:
        self.name = name
        self.idle = idle
        self.stopped_at = 0.0
        self._seconds = seconds

    async def run(self) -> None:
        try:
            await asyncio.sleep(self._seconds)
            raise RuntimeError(f"{self.name} is broken")
        finally:
            self.stopped_at = asyncio.get_running_loop().time()


def test_the_error_of_one_part_stops_the_others() -> None:
    first, second = Part("first", 5), Part("second", 500)

    async def main() -> None:
        with pytest.raises(RuntimeError, match="first is broken"):
            await Together("both", first, second).run()

    run_virtual(main())
    assert (first.stopped_at, second.stopped_at) == (5, 5)


def test_they_are_idle_when_each_is() -> None:
    assert Together("both", Part("a", 1), Part("b", 1)).idle
    assert not Together("both", Part("a", 1), Part("b", 1, idle=False)).idle
