"""The answer to what is not allowed, in upstream's words (apiserver/pkg/endpoints/handlers/responsewriters/errors.go)."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError, forbidden
from apiserver.apimachinery.gvk import GroupResource
from apiserver.auth.interface import AuthorizerAttributes
from apiserver.auth.text import go_quote

# Messages must not look like HTML: a browser may be shown one.
_SANITIZE = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def forbidden_message(attributes: AuthorizerAttributes) -> str:
    """`User "x" cannot list resource "pods" in API group "" in the namespace "default"`."""
    user = go_quote(attributes.user.name)
    if not attributes.is_resource:
        return f"User {user} cannot {attributes.verb} path {go_quote(attributes.path)}"
    resource = attributes.resource
    if attributes.subresource:
        resource = f"{resource}/{attributes.subresource}"
    where = f"in the namespace {go_quote(attributes.namespace)}" if attributes.namespace else "at the cluster scope"
    what = f"resource {go_quote(resource)} in API group {go_quote(attributes.group)}"
    return f"User {user} cannot {attributes.verb} {what} {where}"


def forbidden_error(attributes: AuthorizerAttributes, reason: str) -> StatusError:
    """The 403 for a refused request."""
    message = forbidden_message(attributes).translate(_SANITIZE)
    text = f"{message}: {reason}" if reason else message
    return forbidden(GroupResource(attributes.group, attributes.resource), attributes.name, text)
