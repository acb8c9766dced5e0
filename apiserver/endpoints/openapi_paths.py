"""OpenAPI over HTTP: /openapi/v2, the index /openapi/v3 and a document per group and version, made when somebody asks.

Documents under `?hash=` may be kept for ever; another hash leads on to the present one. The second
version comes as protobuf too; the third only as JSON: 406.
Mirrors upstream kube-openapi pkg/handler and pkg/handler3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import orjson

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.codec.negotiate import JSON, parse_accept
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Handler, Request, Response
from apiserver.endpoints import openapi, openapi_protobuf
from apiserver.endpoints.discovery import served
from apiserver.registry.resource import Resource

PROTOBUF_BEFORE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # what kubectl still asks for
V2, V3 = "/openapi/v2", "/openapi/v3"
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S "
_KEEP = timedelta(days=365)
_RANGES = ("Accept-Ranges", "bytes")

Make = Callable[[], Awaitable[bytes]]


class OpenAPI:
    """Serves the documents of `resources()`. `changed()` is to be called when that answers otherwise."""

    def __init__(self, resources: Callable[[], Sequence[Resource]], clock: Clock) -> None:
        self._resources = resources
        self._clock = clock
        self._bodies: dict[tuple[str, str], tuple[bytes, str]] = {}  # document and form → body, last modified
        self._tags: dict[str, str] = {}
        self._modified = ""  # the index

    def changed(self) -> None:
        self._bodies, self._tags, self._modified = {}, {}, ""

    def paths(self) -> Iterable[str]:
        yield from (V2, V3, V3 + "/")

    def find(self, request: Request) -> Handler | None:
        path = request.path
        if path == V2:
            return self._v2
        if path == V3:
            return self._index
        return self._v3 if path.startswith(V3 + "/") else None

    def _group_versions(self) -> dict[str, GroupVersion]:
        found = {openapi.document_name(gv): gv for _, gv in served(self._resources())}
        return dict(sorted(found.items()))

    def _tag(self, name: str, group_version: GroupVersion) -> str:
        tag = self._tags.get(name)
        if tag is None:
            tag = self._tags[name] = openapi.fingerprint(self._resources(), group_version)
        return tag

    async def _index(self, request: Request) -> Response:
        paths = {
            name: {"serverRelativeURL": f"{V3}/{name}?hash={self._tag(name, group_version)}"}
            for name, group_version in self._group_versions().items()
        }
        self._modified = self._modified or self._now()
        modified = ("Last-Modified", self._modified)
        if _is_known(request, "", self._modified):
            return Response(304, b"", "", [modified])
        return Response(200, orjson.dumps({"paths": paths}), "text/plain; charset=utf-8", [_RANGES, modified])

    async def _v3(self, request: Request) -> Response:
        name = request.path.removeprefix(V3 + "/")
        group_version = self._group_versions().get(name)
        if group_version is None:
            return Response(404, b"", "")
        if not _chosen(request, (JSON,)):
            return Response(406, b"", "", [("Vary", "Accept")])
        tag = self._tag(name, group_version)
        asked = request.query.get("hash", "")
        headers = [("Vary", "Accept"), ("Etag", f'"{tag}"')]
        if asked and asked != tag:
            return Response(301, b"", JSON, [*headers, ("Location", f"{V3}/{name}?hash={tag}")])
        if asked:
            expires = datetime.fromtimestamp(self._clock.now(), UTC) + _KEEP
            headers += [("Cache-Control", "public, immutable"), ("Expires", expires.strftime(_HTTP_DATE) + "UTC")]

        async def make() -> bytes:
            return orjson.dumps(await openapi.v3_document(self._resources(), group_version))

        return await self._serve(request, name, JSON, tag, headers, make)

    async def _v2(self, request: Request) -> Response:
        headers = [("Vary", "Accept-Encoding"), ("Vary", "Accept")]
        media_type = _chosen(request, (JSON, openapi_protobuf.MEDIA_TYPE, PROTOBUF_BEFORE))
        if not media_type:
            return Response(406, b"", "", headers)
        in_json = media_type == JSON

        async def make() -> bytes:
            document = await openapi.v2_document(self._resources())
            return orjson.dumps(document) if in_json else await openapi_protobuf.encode(document)

        tag = openapi.overall_fingerprint(self._tag(name, gv) for name, gv in self._group_versions().items())
        headers.append(("Etag", f'"{tag}"'))  # one for both forms, as upstream: Vary tells them apart
        return await self._serve(request, V2, JSON if in_json else openapi_protobuf.MEDIA_TYPE, tag, headers, make)

    async def _serve(
        self, request: Request, name: str, media_type: str, tag: str, headers: list[tuple[str, str]], make: Make
    ) -> Response:
        found = self._bodies.get((name, media_type))
        if _is_known(request, tag, found[1] if found is not None else ""):
            return Response(304, b"", "", headers)
        if found is None:
            body = await make()
            found = self._bodies[name, media_type] = (body, self._now())
        return Response(200, found[0], media_type, [*headers, _RANGES, ("Last-Modified", found[1])])

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime(_HTTP_DATE) + "GMT"


def _is_known(request: Request, tag: str, modified: str) -> bool:
    """Whether the client has the document already: by its tag, else by its time (Go's net/http ServeContent)."""
    if asked := request.headers.get("if-none-match", ""):
        known = [one.strip().removeprefix("W/") for one in asked.split(",")]
        return "*" in known or (tag != "" and f'"{tag}"' in known)
    since = request.headers.get("if-modified-since", "")
    if not since or not modified:
        return False
    try:
        return parsedate_to_datetime(modified) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False


def _chosen(request: Request, offered: tuple[str, ...]) -> str:
    """The first offered media type of the client's first clause that fits any; empty when none does."""
    for clause in parse_accept(request.headers.get("accept", "") or "*/*"):
        for media_type in offered:
            kind, _, form = media_type.partition("/")
            if clause.type in (kind, "*") and clause.subtype in (form, "*"):
                return media_type
    return ""
