"""PodDisruptionBudgets tell how many of their pods may go now; evictions ask them.

Mirrors upstream pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object, controller_of
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.go_text import go_selector
from controllers.framework.kinds import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from controllers.framework.scales import NoMatch, Scales
from controllers.loops.disruption import facts

COMPONENT = "controllermanager"  # upstream's event source of this loop


class Unknown(Exception):
    """How many pods there should be cannot be told."""


class Owners:
    """How many pods the owners of pods want: from informers for the kinds everybody uses, else from their scale."""

    def __init__(self, context: Context) -> None:
        self._listers = {
            ("", "ReplicationController"): context.informer(REPLICATION_CONTROLLERS).lister,
            ("apps", "ReplicaSet"): context.informer(REPLICA_SETS).lister,
            ("apps", "StatefulSet"): context.informer(STATEFUL_SETS).lister,
            ("apps", "Deployment"): context.informer(DEPLOYMENTS).lister,
        }
        self._scales = Scales(context.client)

    async def expected(self, pods: Sequence[Object]) -> tuple[int, list[str]]:
        """(pods wanted by all owners together, names of pods without an owner). Raises Unknown, StatusError."""
        wanted: dict[str, int] = {}
        unmanaged: list[str] = []
        for pod in pods:
            reference = controller_of(pod)
            if reference is None:
                unmanaged.append(pod["metadata"]["name"])
            elif reference["uid"] not in wanted:
                found = await self._wanted(reference, pod["metadata"]["namespace"])
                if found is None:
                    raise Unknown(f'found no controllers for pod "{pod["metadata"]["name"]}"')
                wanted[reference["uid"]] = 0  # so that a sister pod does not ask again
                wanted[found[0]] = found[1]
        return sum(wanted.values()), unmanaged

    async def _wanted(self, reference: Object, namespace: str) -> tuple[str, int] | None:
        """(uid, size) of an owner; of a ReplicaSet's Deployment if it has one."""
        group = GroupVersion.parse(reference["apiVersion"]).group
        kind = ("apps" if group == "extensions" else group, reference["kind"])
        lister = self._listers.get(kind)
        if lister is None or kind == ("apps", "Deployment"):
            return await self._from_scale(reference, namespace)
        owner = lister.get(namespace, reference["name"])
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return await self._from_scale(reference, namespace)
        above = controller_of(owner) if kind == ("apps", "ReplicaSet") else None
        if above is not None and above["kind"] == "Deployment":
            owner = self._listers["apps", "Deployment"].get(namespace, above["name"])
            if owner is None or owner["metadata"]["uid"] != above["uid"]:
                return await self._from_scale(reference, namespace)
        return owner["metadata"]["uid"], owner["spec"].get("replicas", 1)

    async def _from_scale(self, reference: Object, namespace: str) -> tuple[str, int] | None:
        try:
            resource = await self._scales.resource(reference["apiVersion"], reference["kind"])
        except NoMatch as error:
            raise Unknown(str(error)) from error
        try:
            scale = await self._scales.get(resource, reference["name"], namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            if "scale" not in resource.subresources:
                gvr = resource.gvr
                named = f"{gvr.resource}.{gvr.group}" if gvr.group else gvr.resource
                raise Unknown(f"{named} does not implement the scale subresource") from error
            return None
        if scale["metadata"].get("uid") != reference["uid"]:
            return None
        return reference["uid"], (scale.get("spec") or {}).get("replicas") or 0


class Budgets:
    """Requests are budgets."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.budgets = context.resource(POD_DISRUPTION_BUDGETS)
        self.known = context.informer(POD_DISRUPTION_BUDGETS).lister
        self.known_pods = context.informer(PODS).lister
        self.owners = Owners(context)
        self.recorder = context.recorder(COMPONENT)

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            return None
        budget: Object = {**known, "apiVersion": facts.API_VERSION, "kind": facts.KIND}
        pods = self.known_pods.list(request.namespace, facts.selector_of(budget))
        try:
            return await self._sync(budget, pods)
        except (StatusError, Unknown, ValueError) as error:
            if isinstance(error, StatusError) and error.code == 409:
                raise
            await self._write(budget, facts.failed_status(budget, str(error), self.clock.now()))
            return None

    async def _sync(self, budget: Object, pods: Sequence[Object]) -> Result | None:
        if not pods:
            self.recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        expected, desired = await self._expectation(budget, pods)
        now = self.clock.now()
        disrupted, overdue = facts.split_disrupted(budget, pods, now)
        for pod in overdue:
            namespace = budget["metadata"]["namespace"]
            message = f"Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't"
            self.recorder.event({"apiVersion": "v1", "kind": "Pod", **pod}, "Warning", "NotDeleted", message)
        healthy = facts.count_healthy(pods, disrupted, now)
        await self._write(budget, facts.status_of(budget, healthy, desired, expected, disrupted, now))
        ends = [parse_rfc3339(since) + facts.DELETION_TIMEOUT for since in disrupted.values()]
        return Result(after=max(min(ends) - now, 0) + 1) if ends else None

    async def _expectation(self, budget: Object, pods: Sequence[Object]) -> tuple[int, int]:
        """(pods that should be there, pods that have to be healthy)."""
        try:
            unmanaged: list[str] = []
            expected = len(pods)
            if facts.needs_scale(budget):
                expected, unmanaged = await self.owners.expected(pods)
            desired = facts.desired_healthy(budget, expected)
        except (StatusError, Unknown, ValueError) as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self.recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", message)
            raise
        if unmanaged:
            selector = go_selector(budget["spec"].get("selector"))
            message = (
                f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a "
                "result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "
                'To account for these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
            )
            self.recorder.event(budget, "Warning", "UnmanagedPods", message)
        return expected, desired

    async def _write(self, budget: Object, status: Object) -> None:
        if status != (budget.get("status") or {}):
            await self.budgets.update_status({**budget, "status": status})


class StaleDisruptions:
    """Requests are pods: an announced disruption that does not come is taken back."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.pods = context.resource(PODS)
        self.known_pods = context.informer(PODS).lister

    async def reconcile(self, request: Request) -> Result | None:
        pod = self.known_pods.get(*request)
        wait = facts.stale_wait(pod, self.clock.now()) if pod is not None else None
        if pod is None or wait is None:
            return None
        if wait > 0:
            return Result(after=wait)
        changed = objects.copy(pod)
        for condition in changed["status"]["conditions"]:
            if condition["type"] == "DisruptionTarget":
                generation = pod["metadata"].get("generation")
                now = rfc3339(self.clock.now())
                condition.clear()
                condition.update({"type": "DisruptionTarget", "status": "False", "lastTransitionTime": now})
                if generation:
                    condition["observedGeneration"] = generation
        await self.pods.update_status(changed)
        return None
