"""Approves the client certificates kubelets ask for, where the asker may have them.

Mirrors upstream pkg/controller/certificates/approver: two kinds of request are recognized (for the node the asker already
is, and for any node), each allowed by a SubjectAccessReview about the asker.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object
from apiserver.client.workqueue import RateLimiter
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.kinds import CERTIFICATE_SIGNING_REQUESTS, SUBJECT_ACCESS_REVIEWS
from controllers.framework.manager import Loop
from controllers.loops.certificates import requests

WORKERS = 5
BASE_DELAY = 0.2  # seconds; upstream certificate_controller.go


class Recognizer(NamedTuple):
    """A kind of request: the permission it takes, and what the approval says."""

    permission: str
    message: str


SELF = Recognizer("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
ANY = Recognizer("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


def recognized(csr: Object) -> list[Recognizer]:
    """What a request may be approved as, in the order to try. Raises BadRequest."""
    spec = csr["spec"]
    what = requests.asked(requests.parse(csr))
    if spec["signerName"] != requests.KUBELET_CLIENT or requests.refuse_kubelet_client(what, spec.get("usages") or ()):
        return []
    return [SELF, ANY] if spec.get("username") == what.common_name else [ANY]


class Approver:
    """Requests are certificate signing requests."""

    def __init__(self, context: Context) -> None:
        self.csrs = context.resource(CERTIFICATE_SIGNING_REQUESTS)
        self.reviews = context.resource(SUBJECT_ACCESS_REVIEWS)
        self.known = context.informer(CERTIFICATE_SIGNING_REQUESTS).lister

    async def reconcile(self, request: Request) -> None:
        csr = self.known.get(*request)
        if csr is None or requests.issued(csr) or requests.has(csr, "Approved") or requests.has(csr, "Denied"):
            return
        try:
            candidates = recognized(csr)
        except requests.BadRequest as error:
            raise Retry(f'unable to parse csr "{request.name}": {error}') from error
        for recognizer in candidates:
            if await self._allowed(csr, recognizer.permission):
                await self._approve(csr, recognizer.message)
                return
        if candidates:
            tried = " ".join(recognizer.permission for recognizer in candidates)
            raise Retry(f'recognized csr "{request.name}" as [{tried}] but subject access review was not approved')

    async def _allowed(self, csr: Object, permission: str) -> bool:
        spec = csr["spec"]
        asker = {
            "user": spec.get("username", ""),
            "uid": spec.get("uid", ""),
            "groups": spec.get("groups") or [],
            "extra": spec.get("extra") or {},
        }
        attributes = {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "subresource": permission,
            "verb": "create",
            "version": "*",
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {**{k: v for k, v in asker.items() if v}, "resourceAttributes": attributes},
        }
        answer = await self.reviews.create(review)
        return bool(answer["status"].get("allowed"))

    async def _approve(self, csr: Object, message: str) -> None:
        approved = objects.copy(csr)
        condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
        approved.setdefault("status", {}).setdefault("conditions", []).append(condition)
        await self.csrs.update(approved, subresource="approval")


def build(context: Context) -> Loop:
    limiter = RateLimiter[Request](base=BASE_DELAY)
    name = "certificatesigningrequest-approving-controller"
    controller = Controller(name, Approver(context), workers=WORKERS, rate_limiter=limiter)
    controller.watch(context.informer(CERTIFICATE_SIGNING_REQUESTS))
    return controller
