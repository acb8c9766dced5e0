"""Removes requests for certificates that have had their time (upstream pkg/controller/certificates/cleaner)."""

from __future__ import annotations

import base64
import logging

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.kinds import CERTIFICATE_SIGNING_REQUESTS, POD_CERTIFICATE_REQUESTS
from controllers.framework.manager import Loop
from controllers.framework.periodic import Periodic
from controllers.loops.certificates import requests

log = logging.getLogger(__name__)

EVERY = 3600.0
DECIDED = 3600.0  # seconds a signed, denied or failed request is kept
PENDING = 24 * 3600.0  # seconds one is kept that nobody decided, or approved but nobody signed
POD_EVERY, POD_REQUEST = 300.0, 900.0  # seconds between two looks, and that a pod's request is kept


def outlived(csr: Object, now: float) -> bool:
    """Has this request been of no use for long enough?"""
    issued = requests.issued(csr)
    conditions = requests.conditions(csr)
    if not conditions:
        return _older(csr["metadata"].get("creationTimestamp"), PENDING, now)
    for condition in conditions:
        since, kind = condition.get("lastUpdateTime"), condition["type"]
        if kind in ("Denied", "Failed") and _older(since, DECIDED, now):
            return True
        if kind == "Approved" and _older(since, DECIDED if issued else PENDING, now):
            return True
        if kind == "Approved" and issued and _expired(csr, now):
            return True
    return False


def _older(moment: str | None, seconds: float, now: float) -> bool:
    return bool(moment) and now - parse_rfc3339(moment or "") > seconds


def _expired(csr: Object, now: float) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(csr["status"]["certificate"]))
    except ValueError:
        return False
    return now > certificate.not_valid_after_utc.timestamp()


class Cleaner:
    """Looks at all requests once an hour."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.csrs = context.resource(CERTIFICATE_SIGNING_REQUESTS)
        self.known = context.informer(CERTIFICATE_SIGNING_REQUESTS).lister

    async def look(self) -> None:
        for csr in self.known.list():
            if outlived(csr, self.clock.now()):
                try:
                    await self.csrs.delete(csr["metadata"]["name"])
                except StatusError as error:
                    log.info("request not cleaned", extra={"csr": csr["metadata"]["name"], "error": str(error)})


def build(context: Context) -> Loop:
    informer = context.informer(CERTIFICATE_SIGNING_REQUESTS)
    return Periodic("certificatesigningrequest-cleaner-controller", Cleaner(context).look, EVERY, needs=[informer])


class PodCleaner:
    """Looks at pods' requests every five minutes: none takes as long as that, whatever becomes of it."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.requests = context.resource(POD_CERTIFICATE_REQUESTS)
        self.known = context.informer(POD_CERTIFICATE_REQUESTS).lister

    async def look(self) -> None:
        for request in self.known.list():
            meta = request["metadata"]
            if self.clock.now() < parse_rfc3339(meta["creationTimestamp"]) + POD_REQUEST:
                continue
            try:
                await self.requests.delete(meta["name"], meta["namespace"], uid=meta["uid"])
            except StatusError as error:
                if error.reason != "NotFound":
                    log.info("request not cleaned", extra={"request": meta["name"], "error": str(error)})


def build_pod_cleaner(context: Context) -> Loop:
    informer = context.informer(POD_CERTIFICATE_REQUESTS)
    return Periodic("podcertificaterequest-cleaner-controller", PodCleaner(context).look, POD_EVERY, needs=[informer])
