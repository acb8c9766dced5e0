"""Turns: large answers side by side leave the loop's rounds short."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.turns import Turns


async def _write(turns: Turns, name: str, pieces: int, written: list[str]) -> None:
    for _ in range(pieces):
        await turns()
        written.append(name)


def test_of_many_writers_one_writes_in_a_round_and_all_of_them_in_turn() -> None:
    async def main() -> None:
        turns, written = Turns(asyncio.get_running_loop()), list[str]()
        writers = [asyncio.create_task(_write(turns, name, 3, written)) for name in "abc"]
        rounds = []
        while not all(writer.done() for writer in writers):
            before = len(written)
            await asyncio.sleep(0)
            rounds.append(len(written) - before)
        assert max(rounds) == 1
        assert "".join(written) == "aabcabcbc"

    run_virtual(main())


def test_who_is_alone_in_a_round_does_not_wait() -> None:
    async def main() -> None:
        turns = Turns(asyncio.get_running_loop())
        for _ in range(3):
            turn = turns()
            try:
                turn.send(None)
            except StopIteration:
                pass
            else:
                raise AssertionError("waited")
            await asyncio.sleep(0)

    run_virtual(main())


def test_a_few_may_work_in_each_round() -> None:
    async def main() -> None:
        turns, written = Turns(asyncio.get_running_loop(), 3), list[str]()
        writers = [asyncio.create_task(_write(turns, name, 1, written)) for name in "abcdefgh"]
        rounds = []
        while not all(writer.done() for writer in writers):
            before = len(written)
            await asyncio.sleep(0)
            rounds.append("".join(written[before:]))
        assert [each for each in rounds if each] == ["abc", "def", "gh"]

    run_virtual(main())


def test_a_writer_that_was_cancelled_takes_no_turn() -> None:
    async def main() -> None:
        turns, written = Turns(asyncio.get_running_loop()), list[str]()
        writers = [asyncio.create_task(_write(turns, name, 2, written)) for name in "abc"]
        await asyncio.sleep(0)
        writers[1].cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        assert "".join(written) == "aacc"

    run_virtual(main())
