"""A pod with scheduling gates is not scheduled before the last of them is gone."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.scheduler.framework.events import TARGET_POD, UPDATE_POD_GATES_ELIMINATED, ClusterEvent, EventHint
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import UNRESOLVABLE, Status


class SchedulingGates:
    name = "SchedulingGates"

    def events(self) -> Sequence[EventHint]:
        return (EventHint(ClusterEvent(TARGET_POD, UPDATE_POD_GATES_ELIMINATED)),)

    def pre_enqueue(self, pod: PodInfo) -> Status | None:
        gates = pod.pod["spec"].get("schedulingGates")
        if not gates:
            return None
        names = " ".join(gate["name"] for gate in gates)
        return Status(UNRESOLVABLE, f"waiting for scheduling gates: [{names}]")
