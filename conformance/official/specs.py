"""The suite's specs: each with what it needs and the group it is in.

Groups: `api` passes without any node; `node` needs pods that run, yet no logs, exec, pod network or webhook, so that simulated
nodes will do; `real` needs real containers. That table was made from an audited run of the real components. `beyond` is what
the suite has besides conformance that such nodes are enough for, with what waits for later parts.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TABLES = ("specs.tsv", "beyond.tsv")
GROUPS = ("api", "node", "real", "beyond")


class Spec(NamedTuple):
    """`seconds`: how long it takes against the real components."""

    name: str
    file: str
    needs: str
    group: str
    seconds: float


def load() -> list[Spec]:
    """All specs, in the tables' order."""
    return [spec for table in TABLES for spec in _rows(Path(__file__).parent / table)]


def _rows(path: Path) -> Iterator[Spec]:
    with path.open() as table:
        for row in csv.DictReader(table, delimiter="\t"):
            yield Spec(row["spec"], row["file"], row["needs"], row["group"], float(row["seconds"] or 0))
