"""Discovery over HTTP: /api, /apis and what is one or two steps below, as they are now; made anew when the Resources change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from apiserver.apimachinery.codec.negotiate import BUILT_IN, JSON, YAML, negotiate, parse_accept
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Handler, Request, Response
from apiserver.endpoints import discovery
from apiserver.endpoints.discovery import DISCOVERY_GROUP, DISCOVERY_KIND, DISCOVERY_VERSION, Document
from apiserver.endpoints.responses import encode_json, method_not_allowed, wants_pretty
from apiserver.endpoints.routing import not_acceptable
from apiserver.registry.resource import Resource

Made = tuple[Document, dict[tuple[str, bool], bytes], str]  # the document, its encodings, its ETag

_PRODUCED = (*BUILT_IN, "*/*")


class Discovery:
    """Serves the documents of `resources()`. `changed()` is to be called when that answers otherwise."""

    def __init__(self, resources: Callable[[], Sequence[Resource]], server_address: Callable[[], str]) -> None:
        self._resources = resources
        self._server_address = server_address
        self._made: dict[tuple[str, ...], Made] = {}

    def changed(self) -> None:
        self._made = {}

    def paths(self) -> Iterable[str]:
        """Every document's path, for the index at `/`."""
        yield from ("/api", "/apis", "/apis/")
        for group, versions in discovery.ordered_groups(self._resources()).items():
            if group:
                yield f"/apis/{group}"
            for version in versions:
                yield f"/apis/{group}/{version}" if group else f"/api/{version}"

    def find(self, request: Request) -> Handler | None:
        """The handler of a discovery path, None for any other; raises 405 and 406 as upstream's two kinds of services do."""
        steps = request.path.split("/")
        if steps[0] or len(steps) < 2 or steps[1] not in ("api", "apis"):
            return None
        trimmed = [step for step in steps[2:] if step]
        if len(trimmed) > 2 or (steps[2:] and not trimmed and len(steps) > 3):
            return None
        if steps[1] == "api":
            return self._core(request, trimmed)
        if len(trimmed) == 2:
            return self._resource_list(request, GroupVersion(*trimmed))
        if not trimmed:
            return self._handler(("apis",), lambda: discovery.api_group_list(self._resources()), aggregate=True)
        group = trimmed[0]
        if discovery.api_group(self._resources(), group) is None:
            return None
        return self._handler(("apis", group), lambda: discovery.api_group(self._resources(), group) or {})

    def _core(self, request: Request, steps: list[str]) -> Handler | None:
        if len(steps) == 2:
            return None
        if steps:
            return self._resource_list(request, GroupVersion("", steps[0]))
        _check_service(request)
        return self._handler(("api",), lambda: discovery.api_versions(self._server_address()), aggregate=True)

    def _resource_list(self, request: Request, group_version: GroupVersion) -> Handler | None:
        if not any(gv == group_version for _, gv in discovery.served(self._resources())):
            return None
        _check_service(request)
        key = ("list", *group_version)
        return self._handler(key, lambda: discovery.api_resource_list(self._resources(), group_version) or {})

    def _handler(self, key: tuple[str, ...], make: Callable[[], Document], *, aggregate: bool = False) -> Handler:
        async def serve(request: Request) -> Response:
            if aggregate and (media_type := _asks_for_aggregated(request.headers.get("accept", ""))):
                return self._aggregated(request, key == ("api",), media_type)
            form = negotiate(request.headers.get("accept", ""), BUILT_IN, transforms=False)
            made = self._document(key, make)
            pretty = form.pretty or wants_pretty(request)
            return Response(200, _encoded(made, form.media_type, pretty), form.media_type)

        return serve

    def _document(self, key: tuple[str, ...], make: Callable[[], Document]) -> Made:
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = (make(), {}, "")
        return found

    def _aggregated(self, request: Request, core: bool, media_type: str) -> Response:
        key = ("aggregated", "api" if core else "apis")
        made = self._made.get(key)
        if made is None:
            document = discovery.aggregated(self._resources(), core=core)
            made = self._made[key] = (document, {}, f'"{discovery.etag(document)}"')
        headers = [("Etag", made[2]), ("Vary", "Accept"), ("Cache-Control", "public")]
        if request.headers.get("if-none-match") == made[2]:
            return Response(304, b"", "", headers)
        content_type = f"{media_type};g={DISCOVERY_GROUP};v={DISCOVERY_VERSION};as={DISCOVERY_KIND}"
        return Response(200, _encoded(made, media_type, wants_pretty(request)), content_type, headers)


def _asks_for_aggregated(accept: str) -> str:
    """The media type of the first clause that wants, and can have, the aggregated document; "" when there is none."""
    if DISCOVERY_KIND not in accept:
        return ""
    for clause in parse_accept(accept):
        for media_type in (JSON, YAML):
            type_, _, subtype = media_type.partition("/")
            matches = (
                clause.type == type_ and clause.subtype in (subtype, "*")
            ) or clause.type == clause.subtype == "*"
            wishes = dict(clause.parameters)
            wanted = (wishes.get("g"), wishes.get("v"), wishes.get("as"))
            if matches and wanted == (DISCOVERY_GROUP, DISCOVERY_VERSION, DISCOVERY_KIND):
                return media_type
    return ""


def _encoded(made: Made, media_type: str, pretty: bool) -> bytes:
    document, encodings, _ = made
    body = encodings.get((media_type, pretty))
    if body is None:
        body = encodings[media_type, pretty] = _encode(document, media_type, pretty)
    return body


def _encode(document: Document, media_type: str, pretty: bool) -> bytes:
    if media_type == YAML:
        from apiserver.apimachinery.codec.yaml import dump  # yaml is 15 ms of import: on first use

        return dump(document)
    return encode_json(document, pretty)


def _check_service(request: Request) -> None:
    """What go-restful refuses before its handler: other methods, and media types it does not produce."""
    if request.method != "GET":
        raise method_not_allowed()
    accept = request.headers.get("accept", "")
    offered = [part.partition(";")[0].strip(" ") for part in accept.split(",")]
    if accept and not any(media_type in _PRODUCED for media_type in offered):
        raise not_acceptable(BUILT_IN)
