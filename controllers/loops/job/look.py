"""What one look at a job found, and what its steps add to it: counting, managing pods and telling share it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.objects import Object
from controllers.framework.controller import Request
from controllers.loops.job import facts
from controllers.loops.job.backoff import Record
from controllers.loops.job.indexes import Indexes


@dataclass
class Look:
    """One look at one job. `job` is a copy of our own whose status grows into the new one."""

    request: Request
    job: Object
    pods: list[Object]
    may_act: bool  # everything asked for earlier has been seen
    expected: dict[str, None]  # uids of pods whose finalizer is being removed: they are counted
    active: list[Object] = field(default_factory=list)
    active_count: int = 0
    ready: int = 0
    terminating: int = 0
    succeeded: int = 0
    failed: int = 0
    before: Indexes = field(default_factory=Indexes)  # succeeded indexes as the status has them
    succeeded_indexes: Indexes = field(default_factory=Indexes)
    failed_indexes: Indexes | None = None  # None: not counted by index
    delayed: dict[int, Object] = field(default_factory=dict)  # failed pods that wait for their successors, by index
    backoff: Record = field(default_factory=Record)
    finished: Object | None = None  # the condition that ends the job
    again: float | None = None  # seconds until the next look

    @property
    def status(self) -> dict[str, Any]:
        return self.job["status"]  # type: ignore[no-any-return]

    def look_again(self, after: float) -> None:
        self.again = after if self.again is None else min(self.again, after)

    def valid_pods(self, *, skip: tuple[str, ...] = ()) -> list[Object]:
        """Pods that are not counted yet: still tracked, not in `skip`, and with an index where one is needed."""
        return [
            pod
            for pod in self.pods
            if facts.is_tracked(pod)
            and pod["metadata"]["uid"] not in self.expected
            and pod["metadata"]["uid"] not in skip
            and (not facts.is_indexed(self.job) or facts.valid_index(pod, self.job) is not None)
        ]

    def uncounted(self, outcome: str) -> tuple[str, ...]:
        return tuple((self.status.get("uncountedTerminatedPods") or {}).get(outcome) or ())
