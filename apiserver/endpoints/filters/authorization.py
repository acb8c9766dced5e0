"""May they: the authorizers decide from memory; anything but an allow is a 403 (upstream WithAuthorization)."""

from __future__ import annotations

from apiserver.apimachinery.http import Request
from apiserver.auth.attributes import attributes_of
from apiserver.auth.forbidden import forbidden_error
from apiserver.auth.interface import ALLOW, Authorizer

NO_SNIFF = ("X-Content-Type-Options", "nosniff")


async def authorize(request: Request, authorizer: Authorizer) -> None:
    """Raises the 403."""
    attributes = attributes_of(request)
    decision = await authorizer.authorize(attributes)
    if decision.verdict != ALLOW:
        error = forbidden_error(attributes, decision.reason)
        error.headers = (NO_SNIFF,)
        raise error
