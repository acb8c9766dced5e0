"""Pods whose binding a Permit plugin holds back: allowed by all of them, or rejected by one, or out of time.

Mirrors upstream framework/runtime/waiting_pods_map.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from apiserver.apimachinery.clock import Clock
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import UNSCHEDULABLE, Status

MAX_WAIT = 900.0  # seconds; upstream maxTimeout


class _Waiting:
    def __init__(self, pod: PodInfo, plugins: Mapping[str, float]) -> None:
        self.pod = pod
        self.pending = {name: min(seconds, MAX_WAIT) for name, seconds in plugins.items()}
        self.outcome: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()


class WaitingPods:
    """By uid, of one profile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pods: dict[str, _Waiting] = {}

    def add(self, pod: PodInfo, plugins: Mapping[str, float]) -> None:
        self._pods[pod.uid] = _Waiting(pod, plugins)

    def allow(self, uid: str, plugin: str) -> None:
        """`plugin` has nothing against the pod any more."""
        waiting = self._pods.get(uid)
        if waiting is None:
            return
        waiting.pending.pop(plugin, None)
        if not waiting.pending and not waiting.outcome.done():
            waiting.outcome.set_result(None)

    def reject(self, uid: str, plugin: str, message: str) -> bool:
        """False when the pod does not wait here."""
        waiting = self._pods.get(uid)
        if waiting is None or waiting.outcome.done():
            return False
        waiting.outcome.set_result(Status(UNSCHEDULABLE, message, plugin=plugin))
        return True

    async def wait(self, pod: PodInfo) -> Status | None:
        """The outcome; None at once for a pod that nobody holds back."""
        waiting = self._pods.get(pod.uid)
        if waiting is None:
            return None
        first = min(waiting.pending, key=lambda name: waiting.pending[name], default="")
        try:
            async with asyncio.timeout(waiting.pending.get(first)):
                return await waiting.outcome
        except TimeoutError:
            text = f"rejected due to timeout after waiting {waiting.pending[first]:g}s at plugin {first}"
            return Status(UNSCHEDULABLE, text, plugin=first)
        finally:
            self._pods.pop(pod.uid, None)

    @property
    def pods(self) -> list[PodInfo]:
        return [waiting.pod for waiting in self._pods.values()]
