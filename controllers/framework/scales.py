"""The scale subresource of anything that has one, found by kind through discovery (client-go's scale client and RESTMapper)."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object
from apiserver.client.discovery import DiscoveryIncomplete, ServedResource, served_resources
from apiserver.client.resources import Client

FRESH_FOR = 30.0  # seconds; a kind that is not known is asked for again after a second
MISS_FOR = 1.0


class NoMatch(LookupError):
    """No such kind is served; the message is the RESTMapper's."""


class Scales:
    """Reads and writes scales. What is served is remembered for a while."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_kind: dict[tuple[str, str, str], ServedResource] = {}  # (group, version, kind)
        self._read_at: float | None = None

    async def resource(self, api_version: str, kind: str) -> ServedResource:
        """The resource of a kind, in the version asked for or else in another of its group. Raises NoMatch."""
        wanted = GroupVersion.parse(api_version)
        await self._refresh(FRESH_FOR)
        found = self._lookup(wanted, kind)
        if found is None:
            await self._refresh(MISS_FOR)
            found = self._lookup(wanted, kind)
        if found is None:
            raise NoMatch(f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    def _lookup(self, wanted: GroupVersion, kind: str) -> ServedResource | None:
        exact = self._by_kind.get((wanted.group, wanted.version, kind))
        others = (r for (group, _, k), r in self._by_kind.items() if (group, k) == (wanted.group, kind))
        return exact or next(others, None)

    async def _refresh(self, age: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._read_at is not None and now - self._read_at < age:
            return
        try:
            served = await served_resources(self._client, preferred=False)
        except DiscoveryIncomplete as error:
            served = error.resources
        self._by_kind = {}
        for resource in served:
            self._by_kind.setdefault((resource.gvr.group, resource.gvr.version, resource.kind.kind), resource)
        self._read_at = now

    async def get(self, resource: ServedResource, name: str, namespace: str) -> Object:
        return await self._client.resource(resource.gvr).get(name, namespace, subresource="scale")

    async def update(self, resource: ServedResource, scale: Object) -> Object:
        return await self._client.resource(resource.gvr).update(scale, subresource="scale")
