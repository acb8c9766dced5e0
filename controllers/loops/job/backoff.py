"""How long a Job waits before it replaces failed pods: ten seconds, doubled by each failure, ten minutes at most.

Mirrors upstream pkg/controller/job/backoff_utils.go: a success starts the count anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from apiserver.apimachinery.objects import Object
from controllers.loops.job.facts import all_index_failures, finished_at

FIRST, LONGEST = 10.0, 600.0  # seconds


class Record(NamedTuple):
    """Failures since the last success, and when the last of them was."""

    failures: int = 0
    last_failure: float = 0.0

    def after(self, succeeded: Iterable[Object], failed: Iterable[Object]) -> Record:
        """The record in the light of pods that ended since."""
        successes, failures = [finished_at(pod) for pod in succeeded], [finished_at(pod) for pod in failed]
        if not successes:
            return Record(self.failures + len(failures), max(failures)) if failures else self
        since = [at for at in failures if at > max(successes)]
        return Record(len(since), max(since)) if since else Record()

    def remaining(self, now: float) -> float:
        """Seconds until pods may be created again."""
        return _remaining(self.failures, self.last_failure, now)


def remaining_of_index(failed: Object | None, now: float) -> float:
    """The same for one index, whose last failed pod carries the count."""
    return 0.0 if failed is None else _remaining(all_index_failures(failed) + 1, finished_at(failed), now)


def _remaining(failures: int, last_failure: float, now: float) -> float:
    if failures == 0:
        return 0.0
    wait: float = min(FIRST * 2.0 ** min(failures - 1, 10), LONGEST)
    return max(wait - (now - last_failure), 0.0)
