"""A client of the API: resources by name, objects as dicts, errors as StatusErrors, watches as async iterators.

Retries as client-go does: what the server asked to retry (429, 5xx with Retry-After), at most ten times.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import orjson

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.client.interface import Transport, TransportResponse

MAX_RETRIES = 10  # upstream client-go/rest/request.go

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

ACCEPT_JSON = "application/json"
ACCEPT_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
ACCEPT_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class WatchEvent(NamedTuple):
    """ADDED, MODIFIED, DELETED, BOOKMARK or ERROR; the object is a Status for ERROR."""

    type: str
    object: Object


def status_error(code: int, body: bytes) -> StatusError:
    """The StatusError an answer's body stands for; made up from the code where it is no Status."""
    try:
        status = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return StatusError(code, "", body.decode("utf-8", "replace").strip() or f"the server answered {code}")
    details, metadata = status.get("details"), status.get("metadata")
    return StatusError(status.get("code", code), status.get("reason", ""), status.get("message", ""), details, metadata)


class Client:
    """A server seen through a transport. `impersonate` and the user agent go along with every request."""

    def __init__(self, transport: Transport, *, user_agent: str = "pocketkube") -> None:
        self.transport = transport
        self.user_agent = user_agent

    def resource(self, gvr: GroupVersionResource) -> ResourceClient:
        return ResourceClient(self, gvr)

    async def send(
        self, method: str, target: str, *, body: bytes = b"", content_type: str = "", accept: str = ACCEPT_JSON
    ) -> TransportResponse:
        """One request, sent again while the server asks for it. Raises StatusError for every answer over 399."""
        headers = [("Accept", accept), ("User-Agent", self.user_agent)]
        if content_type:
            headers.append(("Content-Type", content_type))
        for attempt in range(MAX_RETRIES + 1):
            response = await self.transport.send(method, target, headers=headers, body=body)
            if response.status < 400:
                return response
            wait = _retry_after(response)
            error = status_error(response.status, await response.read())
            if wait is None or attempt == MAX_RETRIES:
                raise error
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def request(
        self, method: str, target: str, *, body: bytes = b"", content_type: str = "", accept: str = ACCEPT_JSON
    ) -> Any:
        """As `send`, with the whole body decoded."""
        response = await self.send(method, target, body=body, content_type=content_type, accept=accept)
        return orjson.loads(await response.read() or b"null")


def _retry_after(response: TransportResponse) -> float | None:
    if response.status != 429 and response.status < 500:
        return None
    value = response.headers.get("retry-after")
    return float(value) if value is not None and value.isdigit() else None


def _query(parameters: Mapping[str, Any]) -> str:
    given = {k: ("true" if v is True else v) for k, v in parameters.items() if v not in (None, "", False)}
    return f"?{urlencode(given)}" if given else ""


class ResourceClient:
    """The verbs over one resource. `namespace` is empty for cluster-scoped resources and for lists across namespaces."""

    def __init__(self, client: Client, gvr: GroupVersionResource) -> None:
        self.client = client
        self.gvr = gvr
        self._root = f"/apis/{gvr.group}/{gvr.version}" if gvr.group else f"/api/{gvr.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        path = f"{self._root}/namespaces/{quote(namespace)}" if namespace else self._root
        path += f"/{self.gvr.resource}"
        if name:
            path += f"/{quote(name, safe='')}"
        return f"{path}/{subresource}" if subresource else path

    async def get(self, name: str, namespace: str = "", *, subresource: str = "") -> Object:
        return await self.client.request("GET", self.path(namespace, name, subresource))  # type: ignore[no-any-return]

    async def list(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        limit: int = 0,
        continue_token: str = "",
        metadata_only: bool = False,
    ) -> Object:
        """The list object: `items` and `metadata.resourceVersion`. Items carry no kind of their own."""
        query = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "limit": limit or "",
            "continue": continue_token,
        }
        accept = ACCEPT_METADATA_LIST if metadata_only else ACCEPT_JSON
        return await self.client.request("GET", self.path(namespace) + _query(query), accept=accept)  # type: ignore[no-any-return]

    async def create(self, obj: Object, namespace: str = "", **options: Any) -> Object:
        """POST. `options`: fieldManager, dryRun, fieldValidation; `name` and `subresource` for `pods/binding` and such."""
        path = self.path(namespace, options.pop("name", ""), options.pop("subresource", ""))
        return await self._write("POST", path, obj, options)

    async def update(self, obj: Object, *, subresource: str = "", **options: Any) -> Object:
        meta = obj["metadata"]
        path = self.path(meta.get("namespace", ""), meta["name"], subresource)
        return await self._write("PUT", path, obj, options)

    async def update_status(self, obj: Object, **options: Any) -> Object:
        return await self.update(obj, subresource="status", **options)

    async def patch(
        self,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: str = MERGE_PATCH,
        subresource: str = "",
        **options: Any,
    ) -> Object:
        """PATCH with a body of the given media type. `options`: fieldManager, force, dryRun."""
        return await self._write("PATCH", self.path(namespace, name, subresource), patch, options, type)

    async def apply(
        self, obj: Object, *, field_manager: str, force: bool = False, subresource: str = "", **options: Any
    ) -> Object:
        meta = obj["metadata"]
        options |= {"fieldManager": field_manager, "force": force}
        return await self.patch(
            meta["name"], meta.get("namespace", ""), obj, type=APPLY_PATCH, subresource=subresource, **options
        )

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_period: int | None = None,
        propagation: str = "",
    ) -> Object:
        """DELETE with preconditions, grace (seconds) and propagation policy. Returns the object or a Status."""
        preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
        return await self._delete(self.path(namespace, name), preconditions, grace_period, propagation)

    async def delete_collection(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period: int | None = None,
        propagation: str = "",
    ) -> Object:
        query = _query({"labelSelector": label_selector, "fieldSelector": field_selector})
        return await self._delete(self.path(namespace) + query, {}, grace_period, propagation)

    async def _delete(self, target: str, preconditions: dict[str, str], grace: int | None, propagation: str) -> Object:
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if preconditions:
            options["preconditions"] = preconditions
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if propagation:
            options["propagationPolicy"] = propagation
        return await self._write("DELETE", target, options, {})

    async def _write(
        self, method: str, target: str, body: Any, options: Mapping[str, Any], content_type: str = "application/json"
    ) -> Object:
        data = orjson.dumps(body)
        return await self.client.request(method, target + _query(options), body=data, content_type=content_type)  # type: ignore[no-any-return]

    async def watch(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        initial_events: bool = False,
        timeout: int | None = None,
        bookmarks: bool = True,
        metadata_only: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Events until the server ends the stream. An HTTP error before it raises StatusError."""
        query = {
            "watch": True,
            "allowWatchBookmarks": bookmarks,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "resourceVersion": resource_version,
            "sendInitialEvents": initial_events,
            "resourceVersionMatch": "NotOlderThan" if initial_events else "",
            "timeoutSeconds": timeout,
        }
        accept = ACCEPT_METADATA if metadata_only else ACCEPT_JSON
        response = await self.client.send("GET", self.path(namespace) + _query(query), accept=accept)
        try:
            async for line in _lines(response.chunks()):
                event = orjson.loads(line)
                yield WatchEvent(event["type"], event["object"])
        finally:
            await response.aclose()


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """JSON lines from chunks that may end anywhere."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line
    if rest.strip():
        yield rest


def jitter(seconds: float, factor: float, rand: random.Random) -> float:
    """`seconds` lengthened by a random share of up to `factor` (upstream wait.Jitter)."""
    return seconds * (1 + rand.random() * factor)
