"""The suite's specs: each with what it needs and the group it is in.

Groups: `api` passes without any node; `node` needs pods that run, yet no logs, exec, pod network or webhook, so that simulated
nodes will do; `real` needs real containers. The table was made from an audited run of the real components.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).parent / "specs.tsv"
GROUPS = ("api", "node", "real")


class Spec(NamedTuple):
    """`seconds`: how long it takes against the real components."""

    name: str
    file: str
    needs: str
    group: str
    seconds: float


def load() -> list[Spec]:
    """All specs, in the table's order."""
    with TABLE.open() as table:
        rows = csv.DictReader(table, delimiter="\t")
        return [Spec(row["spec"], row["file"], row["needs"], row["group"], float(row["seconds"] or 0)) for row in rows]
