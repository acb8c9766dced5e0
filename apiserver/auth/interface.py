"""Who are you, may you: the two Protocols and their attributes. Ordered unions of each make up a server's policy."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from apiserver.apimachinery.errors import StatusError, aggregate
from apiserver.apimachinery.http import Request, UserInfo


class AuthenticationError(StatusError):
    """Credentials that are wrong: a 401 that says no more than `Unauthorized`. `why` is for the log and for TokenReview."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(401, "Unauthorized", "Unauthorized")
        self.reasons = reasons

    @property
    def why(self) -> str:
        return aggregate(self.reasons)


class Authenticator(Protocol):
    """Finds out who asks. None: not mine, ask the next. Raises AuthenticationError for credentials that are wrong."""

    async def authenticate(self, request: Request) -> UserInfo | None: ...


class TokenAuthenticator(Protocol):
    """Checks a bearer token. Returns the user and the audiences it is good for, or None; raises AuthenticationError."""

    async def authenticate_token(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[UserInfo, tuple[str, ...]] | None: ...


class AuthorizerAttributes(NamedTuple):
    """What is asked for. Hashable: decisions are memoized."""

    user: UserInfo
    verb: str
    is_resource: bool
    path: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""


ALLOW, DENY, NO_OPINION = "allow", "deny", "no opinion"


class Decision(NamedTuple):
    verdict: str  # ALLOW, DENY, NO_OPINION
    reason: str = ""


class Authorizer(Protocol):
    """Decides, from memory; the union asks in order until one has an opinion."""

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision: ...
