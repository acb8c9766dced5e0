"""The ClusterTrustBundle of the authority that the API servers' certificates come from.

Mirrors upstream pkg/controller/certificates/clustertrustbundlepublisher: the bundle's name says its content; others of the
signer are removed.
"""

from __future__ import annotations

import hashlib

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import CLUSTER_TRUST_BUNDLES
from controllers.framework.manager import Idle, Loop

NAME = "kube-apiserver-serving-clustertrustbundle-publisher-controller"
SIGNER = "kubernetes.io/kube-apiserver-serving"


def bundle_name(signer: str, bundle: str) -> str:
    """The signer, and the beginning of a hash of what is in the bundle."""
    return f"{signer.replace('/', ':')}:{hashlib.sha256(bundle.encode()).digest()[:12].hex()}"


class TrustBundles:
    """There is one request only: all bundles of the signer."""

    def __init__(self, context: Context, bundle: str) -> None:
        self.bundles = context.resource(CLUSTER_TRUST_BUNDLES)
        self.known = context.informer(CLUSTER_TRUST_BUNDLES, field_selector=f"spec.signerName={SIGNER}").lister
        self.bundle = bundle
        self.name = bundle_name(SIGNER, bundle)

    async def reconcile(self, request: Request) -> None:
        current = self.known.get("", self.name)
        if current is None:
            spec = {"signerName": SIGNER, "trustBundle": self.bundle}
            await self.bundles.create({"metadata": {"name": self.name}, "spec": spec})
        elif current["spec"].get("trustBundle") != self.bundle:
            mended = objects.copy(current)
            mended["spec"]["trustBundle"] = self.bundle
            await self.bundles.update(mended)
        await self._remove_others()

    async def _remove_others(self) -> None:
        """All of them are tried; the last failure is raised."""
        failed: StatusError | None = None
        for other in self.known.list():
            if other["metadata"]["name"] == self.name:
                continue
            try:
                await self.bundles.delete(other["metadata"]["name"])
            except StatusError as error:
                if error.reason != "NotFound":
                    failed = error
        if failed is not None:
            raise failed


def _all(bundle: Object) -> tuple[Request, ...]:
    return (Request("", SIGNER),)


def build(context: Context) -> Loop:
    bundle = context.options.get("root_ca")
    if not bundle:
        return Idle(NAME)
    controller = Controller(NAME, TrustBundles(context, bundle))
    controller.watch(context.informer(CLUSTER_TRUST_BUNDLES, field_selector=f"spec.signerName={SIGNER}"), _all)
    controller.queue.add(Request("", SIGNER))
    return controller
