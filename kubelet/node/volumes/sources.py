"""What a pod's volumes need before its containers may start: each kind of source in one small function.

Simulated containers read nothing, so nothing is written to disk; that what is referred to exists is checked as upstream does,
with its words. Kinds that are not in the table need nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object


class NotReady(Exception):
    """A volume cannot be set up (yet); the text is upstream's."""


class Sources(Protocol):
    """Objects by name; None for one that is not there."""

    async def config_map(self, namespace: str, name: str) -> Object | None: ...

    async def secret(self, namespace: str, name: str) -> Object | None: ...

    async def claim(self, namespace: str, name: str) -> Object | None: ...

    async def trust_bundle(self, name: str) -> Object | None: ...

    async def trust_bundles(self, signer: str, selector: labels.Selector) -> list[Object]: ...


Check = Callable[[dict[str, Any], str, Sources], Awaitable[None]]


def _keys(obj: Object, source: dict[str, Any], word: str) -> None:
    present = {**(obj.get("data") or {}), **(obj.get("binaryData") or {})}
    for item in source.get("items") or ():
        if item["key"] not in present and not source.get("optional"):
            raise NotReady(f"{word}: {item['key']}")


async def _config_map(source: dict[str, Any], namespace: str, sources: Sources) -> None:
    name = source.get("name") or ""
    obj = await sources.config_map(namespace, name)
    if obj is not None:
        _keys(obj, source, "configmap references non-existent config key")
    elif not source.get("optional"):
        raise NotReady(f'configmap "{name}" not found')


async def _secret(source: dict[str, Any], namespace: str, sources: Sources) -> None:
    name = source.get("secretName") or source.get("name") or ""
    obj = await sources.secret(namespace, name)
    if obj is not None:
        _keys(obj, source, "references non-existent secret key")
    elif not source.get("optional"):
        raise NotReady(f'secret "{name}" not found')


async def _trust_bundle(source: dict[str, Any], namespace: str, sources: Sources) -> None:
    """One bundle by name, or all of a signer that labels select (upstream clustertrustbundle_manager.go)."""
    if source.get("optional"):
        return
    if name := source.get("name"):
        if await sources.trust_bundle(name) is None:
            why = f'clustertrustbundle.certificates.k8s.io "{name}" not found'
            raise NotReady(f"while getting ClusterTrustBundle: {why}")
        return
    selector = labels.from_label_selector(source.get("labelSelector"))
    if not await sources.trust_bundles(source.get("signerName") or "", selector):
        raise NotReady("combination of signerName and labelSelector matched zero ClusterTrustBundles")


async def _projected(source: dict[str, Any], namespace: str, sources: Sources) -> None:
    for each in source.get("sources") or ():
        if "configMap" in each:
            await _config_map(each["configMap"], namespace, sources)
        elif "secret" in each:
            await _secret(each["secret"], namespace, sources)
        elif "clusterTrustBundle" in each:
            await _trust_bundle(each["clusterTrustBundle"], namespace, sources)


async def _claim(source: dict[str, Any], namespace: str, sources: Sources) -> None:
    name = source.get("claimName") or ""
    claim = await sources.claim(namespace, name)
    if claim is None:
        raise NotReady(f'error processing PVC {namespace}/{name}: persistentvolumeclaims "{name}" not found')
    if (claim.get("status") or {}).get("phase") != "Bound" or not (claim.get("spec") or {}).get("volumeName"):
        raise NotReady(f"error processing PVC {namespace}/{name}: PVC is not bound")


PLUGINS: dict[str, Check] = {
    "configMap": _config_map,
    "secret": _secret,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
}


async def check(volume: dict[str, Any], namespace: str, sources: Sources) -> None:
    """Raises NotReady, or StatusError when the API refuses."""
    for kind, plugin in PLUGINS.items():
        if kind in volume:
            await plugin(volume[kind], namespace, sources)
            return


def is_quiet(volume: dict[str, Any]) -> bool:
    """Whether upstream waits for it without an event for each try."""
    return "persistentVolumeClaim" in volume
