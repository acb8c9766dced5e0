"""The table of pods: Ready, Status and Restarts are read off the containers' states.

Mirrors upstream pkg/printers/internalversion/printers.go (printPod).
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.api.columns import AGE, NAME
from apiserver.api.podspec.containers import is_sidecar, sub
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.resource import Column, Since

NODE_LOST = "NodeLost"
SCHEDULING_GATED = "SchedulingGated"
NONE = "<none>"

IP_DESCRIPTION = "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated."
NODE_DESCRIPTION = (
    "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler "
    "defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this "
    "pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. "
    "https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename"
)
NOMINATED_DESCRIPTION = (
    "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as "
    "preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be "
    "scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler "
    "may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a "
    "result, this field may be different than PodSpec.nodeName when the pod is scheduled."
)
GATES_DESCRIPTION = (
    "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready "
    'AND all conditions specified in the readiness gates have status equal to "True" More info: '
    "https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates"
)


class Summary(NamedTuple):
    """What the containers' states come to."""

    ready: int
    total: int
    reason: str
    restarts: int
    last_restart: str  # RFC 3339, "" when unknown


class _Tally:
    """Counts while the statuses are walked."""

    def __init__(self) -> None:
        self.ready = 0
        self.restarts = 0
        self.last_restart = ""
        self.reason = ""

    def count(self, status: Object) -> None:
        self.restarts += status.get("restartCount") or 0
        finished = sub(status, "lastState", "terminated").get("finishedAt") or ""
        self.last_restart = max(self.last_restart, finished)


def summary(pod: Object) -> Summary:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = {c.get("name") for c in spec.get("initContainers") or () if is_sidecar(c)}
    tally = _Tally()
    tally.reason = _first_reason(status)
    of_sidecars = _Tally()
    initializing = _walk_init(spec, status, sidecars, tally, of_sidecars)
    if not initializing or _has_condition(status, "Initialized"):
        tally.restarts, tally.last_restart = of_sidecars.restarts, of_sidecars.last_restart
        _walk_containers(status, tally)
    total = len(spec.get("containers") or ()) + len(sidecars)
    return Summary(tally.ready, total, _final_reason(pod, status, tally.reason), tally.restarts, tally.last_restart)


def _first_reason(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == SCHEDULING_GATED:
            return SCHEDULING_GATED
    return status.get("reason") or status.get("phase") or ""


def _walk_init(spec: Object, status: Object, sidecars: set[str | None], tally: _Tally, of_sidecars: _Tally) -> bool:
    """Init containers in their order, up to the one that is at work; whether there is one."""
    for i, container in enumerate(status.get("initContainerStatuses") or ()):
        sidecar = container.get("name") in sidecars
        tally.count(container)
        if sidecar:
            of_sidecars.count(container)
        terminated = sub(container, "state").get("terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            tally.ready += 1 if container.get("ready") else 0
            continue
        tally.reason = _init_reason(spec, container, i)
        return True
    return False


def _init_reason(spec: Object, container: Object, position: int) -> str:
    state = container.get("state") or {}
    if state.get("terminated") is not None:
        return "Init:" + _terminated_reason(state["terminated"])
    waiting = (state.get("waiting") or {}).get("reason")
    if waiting and waiting != "PodInitializing":
        return "Init:" + str(waiting)
    return f"Init:{position}/{len(spec.get('initContainers') or ())}"


def _terminated_reason(terminated: Object) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode') or 0}"


def _walk_containers(status: Object, tally: _Tally) -> None:
    running, error = False, ""
    for container in reversed(status.get("containerStatuses") or ()):
        tally.count(container)
        state = container.get("state") or {}
        terminated = state.get("terminated")
        if (state.get("waiting") or {}).get("reason"):
            tally.reason = state["waiting"]["reason"]
        elif terminated is not None:
            tally.reason = _terminated_reason(terminated)
            if terminated.get("exitCode"):
                error = tally.reason
        elif container.get("ready") and state.get("running") is not None:
            running = True
            tally.ready += 1
    if tally.reason == "Completed":
        if running and _has_condition(status, "Ready"):
            tally.reason = "Running"
        elif error:
            tally.reason = error
        elif running:
            tally.reason = "NotReady"


def _has_condition(status: Object, type: str) -> bool:
    return any(c.get("type") == type and c.get("status") == "True" for c in status.get("conditions") or ())


def _final_reason(pod: Object, status: Object, reason: str) -> str:
    if not get(pod, "metadata", "deletionTimestamp"):
        return reason
    if status.get("reason") == NODE_LOST:
        return "Unknown"
    return reason if status.get("phase") in ("Failed", "Succeeded") else "Terminating"


def _ready_cell(pod: Object, now: float) -> str:
    found = summary(pod)
    return f"{found.ready}/{found.total}"


def _restarts_cell(pod: Object, now: float) -> str | Since:
    found = summary(pod)
    if found.restarts and found.last_restart:
        return Since(found.last_restart, f"{found.restarts} (", " ago)")
    return str(found.restarts)


def _gates_cell(pod: Object, now: float) -> str:
    gates = get(pod, "spec", "readinessGates", default=())
    if not gates:
        return NONE
    first: dict[str, str] = {}
    for condition in get(pod, "status", "conditions", default=()):
        first.setdefault(condition.get("type") or "", condition.get("status") or "")
    true = sum(1 for gate in gates if first.get(gate.get("conditionType") or "") == "True")
    return f"{true}/{len(gates)}"


def _ip_cell(pod: Object, now: float) -> str:
    return get(pod, "status", "podIPs", 0, "ip", default="") or NONE


def _node_cell(pod: Object, now: float) -> str:
    return get(pod, "spec", "nodeName", default="") or NONE


def _nominated_cell(pod: Object, now: float) -> str:
    return get(pod, "status", "nominatedNodeName", default="") or NONE


COLUMNS = (
    NAME,
    Column("Ready", _ready_cell, description="The aggregate readiness state of this pod for accepting traffic."),
    Column(
        "Status",
        lambda pod, now: summary(pod).reason,
        description="The aggregate status of the containers in this pod.",
    ),
    Column(
        "Restarts",
        _restarts_cell,
        description=(
            "The number of times the containers in this pod have been restarted and when the last container in this pod has "
            "restarted."
        ),
    ),
    AGE,
    Column("IP", _ip_cell, description=IP_DESCRIPTION, priority=1),
    Column("Node", _node_cell, description=NODE_DESCRIPTION, priority=1),
    Column("Nominated Node", _nominated_cell, description=NOMINATED_DESCRIPTION, priority=1),
    Column("Readiness Gates", _gates_cell, description=GATES_DESCRIPTION, priority=1),
)


def row_conditions(pod: Object) -> list[Object]:
    """What a row says of a finished pod."""
    phase = get(pod, "status", "phase")
    message = {"Succeeded": "The pod has completed successfully.", "Failed": "The pod failed."}.get(phase)
    if message is None:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": message}]
