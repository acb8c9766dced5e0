"""The informers a scheduler reads. Kinds that a server does not serve count as empty, and are tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Informer, Informers
from apiserver.client.resources import Client
from controllers.framework import kinds

log = logging.getLogger(__name__)

CSI_NODES = GroupVersionResource("storage.k8s.io", "v1", "csinodes")
CSI_DRIVERS = GroupVersionResource("storage.k8s.io", "v1", "csidrivers")
CSI_STORAGE_CAPACITIES = GroupVersionResource("storage.k8s.io", "v1", "csistoragecapacities")
VOLUME_ATTACHMENTS = GroupVersionResource("storage.k8s.io", "v1", "volumeattachments")

# Beside pods and nodes; the pods' selectors need the second line (upstream plugins/helper/spread.go).
SECONDARY = (
    kinds.NAMESPACES,
    *(kinds.SERVICES, kinds.REPLICATION_CONTROLLERS, kinds.REPLICA_SETS, kinds.STATEFUL_SETS),
    kinds.POD_DISRUPTION_BUDGETS,
    *(kinds.PERSISTENT_VOLUMES, kinds.PERSISTENT_VOLUME_CLAIMS, kinds.STORAGE_CLASSES),
    *(CSI_NODES, CSI_DRIVERS, CSI_STORAGE_CAPACITIES, VOLUME_ATTACHMENTS),
)
PATIENCE = 0.05  # seconds in which an informer usually has its first state: no need to ask then
PROBE_AGAIN = 1.0  # seconds between two looks at a kind whose informer has not come up


class Listers:
    """By kind, what is known of it. Objects are shared: nobody changes them."""

    def __init__(self, informers: Informers) -> None:
        self.pods = informers.informer(kinds.PODS)
        self.nodes = informers.informer(kinds.NODES)
        self._secondary = {gvr: informers.informer(gvr) for gvr in SECONDARY}

    def informer(self, gvr: GroupVersionResource) -> Informer:
        return self._secondary[gvr]

    def get(self, gvr: GroupVersionResource, namespace: str, name: str) -> Object | None:
        return self._secondary[gvr].lister.get(namespace, name)

    def list(self, gvr: GroupVersionResource, namespace: str = "") -> Sequence[Object]:
        return self._secondary[gvr].lister.list(namespace)

    def pod(self, namespace: str, name: str) -> Object | None:
        return self.pods.lister.get(namespace, name)

    def namespace(self, name: str) -> Object | None:
        return self.get(kinds.NAMESPACES, "", name)

    def owner(self, obj: Object, kind: str, gvr: GroupVersionResource) -> Object | None:
        """The controlling owner of an object where it is of this kind."""
        reference = controller_of(obj)
        if reference is None or reference["kind"] != kind:
            return None
        return self.get(gvr, obj["metadata"].get("namespace") or "", reference["name"])

    async def wait(self, client: Client) -> None:
        """Return when all that the server serves has its first state."""
        waits = [_ready(client, gvr, informer) for gvr, informer in self._secondary.items()]
        await asyncio.gather(self.pods.wait_synced(), self.nodes.wait_synced(), *waits)


async def _ready(client: Client, gvr: GroupVersionResource, informer: Informer) -> None:
    patience = PATIENCE
    while True:
        try:
            async with asyncio.timeout(patience):
                await informer.wait_synced()
            return
        except TimeoutError:
            patience = PROBE_AGAIN
        if await _not_served(client, gvr):
            log.info("kind is not served: taken as empty for now", extra={"resource": gvr.resource})
            return


async def _not_served(client: Client, gvr: GroupVersionResource) -> bool:
    try:
        await client.resource(gvr).list(limit=1, resource_version="0")
    except StatusError as error:
        return error.code == 404
    except (ConnectionError, TimeoutError, OSError):
        return False
    return False
