"""The scheduler: one pod after another gets a node, assumed at once and bound in the background. Mirrors schedule_one.go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.resources import Client
from controllers.framework import kinds
from controllers.scheduler import pod_status
from controllers.scheduler.algorithm import Algorithm, Choice, SchedulingError
from controllers.scheduler.cache.cache import Cache
from controllers.scheduler.cache.snapshot import Snapshot
from controllers.scheduler.configuration import Configuration
from controllers.scheduler.event_handlers import EventHandlers
from controllers.scheduler.framework.events import ASSIGNED_POD_DELETE
from controllers.scheduler.framework.events_recorder import SchedulerEvents
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.listers import Listers
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.profile import Profile
from controllers.scheduler.framework.status import (
    SKIP,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    WAIT,
    Diagnosis,
    FitError,
    NoNodesAvailable,
    Status,
    as_status,
)
from controllers.scheduler.plugins.installed import factory
from controllers.scheduler.queue.nominator import Nominating, Nominator
from controllers.scheduler.queue.queued import QueuedPod
from controllers.scheduler.queue.scheduling_queue import SchedulingQueue

log = logging.getLogger(__name__)

NOTE_LIMIT = 1024  # characters of an event's note
CLEAR = Nominating("")


class Scheduler:
    """Give it started informers and run it."""

    def __init__(
        self,
        client: Client,
        listers: Listers,
        clock: Clock,
        rand: Random,
        configuration: Configuration,
        *,
        host: str = "",
    ) -> None:
        self._client = client
        self._pods = client.resource(kinds.PODS)
        self._listers = listers
        self._clock = clock
        self._tasks = TaskOwner("scheduler")
        self.cache = Cache()
        self._snapshot = Snapshot()
        self._recorder = SchedulerEvents(client, clock, rand, host)
        self._nominator = Nominator(listers.pod)
        self._profiles = self._make_profiles(configuration, rand)
        self.queue = SchedulingQueue(
            self._profiles,
            clock,
            self._nominator,
            initial_backoff=configuration.initial_backoff,
            max_backoff=configuration.max_backoff,
        )
        self._algorithm = Algorithm(self._snapshot, rand, configuration.percentage_of_nodes_to_score)

    def _make_profiles(self, configuration: Configuration, rand: Random) -> Mapping[str, Profile]:
        profiles: dict[str, Profile] = {}
        for spec in configuration.profiles:
            handle = Handle(
                client=self._client,
                clock=self._clock,
                rand=rand,
                snapshot=self._snapshot,
                listers=self._listers,
                nominator=self._nominator,
                recorder=self._recorder,
                activate=lambda pods: self.queue.activate(pods),
                run_task=self._tasks.create_task,
            )
            profiles[spec.scheduler_name] = Profile(spec, factory, handle)
        return profiles

    async def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Schedule until cancelled; what is under way then is dropped. `started` is called when the first pod may come."""
        await self._listers.wait(self._client)
        EventHandlers(self.cache, self.queue, self._profiles).register(self._listers)
        try:
            self._tasks.create_task(self.queue.run(), name="scheduling-queue")
            self._tasks.create_task(self._recorder.run(), name="event-series")
            started()
            while True:
                await self._one()
                await asyncio.sleep(0)
        finally:
            await self._tasks.close()
            await self._recorder.close()

    # The scheduling cycle

    async def _one(self) -> None:
        queued = await self.queue.pop()
        pod = queued.info
        profile = self._profiles[pod.pod["spec"]["schedulerName"]]
        if self._skip(profile, pod):
            self.queue.done(pod.uid)
            return
        state = CycleState()
        try:
            choice, nominating, failure = await self._cycle(profile, state, pod)
        except Exception as error:  # a bug in a plugin costs its pod an attempt, not the scheduler its life
            log.exception("scheduling failed", extra={"pod": str(pod)})
            choice, nominating, failure = None, CLEAR, as_status(error)
        if choice is None or failure is not None:
            self._failed(profile, queued, failure or Status(UNSCHEDULABLE), nominating)
            return
        assumed = pod.on_node(choice.node)
        if (failure := self._assume(profile, state, assumed, choice.node)) is not None:
            self._failed(profile, queued, failure, CLEAR)
            return
        self._tasks.create_task(self._bind(profile, state, queued, assumed, choice.node), name=f"bind-{pod}")

    def _skip(self, profile: Profile, pod: PodInfo) -> bool:
        """A pod that is being deleted, or that was assumed meanwhile, needs no node."""
        if pod.pod["metadata"].get("deletionTimestamp"):
            note = f"skip schedule deleting pod: {pod.namespace}/{pod.name}"
            self._event(profile, pod, "Warning", "FailedScheduling", "Scheduling", note)
            return True
        return self.cache.is_assumed(pod.uid)

    async def _cycle(
        self, profile: Profile, state: CycleState, pod: PodInfo
    ) -> tuple[Choice | None, Nominating | None, Status | None]:
        """A node, or what stands against it and what that means for the pod's nomination."""
        self.cache.update_snapshot(self._snapshot)
        try:
            return await self._algorithm.choose(profile, state, pod), None, None
        except NoNodesAvailable as error:
            return None, CLEAR, Status(UNRESOLVABLE, str(error), error=error)
        except SchedulingError as error:
            return None, CLEAR, error.status
        except FitError as error:
            nominating: Nominating | None = CLEAR
            if profile.has_post_filter:
                result, status = await profile.post_filter(state, pod, error.diagnosis.nodes)
                error.diagnosis.post_filter_message = status.message if status is not None else ""
                nominating = result.nominating if result is not None else None
            return None, nominating, Status(UNSCHEDULABLE, str(error), error=error)

    def _assume(self, profile: Profile, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        """Count the pod on its node, reserve, ask for permission. None: on to binding."""
        try:
            self.cache.assume(pod)
        except ValueError as error:
            return as_status(error)
        self._nominator.delete(pod.uid)
        status = profile.reserve(state, pod, node)
        if status is None:
            status = profile.permit(state, pod, node)
            if status is None or status.code == WAIT:
                return None
        profile.unreserve(state, pod, node)
        self.cache.forget(pod.uid)
        return _rejection(status, node) if status.rejected else status

    # The binding cycle

    async def _bind(self, profile: Profile, state: CycleState, queued: QueuedPod, pod: PodInfo, node: str) -> None:
        try:
            status = await self._binding(profile, state, pod, node)
        except Exception as error:
            log.exception("binding failed", extra={"pod": str(pod), "node": node})
            status = as_status(error)
        if status is None:
            self._event(profile, pod, "Normal", "Scheduled", "Binding", f"Successfully assigned {pod} to {node}")
            profile.post_bind(state, pod, node)
            return
        profile.unreserve(state, pod, node)
        self.cache.forget(pod.uid)
        # Its place is free for others. A pod that was rejected waits for something else to change.
        only = (lambda waiting: waiting.uid != pod.uid) if status.rejected else None
        if not status.rejected:
            self.queue.move_all(ASSIGNED_POD_DELETE, pod.pod, None, only)
        self._failed(profile, queued, status, CLEAR)
        if status.rejected:
            self.queue.move_all(ASSIGNED_POD_DELETE, pod.pod, None, only)

    async def _binding(self, profile: Profile, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        flight = profile.pre_flight(state, pod, node)
        if flight is not None and flight.code != SKIP:
            return flight
        if flight is None:
            await self._expect(pod, node)
        if (status := await profile.wait_on_permit(pod)) is not None:
            return _rejection(status, node) if status.rejected else status
        self.queue.done(pod.uid)  # from here on it cannot be called unschedulable
        if (status := await profile.pre_bind(state, pod, node)) is not None:
            return status
        return await profile.bind(state, pod, node)

    async def _expect(self, pod: PodInfo, node: str) -> None:
        """Tell others where the pod will go while its volumes are made ready (NominatedNodeNameForExpectation)."""
        try:
            await pod_status.patch_status(self._pods, pod.pod, pod_status.status_patch(pod.pod, None, Nominating(node)))
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.info("nominated node not written", extra={"pod": str(pod), "error": str(error)})

    # Failure

    def _failed(self, profile: Profile, queued: QueuedPod, status: Status, nominating: Nominating | None) -> None:
        """Queue the pod again, say why, in an event and in its condition. Writing happens in the background."""
        fit = status.error if isinstance(status.error, FitError) else None
        queued.blame(fit.diagnosis if fit is not None else None)
        if not self._requeue(queued):
            return
        pod = queued.info
        self._nominator.add(pod, nominating)
        self._event(profile, pod, "Warning", "FailedScheduling", "Scheduling", _truncated(status.message))
        reason = pod_status.UNSCHEDULABLE if status.rejected else pod_status.SCHEDULER_ERROR
        condition = pod_status.failed_condition(pod.pod, reason, status.message, self._clock.now())
        patch = pod_status.status_patch(pod.pod, condition, nominating)
        if patch is not None:
            self._tasks.create_task(self._write_status(pod, patch), name=f"status-{pod}")

    def _requeue(self, queued: QueuedPod) -> bool:
        """Back to the queue, as the pod is now, unless it is gone or bound. False: another pod has its name."""
        seen = self._listers.pod(*queued.info.key)
        if seen is None or seen["spec"].get("nodeName"):
            self.queue.done(queued.info.uid)
            return True
        if seen["metadata"]["uid"] != queued.info.uid:
            self.queue.done(queued.info.uid)
            return False
        queued.info = PodInfo(seen)
        try:
            self.queue.add_unschedulable(queued)
        except ValueError as error:
            log.error("pod not queued again", extra={"pod": str(queued.info), "error": str(error)})
        return True

    async def _write_status(self, pod: PodInfo, patch: dict[str, object]) -> None:
        try:
            await pod_status.patch_status(self._pods, pod.pod, patch)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.info("pod's status not written", extra={"pod": str(pod), "error": str(error)})

    def _event(self, profile: Profile, pod: PodInfo, type: str, reason: str, action: str, note: str) -> None:
        self._recorder.event(profile.scheduler_name, pod.pod, type, reason, action, note)


def _rejection(status: Status, node: str) -> Status:
    """Reserve or Permit refused the one node there was: as if it alone had been looked at."""
    diagnosis = Diagnosis()
    diagnosis.nodes.set(node, status)
    diagnosis.add(status)
    error = FitError(1, diagnosis)
    return Status(status.code, str(error), plugin=status.plugin, error=error)


def _truncated(note: str) -> str:
    return note if len(note) <= NOTE_LIMIT else note[: NOTE_LIMIT - 4] + " ..."
