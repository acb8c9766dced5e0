"""What a method and a path ask for: resource or not, verb, group, version, resource, subresource, namespace, name.

Mirrors upstream apiserver/pkg/endpoints/request/requestinfo.go: the deprecated `/watch/` paths, the subresources of
namespaces, and the verb of a GET without a name (list, watch, and the name a field selector gives).
"""

from __future__ import annotations

from apiserver.apimachinery import fields
from apiserver.apimachinery.http import Query, Request, RequestInfo

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SPECIAL_VERBS = ("watch", "proxy")  # as first step behind the version
_NAMESPACE_SUBRESOURCES = ("status", "finalize")

LONG_RUNNING_VERBS = ("watch", "proxy")
LONG_RUNNING_SUBRESOURCES = ("attach", "exec", "proxy", "log", "portforward")


class BadPath(ValueError):
    """The path names a special verb and nothing to apply it to: upstream answers 500 in plain text."""


def request_info(request: Request) -> RequestInfo:
    """The RequestInfo of a request; raises BadPath."""
    method, path = request.method, request.path
    parts = path.strip("/").split("/")
    prefix = parts[0]
    if len(parts) < 3 or (prefix != "api" and (prefix != "apis" or len(parts) < 4)):
        return RequestInfo(False, method.lower(), path)
    group, skip = ("", 1) if prefix == "api" else (parts[1], 2)
    version = parts[skip]
    rest = parts[skip + 1 :]
    special = rest[0] in _SPECIAL_VERBS
    if special:
        if len(rest) < 2:
            raise BadPath("unable to determine kind and namespace from url")
        verb = rest.pop(0)
    else:
        verb = _VERBS.get(method, "")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 and verb != "proxy" else ""
    if not name and verb == "get":
        verb, name = _collection_verb(request.query) if request.raw_query else ("list", "")
    if not name and verb == "delete":
        verb = "deletecollection"
    return RequestInfo(True, verb, path, prefix, group, version, rest[0], subresource, namespace, name, tuple(rest))


def is_long_running(info: RequestInfo) -> bool:
    """Requests without a deadline (upstream genericfilters.BasicLongRunningRequestCheck with kube-apiserver's sets)."""
    if not info.is_resource:
        return False
    return info.verb in LONG_RUNNING_VERBS or info.subresource in LONG_RUNNING_SUBRESOURCES


def _collection_verb(query: Query) -> tuple[str, str]:
    """`list` or `watch`, and the one name a field selector asks for."""
    watch = query.get("watch")
    verb = "watch" if watch is not None and watch.lower() not in ("false", "0") else "list"
    selector = query.get("fieldSelector", "")
    if "metadata.name" not in selector or not _decodes(query):
        return verb, ""
    return verb, _selected_name(selector)


def _decodes(query: Query) -> bool:
    """Upstream loses the field selector when any list option does not decode."""
    for key in ("limit", "timeoutSeconds"):
        value = query.get(key, "")
        if value and not value.removeprefix("-").removeprefix("+").isdigit():
            return False
    return True


def _selected_name(selector: str) -> str:
    """The name that `metadata.name=…` asks for, where it can be a path segment; one wrong term spoils the selector."""
    try:
        name = fields.parse(selector).requires_exact_match("metadata.name") or ""
    except fields.SelectorError:
        return ""
    return "" if name in (".", "..") or "/" in name or "%" in name else name
