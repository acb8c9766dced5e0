"""How rows are run and reported; nothing here takes time or opens a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import yaml

from conformance.benchmark import report
from conformance.benchmark.bench import chosen
from conformance.benchmark.families import FAMILIES
from conformance.benchmark.load import Bench
from conformance.benchmark.measurement import Measurement, Sample
from conformance.benchmark.rows import ROWS
from conformance.benchmark.rows.row import Slice, run


@dataclass
class Scripted:
    """A row that only writes down what was done to which server."""

    name: str = "scripted"
    unit: str = ""
    goal: float = 3.0
    slices: int = 4
    done: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Slice]:
        server = cast(str, bench)
        self.done.append(f"open {server}")

        async def slice_() -> Sample:
            self.done.append(server)
            return Sample(10, 0.5, {"real": 0.004, "ours": 0.001}[server], [0.001] * 10)

        yield slice_
        self.done.append(f"close {server}")


def scripted(row: Scripted) -> dict[str, Measurement]:
    servers = ["real", "ours"]
    return dict(zip(servers, asyncio.run(run(row, cast(list[Bench], servers))), strict=True))


def test_servers_take_turns_forth_and_back_and_slices_add_up() -> None:
    row = Scripted()
    found = scripted(row)
    turns = ["real", "ours", "ours", "real"] * 2
    assert row.done == ["open real", "open ours", *turns, "close ours", "close real"]
    assert (found["ours"].operations, found["ours"].rate) == (40, 20)
    assert found["ours"].cost == pytest.approx(100)
    assert report.ratio(found) == pytest.approx(4)


def test_a_line_says_when_a_goal_is_missed() -> None:
    found = scripted(Scripted())
    assert "4.0x" in report.lines(Scripted(), found)[-1]
    assert "missed" not in report.lines(Scripted(), found)[-1]
    assert "missed" in report.lines(Scripted(goal=5.0), found)[-1]


def test_the_ledger_keeps_the_rows_that_were_not_run(tmp_path: Path) -> None:
    path = tmp_path / "ledger.yaml"
    found = scripted(Scripted())
    report.write(report.entries([(Scripted(name="one"), found), (Scripted(name="two"), found)]), path)
    report.write(report.entries([(Scripted(name="two", goal=9.0), found)]), path)
    ledger = yaml.safe_load(path.read_text())
    assert list(ledger) == ["one", "two"]
    assert (ledger["one"]["goal"], ledger["two"]["goal"]) == (3.0, 9.0)
    assert ledger["one"]["ours"] == {"per_second": 20, "cpu_us": 100.0, "p50_ms": 1.0, "p99_ms": 1.0}


def test_rows_have_names_of_their_own_and_are_chosen_by_how_these_begin() -> None:
    names = [*[row.name for row in ROWS], *[family.name for family in FAMILIES]]
    assert len(set(names)) == len(names)
    assert [row.name for row in chosen("fan-out, get", ROWS)] == ["get", "fan-out to 200", "fan-out to 1,000"]
    assert [family.name for family in chosen("cluster", FAMILIES)] == ["cluster"]
    assert chosen("", ROWS) == list(ROWS)
