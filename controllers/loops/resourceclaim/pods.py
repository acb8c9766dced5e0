"""Pods that want claims: one is made for each template they name, and what is allocated is reserved for them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.lister import Key, key_of
from controllers.framework import devices
from controllers.framework.context import Context
from controllers.framework.controller import Request, Retry
from controllers.framework.kinds import PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS

log = logging.getLogger(__name__)

COMPONENT = "resource_claim"
FIELD_MANAGER = "ResourceClaimController"
ANNOTATION = "resource.kubernetes.io/pod-claim-name"
LONGEST_BASE = 57  # of 63 characters: the server adds five of its own to a hyphen
BY_OWNER = "owning pod"  # the name of the index below


def owning_pod(claim: Object) -> Iterable[str]:
    """An index function: claims by the pod that they were made for."""
    owner = controller_of(claim)
    is_pod = owner is not None and (owner["apiVersion"], owner["kind"]) == ("v1", "Pod")
    return (owner["uid"],) if owner is not None and is_pod else ()


def generate_name(pod: str, pod_claim: str) -> str:
    """What a claim's name begins with: pod and entry; both are shortened where they are too long together."""
    whole = f"{pod}-{pod_claim}-"
    if len(whole) <= LONGEST_BASE:
        return whole
    shares = (text[: len(text) * LONGEST_BASE // len(whole)] for text in (pod, pod_claim))
    return "-".join(shares)


def claim_from(template: Object, pod: Object, pod_claim: str) -> Object:
    """A claim as the template says, owned by the pod."""
    spec, owner = template["spec"], pod["metadata"]
    given = spec.get("metadata") or {}
    reference = {"apiVersion": "v1", "kind": "Pod", "name": owner["name"], "uid": owner["uid"], "controller": True}
    meta: dict[str, Any] = {
        "generateName": generate_name(owner["name"], pod_claim),
        "ownerReferences": [reference],
        "annotations": {**(given.get("annotations") or {}), ANNOTATION: pod_claim},
    }
    if given.get("labels"):
        meta["labels"] = dict(given["labels"])
    return {"metadata": meta, "spec": objects.copy(spec.get("spec") or {})}


class PodClaims:
    """Requests are pods."""

    def __init__(self, context: Context) -> None:
        claims = context.informer(RESOURCE_CLAIMS)
        claims.add_index(BY_OWNER, owning_pod)
        self.claims, self.known = context.resource(RESOURCE_CLAIMS), claims.lister
        self.templates = context.informer(RESOURCE_CLAIM_TEMPLATES).lister
        self.pods, self.known_pods = context.resource(PODS), context.informer(PODS).lister
        self.recorder = context.recorder(COMPONENT)
        self._made: dict[Key, Object] = {}  # what the informer has not shown yet: nothing is made twice

    def seen(self, claim: Object) -> None:
        """The informer has caught up with a claim."""
        self._made.pop(key_of(claim), None)

    def has_work(self, pod: Object) -> bool:
        """Is something missing that this loop can make or reserve?"""
        if pod["metadata"].get("deletionTimestamp"):
            return False
        return any(self._wants(pod, pod_claim) for pod_claim in pod["spec"].get("resourceClaims") or ())

    def _wants(self, pod: Object, pod_claim: Object) -> bool:
        try:
            name, own = devices.claim_name(pod, pod_claim)
        except devices.NotCreated:
            return True
        if name is None:
            return False
        claim = self.known.get(pod["metadata"]["namespace"], name)
        if claim is None:
            return pod_claim.get("resourceClaimTemplateName") is not None  # others are the user's to make
        if own and devices.not_for(pod, claim):
            return False
        return bool(pod["spec"].get("nodeName")) and _is_to_be_reserved(pod, claim)

    async def reconcile(self, request: Request) -> None:
        pod = self.known_pods.get(*request)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        made: dict[str, str] = {}
        for pod_claim in pod["spec"].get("resourceClaims") or ():
            try:
                if name := await self._provide(pod, pod_claim):
                    made[pod_claim["name"]] = name
            except (StatusError, Retry) as error:
                about = {**pod, "apiVersion": "v1", "kind": "Pod"}
                why = f"PodResourceClaim {pod_claim['name']}: {error}"
                self.recorder.event(about, "Warning", "FailedResourceClaimCreation", why)
                raise
        if made:
            await self._tell(pod, made)
        if pod["spec"].get("nodeName"):  # else the scheduler reserves
            await self._reserve(pod)

    async def _provide(self, pod: Object, pod_claim: Object) -> str:
        """The name of a claim that the pod's status does not have yet; empty: nothing to do for this entry."""
        try:
            name, own = devices.claim_name(pod, pod_claim)
        except devices.NotCreated:
            pass
        else:
            if name is None or await self._exists(pod, name, own):
                return ""
        template = pod_claim.get("resourceClaimTemplateName")
        if template is None:
            return ""
        found = self._find(pod, pod_claim["name"]) or await self._create(pod, pod_claim["name"], template)
        return str(found["metadata"]["name"])

    async def _exists(self, pod: Object, name: str, own: bool) -> bool:
        namespace = pod["metadata"]["namespace"]
        claim = self.known.get(namespace, name) or self._made.get((namespace, name))
        if claim is None:
            try:
                claim = await self.claims.get(name, namespace)
            except StatusError as error:
                if error.reason == "NotFound":
                    return False
                raise Retry(f"checking claim existence: {error}") from error
        return not (own and devices.not_for(pod, claim))

    def _find(self, pod: Object, pod_claim: str) -> Object | None:
        """A claim made for this entry whose name did not get into the pod's status."""
        known = [*self.known.by_index(BY_OWNER, pod["metadata"]["uid"]), *self._made.values()]
        mine = (claim for claim in known if not devices.not_for(pod, claim))
        return next((claim for claim in mine if objects.annotations_of(claim).get(ANNOTATION) == pod_claim), None)

    async def _create(self, pod: Object, pod_claim: str, template_name: str) -> Object:
        namespace = pod["metadata"]["namespace"]
        template = self.templates.get(namespace, template_name)
        if template is None:
            missing = f'resourceclaimtemplate.resource.k8s.io "{template_name}" not found'
            raise Retry(f'resource claim template "{template_name}": {missing}')
        try:
            made = await self.claims.create(claim_from(template, pod, pod_claim), namespace)
        except StatusError as error:
            raise Retry(f"create ResourceClaim : {error}") from error
        self._made[key_of(made)] = made
        return made

    async def _tell(self, pod: Object, made: dict[str, str]) -> None:
        meta = pod["metadata"]
        statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
        before = {status["name"]: status["resourceClaimName"] for status in statuses if status.get("resourceClaimName")}
        entries = [{"name": key, "resourceClaimName": name} for key, name in sorted({**before, **made}.items())]
        told = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
            "status": {"resourceClaimStatuses": entries},
        }
        await self.pods.apply(told, field_manager=FIELD_MANAGER, force=True, subresource="status")

    async def _reserve(self, pod: Object) -> None:
        """For a pod that came to its node without the scheduler."""
        meta = pod["metadata"]
        for pod_claim in pod["spec"].get("resourceClaims") or ():
            try:
                name, own = devices.claim_name(pod, pod_claim)
            except devices.NotCreated as error:
                raise Retry(str(error)) from error
            if name is None:
                continue
            claim = self.known.get(meta["namespace"], name)
            if claim is None:
                return
            if own and (why := devices.not_for(pod, claim)):
                raise Retry(why)
            if _is_to_be_reserved(pod, claim):
                reserved = objects.copy(claim)
                consumer = {"resource": "pods", "name": meta["name"], "uid": meta["uid"]}
                reserved["status"]["reservedFor"] = [*devices.consumers(claim), consumer]
                await self.claims.update_status(reserved)


def _is_to_be_reserved(pod: Object, claim: Object) -> bool:
    return devices.allocation(claim) is not None and not devices.is_reserved_for(pod, claim)
