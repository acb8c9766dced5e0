"""Signs approved requests for the four signers of the cluster (upstream pkg/controller/certificates/signer).

The authority comes from options named as kube-controller-manager's flags: `cluster_signing_cert_file` and
`cluster_signing_key_file` for all four, or one pair for a signer (`cluster_signing_kubelet_serving_cert_file`, …).
Without any nothing is signed, as upstream.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.client.workqueue import RateLimiter
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry
from controllers.framework.kinds import CERTIFICATE_SIGNING_REQUESTS
from controllers.framework.manager import Loop
from controllers.loops.certificates import requests
from controllers.loops.certificates.authority import Authority, CannotSign, life

log = logging.getLogger(__name__)

WORKERS = 5
BASE_DELAY = 0.2
DURATION = 365 * 24 * 3600.0  # seconds; upstream --cluster-signing-duration


class Signer(NamedTuple):
    """What a signer refuses, and the middle of its options' names."""

    refuse: Callable[[requests.Asked, Iterable[str]], str]
    option: str


SIGNERS = {
    requests.KUBELET_SERVING: Signer(requests.refuse_kubelet_serving, "kubelet_serving"),
    requests.KUBELET_CLIENT: Signer(requests.refuse_kubelet_client, "kubelet_client"),
    requests.API_SERVER_CLIENT: Signer(requests.refuse_api_server_client, "kube_apiserver_client"),
    requests.LEGACY_UNKNOWN: Signer(requests.refuse_nothing, "legacy_unknown"),
}


def authorities(options: dict[str, Any]) -> dict[str, Authority]:
    """signer name → its authority. Raises ValueError where options contradict each other."""

    def pair(middle: str) -> tuple[str, str]:
        cert, key = (options.get(f"cluster_signing_{middle}{part}_file") or "" for part in ("cert", "key"))
        return cert, key

    general = pair("")
    own = {name: pair(f"{signer.option}_") for name, signer in SIGNERS.items()}
    if any(any(files) for files in own.values()):
        if all(general):
            raise ValueError("cannot specify default and per controller certs at the same time")
        return {name: Authority(*files) for name, files in own.items() if any(files)}
    return {name: Authority(*general) for name in SIGNERS} if all(general) else {}


class Signing:
    """Requests are certificate signing requests."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.csrs = context.resource(CERTIFICATE_SIGNING_REQUESTS)
        self.known = context.informer(CERTIFICATE_SIGNING_REQUESTS).lister
        self.authorities = authorities(context.options)
        self.longest = float(context.options.get("cluster_signing_duration") or DURATION)
        if not self.authorities:
            log.info("no certificate request will be signed: no authority is given")

    async def reconcile(self, request: Request) -> None:
        csr = self.known.get(*request)
        if csr is None or requests.issued(csr) or not self._wanted(csr):
            return
        spec = csr["spec"]
        authority = self.authorities.get(spec["signerName"])
        if authority is None:
            return
        usages = spec.get("usages") or []
        try:
            x509_request = requests.parse(csr)
            refusal = SIGNERS[spec["signerName"]].refuse(requests.asked(x509_request), usages)
            if refusal:
                await self._fail(csr, refusal)
                return
            seconds = life(spec.get("expirationSeconds"), self.longest)
            certificate = authority.sign(x509_request, usages, seconds, self.clock.now())
        except requests.BadRequest as error:
            raise Retry(f'unable to parse csr "{request.name}": {error}') from error
        except CannotSign as error:
            raise Retry(f"error auto signing csr: {error}") from error
        signed = objects.copy(csr)
        signed["status"]["certificate"] = base64.b64encode(certificate).decode()
        await self.csrs.update_status(signed)

    @staticmethod
    def _wanted(csr: Object) -> bool:
        failed = any(c["type"] == "Failed" and c.get("status", "") in ("", "True") for c in requests.conditions(csr))
        return requests.has(csr, "Approved") and not requests.has(csr, "Denied") and not failed

    async def _fail(self, csr: Object, message: str) -> None:
        failed = objects.copy(csr)
        condition = {
            "type": "Failed",
            "status": "True",
            "reason": "SignerValidationFailure",
            "message": message,
            "lastUpdateTime": rfc3339(self.clock.now()),
        }
        failed["status"]["conditions"].append(condition)
        await self.csrs.update_status(failed)


def build(context: Context) -> Loop:
    limiter = RateLimiter[Request](base=BASE_DELAY)
    name = "certificatesigningrequest-signing-controller"
    controller = Controller(name, Signing(context), workers=WORKERS, rate_limiter=limiter)
    controller.watch(context.informer(CERTIFICATE_SIGNING_REQUESTS))
    return controller
