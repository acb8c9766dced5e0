"""What a run found: a line per row while it goes on, and ledger.yaml, which keeps the latest figures of every row."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from conformance.benchmark.measurement import Measurement
from conformance.benchmark.rows.row import Row
from conformance.ledger import commit

LEDGER = Path(__file__).parent / "ledger.yaml"
_HEADER = """\
# The latest figures of every row of `make bench ARGS=--write`. Both servers run side by side and take turns in slices: compare
# within a row only. cpu_us: server CPU (all its processes) per operation; ratio: real / ours; goal: what was promised.
"""
_NONE = "-"


def ratio(found: dict[str, Measurement]) -> float:
    """How many times less ours takes; 0 where one is missing."""
    if "real" not in found or "ours" not in found or not found["ours"].cost:
        return 0.0
    return found["real"].cost / found["ours"].cost


def head() -> str:
    columns = f"{'per second':>11} {'p50 ms':>8} {'p99 ms':>8} {'CPU µs':>8}"
    return f"{'':26} {'':5} {columns} {'ratio':>7} {'goal':>5}"


def lines(row: Row, found: dict[str, Measurement]) -> list[str]:
    """One line per server; the last says the ratio."""
    made = [f"{row.name if i == 0 else '':26} {name:5} {_figures(row, m)}" for i, (name, m) in enumerate(found.items())]
    if times := ratio(found):
        verdict = "" if not row.goal else f" {row.goal:4.3g}x" + ("" if times >= row.goal else "  missed")
        made[-1] += f" {times:6.1f}x{verdict}"
    return made


def _figures(row: Row, m: Measurement) -> str:
    if not m.operations:
        return f"{'':11} {'':8} {'':8} {m.fact:8.2f}" + (f" {row.unit}" if row.unit else "")
    p50, p99 = (f"{m.percentile(share):8.2f}" if m.times else f"{_NONE:>8}" for share in (0.5, 0.99))
    return f"{m.rate:11,.0f} {p50} {p99} {m.cost:8.0f}"


def entries(results: list[tuple[Row, dict[str, Measurement]]]) -> dict[str, dict[str, Any]]:
    """The rows' figures by name, as the ledger has them."""
    return {row.name: _entry(row, found) for row, found in results}


def write(found: dict[str, dict[str, Any]], path: Path = LEDGER) -> None:
    """Put figures in the place of their earlier ones."""
    ledger: dict[str, Any] = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
    seen = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit()}
    for name, entry in found.items():
        ledger[name] = {**entry, **seen}
    path.write_text(_HEADER + yaml.safe_dump(ledger, sort_keys=False, width=120, allow_unicode=True))


def _entry(row: Row, found: dict[str, Measurement]) -> dict[str, Any]:
    entry: dict[str, Any] = {name: m.figures() for name, m in found.items()}
    if row.unit:
        entry["unit"] = row.unit
    if times := ratio(found):
        entry["ratio"] = round(times, 1)
    if row.goal:
        entry["goal"] = row.goal
    return entry
