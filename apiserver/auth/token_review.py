"""What a token says about its bearer, as TokenReview shows it (upstream pkg/registry/authentication/tokenreview)."""

from __future__ import annotations

from apiserver.apimachinery.http import ANONYMOUS, UserInfo
from apiserver.auth.authenticators.bearer import INVALID
from apiserver.auth.authenticators.groups import with_authenticated_group
from apiserver.auth.interface import AuthenticationError, TokenAuthenticator


class TokenReviewer:
    """Asks as a request with `Authorization: Bearer <token>` would: what stands behind a space is no part of the token,
    and a token that begins with one is no token at all, so that its bearer is anonymous."""

    def __init__(self, tokens: TokenAuthenticator, audiences: tuple[str, ...], *, anonymous: bool) -> None:
        self._tokens = tokens
        self._own_audiences = audiences
        self._anonymous = anonymous

    async def authenticate_token(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[UserInfo, tuple[str, ...]] | None:
        """No audiences means the API server's own. Raises AuthenticationError, with upstream's reasons."""
        asked = audiences or self._own_audiences
        bare = f" {token}".rstrip().removeprefix(" ").partition(" ")[0]
        if not bare:
            return (ANONYMOUS, asked) if self._anonymous else None
        try:
            found = await self._tokens.authenticate_token(bare, asked)
        except AuthenticationError as e:
            # The loopback client's own authenticator speaks first (upstream server/config.go).
            raise AuthenticationError(INVALID, *e.reasons) from e
        if found is None:
            raise AuthenticationError(INVALID)
        user, good_for = found
        return with_authenticated_group(user), good_for
