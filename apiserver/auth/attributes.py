"""What a request asks for, as authorizers see it (upstream endpoints/filters/authorization.go)."""

from __future__ import annotations

from apiserver.apimachinery.http import Request
from apiserver.auth.interface import AuthorizerAttributes

_SELECTING = frozenset({"list", "watch", "deletecollection"})


def attributes_of(request: Request) -> AuthorizerAttributes:
    """The attributes of a request whose `info` and `user` are known."""
    info = request.info
    if info is None:
        raise RuntimeError("the request has not been taken apart yet")
    if not info.is_resource:
        return AuthorizerAttributes(request.user, info.verb, False, info.path)
    field_selector = label_selector = ""
    if request.raw_query and info.verb in _SELECTING:
        field_selector = request.query.get("fieldSelector", "")
        label_selector = request.query.get("labelSelector", "")
    return AuthorizerAttributes(
        request.user,
        info.verb,
        True,
        info.path,
        info.group,
        info.version,
        info.resource,
        info.subresource,
        info.namespace,
        info.name,
        field_selector,
        label_selector,
    )
