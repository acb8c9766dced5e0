"""The node's heartbeat: a Lease in kube-node-lease (upstream component-helpers/apimachinery/lease)."""

from __future__ import annotations

import asyncio
import logging

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339_micro
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import jitter
from kubelet.node.context import NodeContext

log = logging.getLogger(__name__)

LEASES = GroupVersionResource("coordination.k8s.io", "v1", "leases")
NAMESPACE = "kube-node-lease"
DURATION = 40  # seconds
RENEW = DURATION * 0.25
JITTER = 0.04
TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.2, 7.0


class LeaseHeartbeat:
    """Renews the node's lease until cancelled."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._client = context.client.resource(LEASES)
        self._lease: Object | None = None

    async def run(self) -> None:
        while True:
            await self._renew()
            await asyncio.sleep(jitter(RENEW, JITTER, self._context.rand))

    async def _renew(self) -> None:
        """Update what we have; look first when that fails, and make it when it is not there."""
        wait = FIRST_WAIT
        for _ in range(TRIES):
            try:
                if self._lease is None:
                    self._lease = await self._ensure()
                else:
                    self._lease = await self._client.update(self._renewed(self._lease))
                return
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.info("lease not renewed", extra={"node": self._context.name, "error": str(error)})
                self._lease = None
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    async def _ensure(self) -> Object:
        name = self._context.name
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": DURATION},
        }
        try:
            return await self._client.create(self._renewed(lease), NAMESPACE)
        except StatusError as error:
            if error.code != 409:
                raise
        return await self._client.update(self._renewed(await self._client.get(name, NAMESPACE)))

    def _renewed(self, lease: Object) -> Object:
        """With a new time, and owned by the node as soon as that is known."""
        renewed: Object = objects.copy(lease)
        renewed["spec"]["renewTime"] = rfc3339_micro(self._context.clock.now())
        renewed["spec"]["holderIdentity"] = self._context.name
        node = self._context.node
        if node is not None and not renewed["metadata"].get("ownerReferences"):
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._context.name, "uid": node["metadata"]["uid"]}
            renewed["metadata"]["ownerReferences"] = [owner]
        return renewed
