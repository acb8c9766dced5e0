"""What a plugin answers: a Status with a code and reasons. None stands for success everywhere.

Mirrors k8s.io/kube-scheduler/framework/interface.go.
"""

from __future__ import annotations

from collections.abc import Iterator

SUCCESS = "Success"
ERROR = "Error"
UNSCHEDULABLE = "Unschedulable"  # preemption may help
UNRESOLVABLE = "UnschedulableAndUnresolvable"  # nothing short of a change in the cluster helps
WAIT = "Wait"
SKIP = "Skip"
PENDING = "Pending"

_REJECTED = frozenset({UNSCHEDULABLE, UNRESOLVABLE, PENDING})


class Status:
    """Immutable but for `plugin`, which the framework fills in with the one that answered."""

    __slots__ = ("code", "error", "plugin", "reasons")

    def __init__(self, code: str, *reasons: str, plugin: str = "", error: BaseException | None = None) -> None:
        self.code = code
        self.reasons = reasons
        self.plugin = plugin
        self.error = error

    @property
    def rejected(self) -> bool:
        """The pod was turned down, in good order."""
        return self.code in _REJECTED

    @property
    def message(self) -> str:
        return ", ".join(self.reasons)

    def named(self, plugin: str) -> Status:
        """The same status with the plugin it comes from: statuses may be shared constants."""
        return Status(self.code, *self.reasons, plugin=plugin, error=self.error)

    def __repr__(self) -> str:
        return f"<Status {self.code} {self.plugin} {self.message!r}>"


def as_status(error: BaseException) -> Status:
    """An unexpected failure."""
    return Status(ERROR, str(error), error=error)


class NodeStatuses:
    """By node, why it was turned down; nodes without an entry of their own have the `absent` status."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self.absent = Status(UNRESOLVABLE)

    def set(self, node: str, status: Status) -> None:
        self._statuses[node] = status

    def get(self, node: str) -> Status:
        return self._statuses.get(node, self.absent)

    def items(self) -> Iterator[tuple[str, Status]]:
        return iter(self._statuses.items())

    def __len__(self) -> int:
        return len(self._statuses)


class Diagnosis:
    """Why no node fits: by node, and what plugins said before and after."""

    def __init__(self) -> None:
        self.nodes = NodeStatuses()
        self.unschedulable_plugins: dict[str, None] = {}
        self.pending_plugins: dict[str, None] = {}
        self.pre_filter_message = ""
        self.post_filter_message = ""

    def add(self, status: Status) -> None:
        """Remember which plugin turned the pod down: events that plugin waits for bring the pod back."""
        if not status.plugin:
            return
        if status.rejected:
            self.unschedulable_plugins[status.plugin] = None
        if status.code == PENDING:
            self.pending_plugins[status.plugin] = None


class FitError(Exception):
    """No node fits the pod. Its text is the FailedScheduling message (upstream framework/types.go FitError.Error)."""

    def __init__(self, all_nodes: int, diagnosis: Diagnosis) -> None:
        super().__init__()
        self.all_nodes = all_nodes
        self.diagnosis = diagnosis

    def __str__(self) -> str:
        diagnosis = self.diagnosis
        text = f"0/{self.all_nodes} nodes are available:"
        if diagnosis.pre_filter_message:
            text += f" {diagnosis.pre_filter_message}."
        elif counted := self._counted():
            text += f" {', '.join(counted)}."
        if diagnosis.post_filter_message:
            text += f" {diagnosis.post_filter_message}"
        return text

    def _counted(self) -> list[str]:
        counts: dict[str, int] = {}
        nodes = self.diagnosis.nodes
        for _, status in nodes.items():
            for reason in status.reasons:
                counts[reason] = counts.get(reason, 0) + 1
        if len(nodes) < self.all_nodes:
            for reason in nodes.absent.reasons:
                counts[reason] = counts.get(reason, 0) + self.all_nodes - len(nodes)
        return sorted(f"{count} {reason}" for reason, count in counts.items())


class NoNodesAvailable(Exception):
    """The cluster has no node at all."""

    def __str__(self) -> str:
        return "no nodes available to schedule pods"
