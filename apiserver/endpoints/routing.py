"""From a RequestInfo to the handler of its verb: which paths exist, and what go-restful's router refuses before them.

Upstream registers one route per path shape and method (apiserver/pkg/endpoints/installer.go); the answers here are the
same without the table: 404 for a shape that no verb of the resource has, 405 for a method, 415 and 406 as go-restful.
"""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import Handler, Request, RequestInfo
from apiserver.endpoints.installer import Installer, Route
from apiserver.endpoints.responses import method_not_allowed, resource_not_found

_ITEM = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_SUBRESOURCE = {**_ITEM, "POST": "create"}
_CONNECT = ("GET", "POST")
_CONNECT_PROXY = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

_PRODUCED = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_STREAMED = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
_DOCUMENTS = ("/version/", "/openid/v1/jwks/", "/.well-known/openid-configuration/")  # services of one path each
ACCEPT_MEMO = 512  # distinct Accept headers remembered


class Router:
    """Finds the handler of a resource request; raises the StatusError that go-restful would answer with."""

    def __init__(self, installer: Installer) -> None:
        self._installer = installer
        self._acceptable: dict[str, bool] = {}

    def find(self, request: Request, info: RequestInfo) -> Handler | None:
        """The handler, or None for a group nobody serves (plain text 404)."""
        route = self._installer.routes.get((info.group, info.version, info.resource, info.subresource))
        if route is None or request.path.startswith("//") or (info.api_prefix == "api") != (not info.group):
            if self.knows(request.path):
                raise resource_not_found()
            return None
        verb = _verb(request.method, info, route)
        handler = route.verbs.get(verb)
        if handler is None:
            raise method_not_allowed()
        if verb != "connect":
            self._check_media_types(request, verb, route)
        if route.deprecation:
            request.warnings.append(route.deprecation)
        return handler

    def serves(self, info: RequestInfo) -> bool:
        """Whether the resource (and subresource) exists."""
        return (info.group, info.version, info.resource, info.subresource) in self._installer.routes

    def knows(self, path: str) -> bool:
        """Whether a path belongs to a service that answers with a Status: /api, or a group that is served."""
        if path == "/api" or path.startswith(("/api/", *_DOCUMENTS)):
            return True
        if not path.startswith("/apis/"):
            return False
        group = path[6:].partition("/")[0]
        return bool(group) and self._installer.serves_group(group)

    def _check_media_types(self, request: Request, verb: str, route: Route) -> None:
        if verb == "patch" and not _is_one_of(request.headers.get("content-type", ""), _PATCHES):
            raise StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        accept = request.headers.get("accept", "")
        if not accept:
            return
        known = self._acceptable.get(accept)
        if known is None:
            if len(self._acceptable) >= ACCEPT_MEMO:
                self._acceptable.clear()
            known = self._acceptable[accept] = accepts(accept, _PRODUCED)
        if not known and not (route.subresource is not None and route.subresource.name == "log"):
            collection = verb in ("list", "watch")
            raise not_acceptable((*_PRODUCED, *_STREAMED) if collection else _PRODUCED)


def not_acceptable(produced: tuple[str, ...]) -> StatusError:
    """go-restful's 406."""
    listed = ", ".join(produced)
    return StatusError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {listed}", {})


def _verb(method: str, info: RequestInfo, route: Route) -> str:
    """The verb that method and path shape ask for; raises 404 for a shape without verbs, 405 for a method."""
    steps = len(info.parts)
    namespaced = route.resource.namespaced
    if info.namespace and not namespaced and (info.resource != "namespaces" or info.namespace != info.name):
        raise resource_not_found()
    if info.verb == "proxy":
        raise resource_not_found()
    if _is_watch_path(info):
        return _watch_verb(method, info, route)
    if route.subresource is not None:
        return _subresource_verb(method, info, route)
    if steps == 1:
        return _collection_verb(method, info, route, everywhere=namespaced and not info.namespace)
    if steps > 2 or (namespaced and not info.namespace) or not route.has_items:
        raise resource_not_found()
    return _ITEM.get(method, "")


def _is_watch_path(info: RequestInfo) -> bool:
    """The deprecated /watch/ in front of the resource."""
    if info.verb != "watch":
        return False
    step = 3 if info.api_prefix == "api" else 4
    return info.path.split("/")[step : step + 1] == ["watch"]


def _watch_verb(method: str, info: RequestInfo, route: Route) -> str:
    if "watch" not in route.verbs or len(info.parts) > 2:
        raise resource_not_found()
    if route.resource.namespaced and not info.namespace and len(info.parts) > 1:
        raise resource_not_found()
    return "watch" if method == "GET" else ""


def _collection_verb(method: str, info: RequestInfo, route: Route, everywhere: bool) -> str:
    if everywhere:
        if "list" not in route.verbs:
            raise resource_not_found()
        return (info.verb if info.verb == "watch" else "list") if method == "GET" else ""
    if not route.has_collection:
        raise resource_not_found()
    if method == "GET" and info.verb == "watch":
        return "watch"
    return _COLLECTION.get(method, "")


def _subresource_verb(method: str, info: RequestInfo, route: Route) -> str:
    if route.resource.namespaced and not info.namespace:
        raise resource_not_found()
    if "connect" not in route.verbs:
        if len(info.parts) > 3:
            raise resource_not_found()
        return _SUBRESOURCE.get(method, "")
    proxy = info.subresource == "proxy"
    if len(info.parts) > 3 and not proxy:
        raise resource_not_found()
    return "connect" if method in (_CONNECT_PROXY if proxy else _CONNECT) else ""


def accepts(header: str, produced: tuple[str, ...]) -> bool:
    """go-restful's match of an Accept header: exact media types, `*/*`, no other wildcard, no qualities."""
    return not header or _is_one_of(header, ("*/*", *produced))


def _is_one_of(header: str, types: tuple[str, ...]) -> bool:
    return any(clause.partition(";")[0].strip() in types for clause in header.split(","))
