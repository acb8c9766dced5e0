"""OpenAPI over HTTP: /openapi/v2, the index /openapi/v3 and a document per group and version, made when somebody asks.

Documents under `?hash=` may be kept for ever; another hash leads on to the present one. Protobuf forms are not offered: 406.
Mirrors upstream kube-openapi pkg/handler and pkg/handler3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.codec.negotiate import JSON, parse_accept
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Handler, Request, Response
from apiserver.endpoints import openapi
from apiserver.endpoints.discovery import served
from apiserver.registry.resource import Resource

V2, V3 = "/openapi/v2", "/openapi/v3"
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S "
_KEEP = timedelta(days=365)

Make = Callable[[], Awaitable[dict[str, Any]]]


class OpenAPI:
    """Serves the documents of `resources()`. `changed()` is to be called when that answers otherwise."""

    def __init__(self, resources: Callable[[], Sequence[Resource]], clock: Clock) -> None:
        self._resources = resources
        self._clock = clock
        self._bodies: dict[str, tuple[bytes, str]] = {}  # document → body, last modified
        self._tags: dict[str, str] = {}

    def changed(self) -> None:
        self._bodies, self._tags = {}, {}

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
        return Response(200, orjson.dumps({"paths": paths}), "text/plain; charset=utf-8")

    async def _v3(self, request: Request) -> Response:
        name = request.path.removeprefix(V3 + "/")
        group_version = self._group_versions().get(name)
        if group_version is None:
            return Response(404, b"", "")
        if not _takes_json(request):
            return Response(406, b"", "", [("Vary", "Accept")])
        tag = self._tag(name, group_version)
        asked = request.query.get("hash", "")
        headers = [("Vary", "Accept"), ("Etag", f'"{tag}"')]
        if asked and asked != tag:
            return Response(301, b"", JSON, [*headers, ("Location", f"{V3}/{name}?hash={tag}")])
        if asked:
            expires = datetime.fromtimestamp(self._clock.now(), UTC) + _KEEP
            headers += [("Cache-Control", "public, immutable"), ("Expires", expires.strftime(_HTTP_DATE) + "UTC")]
        return await self._serve(
            request, name, tag, headers, lambda: openapi.v3_document(self._resources(), group_version)
        )

    async def _v2(self, request: Request) -> Response:
        headers = [("Vary", "Accept-Encoding"), ("Vary", "Accept")]
        if not _takes_json(request):
            return Response(406, b"", "", headers)
        tag = openapi.overall_fingerprint(self._tag(name, gv) for name, gv in self._group_versions().items())
        headers.append(("Etag", f'"{tag}"'))
        return await self._serve(request, V2, tag, headers, lambda: openapi.v2_document(self._resources()))

    async def _serve(
        self, request: Request, name: str, tag: str, headers: list[tuple[str, str]], make: Make
    ) -> Response:
        if request.headers.get("if-none-match") == f'"{tag}"':
            return Response(304, b"", "", headers)
        found = self._bodies.get(name)
        if found is None:
            body = orjson.dumps(await make())
            modified = datetime.fromtimestamp(self._clock.now(), UTC).strftime(_HTTP_DATE) + "GMT"
            found = self._bodies[name] = (body, modified)
        return Response(200, found[0], JSON, [*headers, ("Accept-Ranges", "bytes"), ("Last-Modified", found[1])])


def _takes_json(request: Request) -> bool:
    accept = request.headers.get("accept", "") or "*/*"
    wanted = (("application", "json"), ("application", "*"), ("*", "*"))
    return any((clause.type, clause.subtype) in wanted for clause in parse_accept(accept))
