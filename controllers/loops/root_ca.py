"""Every namespace has the ConfigMap `kube-root-ca.crt` (upstream pkg/controller/certificates/rootcacertpublisher)."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.errors import namespace_terminating
from controllers.framework.kinds import CONFIG_MAPS, NAMESPACES
from controllers.framework.manager import Loop

NAME = "kube-root-ca.crt"
ANNOTATION = "kubernetes.io/description"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)


class RootCertificates:
    """Requests are namespaces; what somebody changed in the ConfigMap is put back."""

    def __init__(self, context: Context) -> None:
        self.config_maps = context.resource(CONFIG_MAPS)
        self.known = context.informer(CONFIG_MAPS, field_selector=f"metadata.name={NAME}").lister
        self.namespaces = context.informer(NAMESPACES).lister
        self.data = {"ca.crt": context.options["root_ca"]}

    async def reconcile(self, request: Request) -> None:
        namespace = self.namespaces.get("", request.name)
        if namespace is None or (namespace.get("status") or {}).get("phase") == "Terminating":
            return
        current = self.known.get(request.name, NAME)
        try:
            if current is None:
                await self.config_maps.create(self._wanted(), request.name)
            elif current.get("data") != self.data or not objects.annotations_of(current).get(ANNOTATION):
                mended = objects.copy(current)
                mended["data"] = self.data
                objects.metadata(mended).setdefault("annotations", {})[ANNOTATION] = DESCRIPTION
                await self.config_maps.update(mended)
        except StatusError as error:
            if error.reason not in ("AlreadyExists", "NotFound") and not namespace_terminating(error):
                raise

    def _wanted(self) -> dict[str, Any]:
        metadata = {"name": NAME, "annotations": {ANNOTATION: DESCRIPTION}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": self.data}


def build(context: Context) -> Loop:
    controller = Controller("root-ca-certificate-publisher-controller", RootCertificates(context))
    controller.watch(context.informer(NAMESPACES))
    controller.watch(
        context.informer(CONFIG_MAPS, field_selector=f"metadata.name={NAME}"),
        lambda config_map: (Request("", config_map["metadata"]["namespace"]),),
    )
    return controller
