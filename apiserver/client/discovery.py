"""What a server serves: its resources by aggregated discovery, in the preferred version of each group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from apiserver.apimachinery.gvk import GroupVersionKind, GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import Client

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ServedResource(NamedTuple):
    """One resource as discovery tells of it."""

    gvr: GroupVersionResource
    kind: GroupVersionKind
    namespaced: bool
    verbs: tuple[str, ...]
    subresources: tuple[str, ...]


class DiscoveryIncomplete(Exception):
    """Some groups could not be read; `resources` holds the others."""

    def __init__(self, message: str, resources: list[ServedResource]) -> None:
        super().__init__(message)
        self.resources = resources


async def served_resources(client: Client, *, preferred: bool = True) -> list[ServedResource]:
    """All resources; with `preferred` each group's resource only once, in its first version that has it.

    Raises DiscoveryIncomplete where a group's document is stale (an aggregated server that does not answer).
    """
    found: list[ServedResource] = []
    stale: list[str] = []
    for path in ("/api", "/apis"):
        document = await client.request("GET", path, accept=AGGREGATED)
        for group in document.get("items") or ():
            seen: set[str] = set()
            name = group.get("metadata", {}).get("name", "")
            for version in group.get("versions") or ():
                if version.get("freshness") == "Stale":
                    stale.append(f"{name}/{version['version']}: stale GroupVersion discovery")
                    continue
                for resource in _resources(name, version):
                    if not preferred or resource.gvr.resource not in seen:
                        seen.add(resource.gvr.resource)
                        found.append(resource)
    if stale:
        message = "unable to retrieve the complete list of server APIs: " + ", ".join(stale)
        raise DiscoveryIncomplete(message, found)
    return found


def _resources(group: str, version: Object) -> Iterator[ServedResource]:
    for resource in version.get("resources") or ():
        kind = resource.get("responseKind") or {}
        # A kind without a version is one of this group and version.
        of: tuple[str, str] = (
            (kind.get("group", ""), kind["version"]) if kind.get("version") else (group, version["version"])
        )
        yield ServedResource(
            GroupVersionResource(group, version["version"], resource["resource"]),
            GroupVersionKind(*of, kind.get("kind", "")),
            resource["scope"] == "Namespaced",
            tuple(resource.get("verbs") or ()),
            tuple(sub["subresource"] for sub in resource.get("subresources") or ()),
        )
