"""The rows of the benchmark, in order. A row is a declaration: `ROWS` of a module here, one module for one idea."""

from __future__ import annotations

from conformance.benchmark.rows import memory, reads, watches, writes
from conformance.benchmark.rows.row import Row

ROWS: tuple[Row, ...] = (*memory.IDLE, *writes.ROWS, *reads.ROWS, *watches.ROWS, *memory.LOADED)
