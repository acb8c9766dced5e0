"""Jobs: facts, indexes, policies and back-off (pure), and the controller that runs, counts and ends their pods."""

from __future__ import annotations

from apiserver.client.workqueue import RateLimiter
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import JOBS, PODS
from controllers.framework.manager import Loop
from controllers.framework.together import Together
from controllers.loops.job.changes import Changes, StrayPods
from controllers.loops.job.controller import COMPONENT, Jobs

WORKERS = 5
FIRST_DELAY, MAX_DELAY = 1.0, 60.0  # seconds; upstream DefaultJobApiBackOff, MaxJobApiBackOff


class JobLoop(Together):
    """Two queues side by side: jobs, and pods that only wait for a finalizer to be taken off."""

    def __init__(self, context: Context) -> None:
        jobs = Jobs(context)
        self._jobs = _controller(COMPONENT, jobs)
        self._stray = _controller("job-stray-pods", StrayPods(jobs))
        changes = Changes(jobs, self._jobs.queue, self._stray.queue)
        for informer, handler in (
            (context.informer(JOBS), changes.of_jobs()),
            (context.informer(PODS), changes.of_pods()),
        ):
            informer.add_handler(handler)
            self._jobs.needs(informer)
            self._stray.needs(informer)
        super().__init__(COMPONENT, self._jobs, self._stray)


def _controller(name: str, reconciler: Jobs | StrayPods) -> Controller:
    limiter = RateLimiter[Request](FIRST_DELAY, MAX_DELAY)
    return Controller(name, reconciler, workers=WORKERS, rate_limiter=limiter)


def build(context: Context) -> Loop:
    return JobLoop(context)
