"""The garbage collector: a graph of owners and dependents, and the collector that acts on it."""

from __future__ import annotations

from controllers.framework.context import Context
from controllers.framework.manager import Loop
from controllers.loops.garbage_collector.collector import GarbageCollector


def build(context: Context) -> Loop:
    return GarbageCollector(context)
