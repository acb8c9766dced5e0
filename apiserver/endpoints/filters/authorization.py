"""May they: the authorizers decide from memory; anything but an allow is a 403 (upstream WithAuthorization)."""

from __future__ import annotations

from apiserver.apimachinery.http import Request, RequestInfo
from apiserver.auth.forbidden import forbidden_error
from apiserver.auth.interface import ALLOW, Authorizer, AuthorizerAttributes

_SELECTOR_VERBS = ("list", "watch", "deletecollection")
NO_SNIFF = ("X-Content-Type-Options", "nosniff")


def attributes_of(request: Request, info: RequestInfo) -> AuthorizerAttributes:
    """What the request asks for, as authorizers see it."""
    user = request.user
    if not info.is_resource:
        return AuthorizerAttributes(user, info.verb, False, info.path)
    fields = labels = ""
    if request.raw_query and info.verb in _SELECTOR_VERBS:
        fields = request.query.get("fieldSelector", "")
        labels = request.query.get("labelSelector", "")
    return AuthorizerAttributes(
        user,
        info.verb,
        True,
        info.path,
        info.group,
        info.version,
        info.resource,
        info.subresource,
        info.namespace,
        info.name,
        fields,
        labels,
    )


async def authorize(request: Request, info: RequestInfo, authorizer: Authorizer) -> None:
    """Raises the 403."""
    attributes = attributes_of(request, info)
    decision = await authorizer.authorize(attributes)
    if decision.verdict != ALLOW:
        error = forbidden_error(attributes, decision.reason)
        error.headers = (NO_SNIFF,)
        raise error
