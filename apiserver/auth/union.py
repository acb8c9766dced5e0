"""Ordered unions of authenticators and of authorizers, with upstream's rules for errors and reasons."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.apimachinery.http import Request, UserInfo
from apiserver.auth.authenticators.groups import with_authenticated_group
from apiserver.auth.interface import (
    NO_OPINION,
    AuthenticationError,
    Authenticator,
    Authorizer,
    AuthorizerAttributes,
    Decision,
    TokenAuthenticator,
)


class UnionAuthenticator:
    """The first that knows the user wins, whatever others say; errors count only when nobody does.

    Only then, and only without errors, comes `otherwise` (anonymity): a bad credential is never anonymous.
    """

    def __init__(self, members: Sequence[Authenticator], otherwise: Authenticator | None = None) -> None:
        self._members = tuple(members)
        self._otherwise = otherwise

    async def authenticate(self, request: Request) -> UserInfo | None:
        errors: list[str] = []
        for member in self._members:
            try:
                user = await member.authenticate(request)
            except AuthenticationError as e:
                errors.extend(e.reasons)
                continue
            if user is not None:
                return with_authenticated_group(user)
        if errors:
            raise AuthenticationError(*errors)
        return None if self._otherwise is None else await self._otherwise.authenticate(request)


class UnionTokenAuthenticator:
    """The first that knows the token wins; errors count only when nobody does."""

    def __init__(self, members: Sequence[TokenAuthenticator]) -> None:
        self._members = tuple(members)

    async def authenticate_token(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[UserInfo, tuple[str, ...]] | None:
        errors: list[str] = []
        for member in self._members:
            try:
                found = await member.authenticate_token(token, audiences)
            except AuthenticationError as e:
                errors.extend(e.reasons)
                continue
            if found is not None:
                return found
        if errors:
            raise AuthenticationError(*errors)
        return None


class UnionAuthorizer:
    """Asks in order until one allows or denies; the reasons of those without an opinion are joined, each by its name."""

    def __init__(self, members: Sequence[tuple[str, Authorizer]]) -> None:
        self._members = tuple(members)

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        reasons: list[str] = []
        for name, member in self._members:
            decision = await member.authorize(attributes)
            if decision.verdict != NO_OPINION:
                return decision
            if decision.reason:
                reasons.append(f"{name}: {decision.reason}")
        return Decision(NO_OPINION, "\n".join(reasons))
