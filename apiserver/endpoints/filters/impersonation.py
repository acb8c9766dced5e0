"""Acting as somebody else: asked for by Impersonate-* headers, decided by `auth.impersonation`."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import Request
from apiserver.auth.attributes import attributes_of
from apiserver.auth.impersonation import Impersonation
from apiserver.endpoints.filters.authorization import NO_SNIFF


async def impersonate(request: Request, impersonation: Impersonation) -> None:
    """Replace `request.user` where the headers ask for it; raises 400 or 403."""
    if not request.headers.any_starts_with("impersonate-"):
        return
    try:
        await impersonation.apply(request, attributes_of(request))
    except StatusError as e:
        e.headers = (NO_SNIFF,)
        raise
