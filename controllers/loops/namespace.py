"""A namespace that is being deleted loses its content, pods first, then its finalizer.

Mirrors upstream pkg/controller/namespace: everything discovery says can be deleted is deleted, what remains is told in
conditions, and the `kubernetes` finalizer goes when nothing is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.discovery import DiscoveryIncomplete, ServedResource, served_resources
from apiserver.client.informer import Handler
from apiserver.client.workqueue import RateLimiter
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result
from controllers.framework.kinds import NAMESPACES, PODS
from controllers.framework.manager import Loop

FINALIZER = "kubernetes"
GRACE = 5.0  # seconds for other API servers to see the deletion, and for late creations to be seen
MAX_BACKOFF = 60.0  # seconds; upstream nsControllerRateLimiter: a namespace's deletion is tried once a minute at least
FINALIZER_ESTIMATE = 15  # seconds a finalizer is given before the next look
WORKERS = 10

# condition type → (reason, message) when all is well, in upstream's order
WELL = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


@dataclass
class Findings:
    """What deleting the content came to: how much remains, of what, held by whom, and what failed."""

    estimate: int = 0
    remaining: Counter[GroupVersionResource] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    discovery: str = ""

    def troubles(self) -> dict[str, tuple[str, str]]:
        """condition type → (reason, message) where not all is well."""
        found = {}
        if self.discovery:
            found["NamespaceDeletionDiscoveryFailure"] = ("DiscoveryFailed", self.discovery)
        if self.failures:
            told = ", ".join(sorted(self.failures))
            message = f"Failed to delete all resource types, {len(self.failures)} remaining: {told}"
            found["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", message)
        if self.remaining and PODS not in self.remaining:  # of pods nothing is told: nothing else was looked at yet
            each = sorted(f"{r.resource}.{r.group} has {n} resource instances" for r, n in self.remaining.items())
            message = f"Some resources are remaining: {', '.join(each)}"
            found["NamespaceContentRemaining"] = ("SomeResourcesRemain", message)
        if self.finalizers and PODS not in self.remaining:
            each = sorted(f"{name} in {n} resource instances" for name, n in self.finalizers.items())
            message = f"Some content in the namespace has finalizers remaining: {', '.join(each)}"
            found["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", message)
        return found


def conditions_after(current: list[Object], troubles: dict[str, tuple[str, str]], now: str) -> list[Object] | None:
    """The namespace's conditions in the light of `troubles`; None when nothing changes."""
    conditions: list[Object] = objects.copy(current)
    by_type = {condition["type"]: condition for condition in conditions}
    for kind, well in WELL.items():
        reason, message = troubles.get(kind, well)
        status = "True" if kind in troubles else "False"
        condition = by_type.get(kind)
        if condition is None:
            condition = {"type": kind, "status": status, "lastTransitionTime": now}
            conditions.append(condition)
        elif condition["status"] != status:
            condition["lastTransitionTime"] = now
        condition |= {"status": status, "reason": reason, "message": message}
    return conditions if conditions != current else None


class Namespaces:
    """Requests are namespaces; only those with a deletionTimestamp are worked on."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.clock = context.clock
        self.namespaces = context.resource(NAMESPACES)
        self.known = context.informer(NAMESPACES).lister

    async def reconcile(self, request: Request) -> Result | None:
        namespace = self.known.get("", request.name)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return None
        try:
            namespace = await self.namespaces.get(request.name)
        except StatusError as error:
            if error.code == 404:
                return None
            raise
        if not namespace["metadata"].get("deletionTimestamp"):
            return None
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            namespace.setdefault("status", {})["phase"] = "Terminating"
            namespace = await self.namespaces.update_status(namespace)
        if FINALIZER not in (namespace.get("spec") or {}).get("finalizers", ()):
            return None
        findings = await self._delete_content(namespace)
        namespace = await self._tell(namespace, findings)
        if findings.failures or findings.discovery:
            raise StatusError(500, "", "; ".join([*findings.failures, findings.discovery]))
        if findings.remaining:
            return Result(after=findings.estimate // 2 + 1)
        await self._finalize(namespace)
        return None

    async def _delete_content(self, namespace: Object) -> Findings:
        findings = Findings()
        try:
            served = await served_resources(self.context.client)
        except DiscoveryIncomplete as error:
            served, failing = error.resources, str(error).count(": stale GroupVersion")
            findings.discovery = f"Discovery failed for some groups, {failing} failing: {error}"
        wanted = [resource for resource in served if resource.namespaced and "delete" in resource.verbs]
        pods = [resource for resource in wanted if resource.gvr == PODS]
        for resource in pods:
            await self._delete_all(resource, namespace, findings)
        if findings.remaining:
            return findings
        for resource in wanted:
            if resource.gvr != PODS:
                await self._delete_all(resource, namespace, findings)
        return findings

    async def _delete_all(self, resource: ServedResource, namespace: Object, findings: Findings) -> None:
        """Delete everything of one resource and note what is still there."""
        client = self.context.resource(resource.gvr)
        name = namespace["metadata"]["name"]
        try:
            estimate = await self._grace_left(namespace) if resource.gvr == PODS else 0
            if "deletecollection" in resource.verbs:
                await client.delete_collection(name, propagation="Background")
            elif "list" in resource.verbs:
                for item in (await client.list(name, metadata_only=True)).get("items") or ():
                    await client.delete(item["metadata"]["name"], name, propagation="Background")
            if "list" not in resource.verbs:
                return
            items = (await client.list(name, metadata_only=True)).get("items") or []
        except StatusError as error:
            if error.code not in (404, 405):
                findings.failures.append(_failure(resource.gvr, name, error.message))
            return
        if not items:
            return
        held = Counter(f for item in items for f in item["metadata"].get("finalizers") or ())
        findings.remaining[resource.gvr] += len(items)
        findings.finalizers += held
        if not estimate and not held:
            gvr = resource.gvr
            what = f"{gvr.group}/{gvr.version}, Resource={gvr.resource}"
            message = f"unexpected items still remain in namespace: {name} for gvr: {what}"
            findings.failures.append(_failure(gvr, name, message))
        findings.estimate = max(findings.estimate, estimate or (FINALIZER_ESTIMATE if held else 0))

    async def _grace_left(self, namespace: Object) -> int:
        """The longest grace period of the namespace's pods, unless that much time has passed already."""
        pods = await self.context.resource(PODS).list(namespace["metadata"]["name"])
        grace = 0
        for pod in pods.get("items") or ():
            if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
                grace = max(grace, pod["spec"].get("terminationGracePeriodSeconds") or 0)
        passed = self.clock.now() - parse_rfc3339(namespace["metadata"]["deletionTimestamp"])
        return 0 if passed >= grace else grace

    async def _tell(self, namespace: Object, findings: Findings) -> Object:
        status: dict[str, Any] = namespace.setdefault("status", {})
        now = rfc3339(self.clock.now())
        conditions = conditions_after(status.get("conditions") or [], findings.troubles(), now)
        if conditions is None:
            return namespace
        status["conditions"] = conditions
        return await self.namespaces.update_status(namespace)

    async def _finalize(self, namespace: Object) -> None:
        kept = [f for f in namespace["spec"].get("finalizers", ()) if f != FINALIZER]
        namespace["spec"]["finalizers"] = kept
        try:
            await self.namespaces.update(namespace, subresource="finalize")
        except StatusError as error:
            if error.code != 404:
                raise


def _failure(gvr: GroupVersionResource, namespace: str, message: str) -> str:
    return f"failed to delete pods for namespace: {namespace}, err: {message}" if gvr == PODS else message


def build(context: Context) -> Loop:
    limiter = RateLimiter[Request](maximum=MAX_BACKOFF)
    controller = Controller("namespace-controller", Namespaces(context), workers=WORKERS, rate_limiter=limiter)

    def seen(namespace: Object) -> None:
        if namespace["metadata"].get("deletionTimestamp"):
            controller.queue.add_after(Request("", namespace["metadata"]["name"]), GRACE)

    informer = context.informer(NAMESPACES)
    informer.add_handler(Handler(added=seen, updated=lambda old, new: seen(new)))
    controller.needs(informer)
    return controller
