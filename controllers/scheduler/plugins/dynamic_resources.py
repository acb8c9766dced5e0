"""The seat of dynamic resource allocation (resource.k8s.io), which is not built: pods with resource claims are refused, plainly.

What does show on the wire without claims is kept: where a pod is turned down before this plugin has looked at it, upstream's
PostFilter finds no state, says "not found" and no preemption is tried.
"""

from __future__ import annotations

from collections.abc import Sequence

from controllers.scheduler.framework.interface import CycleState, PostFilterResult
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import ERROR, SKIP, UNRESOLVABLE, UNSCHEDULABLE, NodeStatuses, Status
from controllers.scheduler.plugins import arguments

_REFUSED = Status(UNRESOLVABLE, "resource claims are not supported by this scheduler")
_SKIP = Status(SKIP)


class DynamicResources:
    name = "DynamicResources"
    argument_errors = staticmethod(arguments.DYNAMIC_RESOURCES)

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        state.data[self.name] = None  # looked at
        return _REFUSED if pod.pod["spec"].get("resourceClaims") else _SKIP

    async def post_filter(
        self, state: CycleState, pod: PodInfo, statuses: NodeStatuses
    ) -> tuple[PostFilterResult | None, Status | None]:
        return None, Status(UNSCHEDULABLE) if self.name in state.data else Status(ERROR, "not found")
