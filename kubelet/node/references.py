"""ConfigMaps and Secrets that pods of the node refer to, read with the node's own rights and remembered for a while.

Upstream watches each referenced object; here they are read when a pod is started, so that an idle node costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.labels import Selector
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import Client

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
SECRETS = GroupVersionResource("", "v1", "secrets")
CLAIMS = GroupVersionResource("", "v1", "persistentvolumeclaims")
TRUST_BUNDLES = GroupVersionResource("certificates.k8s.io", "v1", "clustertrustbundles")
FRESH = 10.0  # seconds; the real kubelet's watch is a moment behind, too
LIMIT = 256


class _Known(NamedTuple):
    obj: Object
    read: float


class References:
    """One node's view of the objects its pods refer to."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, str, str], _Known] = {}

    async def config_map(self, namespace: str, name: str) -> Object | None:
        """None when there is none. Raises StatusError for everything else."""
        return await self._get(CONFIG_MAPS, namespace, name)

    async def secret(self, namespace: str, name: str) -> Object | None:
        return await self._get(SECRETS, namespace, name)

    async def claim(self, namespace: str, name: str) -> Object | None:
        """Always as it is now: its phase is what is waited for."""
        try:
            return await self._client.resource(CLAIMS).get(name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    async def trust_bundle(self, name: str) -> Object | None:
        return await self._get(TRUST_BUNDLES, "", name)

    async def trust_bundles(self, signer: str, selector: Selector) -> list[Object]:
        """Those of one signer that labels select, as they are now."""
        found = await self._client.resource(TRUST_BUNDLES).list(field_selector=f"spec.signerName={signer}")
        return [bundle for bundle in found.get("items") or () if selector.matches(bundle["metadata"].get("labels"))]

    async def _get(self, gvr: GroupVersionResource, namespace: str, name: str) -> Object | None:
        key, now = (gvr.resource, namespace, name), self._clock.now()
        known = self._known.get(key)
        if known is not None and now - known.read < FRESH:
            return known.obj
        self._known.pop(key, None)
        try:
            obj = await self._client.resource(gvr).get(name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None
        if len(self._known) >= LIMIT:
            self._known.pop(next(iter(self._known)))
        self._known[key] = _Known(obj, now)
        return obj
