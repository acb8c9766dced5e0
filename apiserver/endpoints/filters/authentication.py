"""Who asks: the authenticators decide; nobody known is a 401 (upstream WithAuthentication)."""

from __future__ import annotations

import logging

from apiserver.apimachinery.errors import unauthorized
from apiserver.apimachinery.http import TRUSTED_USER, Request
from apiserver.auth.interface import AuthenticationError, Authenticator

log = logging.getLogger(__name__)


async def authenticate(request: Request, authenticator: Authenticator) -> None:
    """Set `request.user`; raises the 401."""
    trusted = request.connection.get(TRUSTED_USER)
    if trusted is not None:
        request.user = trusted
        return
    try:
        user = await authenticator.authenticate(request)
    except AuthenticationError as e:
        log.info("unable to authenticate the request", extra={"why": e.why, "audit_id": request.audit_id})
        raise
    if user is None:
        raise unauthorized()
    request.user = user
