"""ResourceClaims of pods: made from templates, reserved, and given free when their pods are over (pkg/controller/resourceclaim).

Two queues: pods that want claims, and claims that somebody may not need any more.
"""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework import devices
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, request_of
from controllers.framework.kinds import PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS
from controllers.framework.manager import Loop
from controllers.framework.together import Together
from controllers.loops.resourceclaim.claims import Claims, is_done
from controllers.loops.resourceclaim.pods import PodClaims

WORKERS = 50
BY_CLAIM, BY_TEMPLATE = "resourceclaim", "resourceclaimtemplate"  # names of the indexes below


def claim_index(pod: Object) -> Iterable[str]:
    """Claims by name; those the scheduler made for extended resources are left out, as upstream."""
    extended, namespace = devices.extended_claim(pod), pod["metadata"]["namespace"]
    names = dict.fromkeys(name for name, _ in devices.claims_of(pod) if name != extended)
    return [f"{namespace}/{name}" for name in names]


def template_index(pod: Object) -> Iterable[str]:
    claims = pod["spec"].get("resourceClaims") or ()
    names = dict.fromkeys(c["resourceClaimTemplateName"] for c in claims if c.get("resourceClaimTemplateName"))
    return [f"{pod['metadata']['namespace']}/{name}" for name in names]


class ResourceClaimLoop(Together):
    """Both queues."""

    def __init__(self, context: Context) -> None:
        informers = [context.informer(r) for r in (PODS, RESOURCE_CLAIMS, RESOURCE_CLAIM_TEMPLATES)]
        pods, claims, templates = informers
        pods.add_index(BY_CLAIM, claim_index)
        pods.add_index(BY_TEMPLATE, template_index)
        self._known = pods.lister
        self._pod_claims, self._claims = PodClaims(context), Claims(context)
        self._pods = Controller("resourceclaim-pods", self._pod_claims, workers=WORKERS)
        self._free = Controller("resourceclaim-claims", self._claims, workers=WORKERS)
        pods.add_handler(Handler(self._pod_changed, lambda _, pod: self._pod_changed(pod), self._pod_deleted))
        claims.add_handler(Handler(self._claim_changed, lambda _, claim: self._claim_changed(claim), self._wake_users))
        templates.add_handler(Handler(self._template_changed, lambda _, template: self._template_changed(template)))
        for informer in informers:
            self._pods.needs(informer)
            self._free.needs(informer)
        super().__init__("resourceclaim-controller", self._pods, self._free)

    def _pod_changed(self, pod: Object) -> None:
        if not devices.uses_claims(pod):
            return
        if is_done(pod):
            self._free_claims_of(pod)
        if self._pod_claims.has_work(pod):
            self._pods.queue.add(request_of(pod))

    def _pod_deleted(self, pod: Object) -> None:
        if devices.uses_claims(pod):
            self._claims.gone(pod)
            self._free_claims_of(pod)

    def _free_claims_of(self, pod: Object) -> None:
        for name, _ in devices.claims_of(pod):
            self._free.queue.add(Request(pod["metadata"]["namespace"], name))

    def _claim_changed(self, claim: Object) -> None:
        self._free.queue.add(request_of(claim))
        self._wake_users(claim)

    def _wake_users(self, claim: Object) -> None:
        self._pod_claims.seen(claim)
        for pod in self._known.by_index(BY_CLAIM, str(request_of(claim))):
            self._pod_changed(pod)

    def _template_changed(self, template: Object) -> None:
        for pod in self._known.by_index(BY_TEMPLATE, str(request_of(template))):
            self._pod_changed(pod)


def build(context: Context) -> Loop:
    return ResourceClaimLoop(context)
