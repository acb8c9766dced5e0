"""What `make bench` measures beside the rows: whole clusters. Each prints its lines and gives entries of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from conformance.benchmark import cluster, cron_day

Entries = dict[str, dict[str, Any]]


class Family(NamedTuple):
    name: str
    measure: Callable[[], Entries]


FAMILIES: tuple[Family, ...] = (Family("cluster", cluster.measure), Family("cron day", cron_day.measure))
