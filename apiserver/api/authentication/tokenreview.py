"""TokenReview: whose token this is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apiserver.api.authentication.users import user_object
from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.objects import Object, copy
from apiserver.auth.interface import AuthenticationError, TokenAuthenticator
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store


@dataclass(frozen=True)
class TokenReviewREST:
    """Asks the server's own token authenticators (upstream pkg/registry/authentication/tokenreview)."""

    tokens: TokenAuthenticator

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        spec = obj.get("spec") or {}
        token = spec.get("token")
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        await admit(copy(obj))
        obj["status"] = await self._status(token, tuple(spec.get("audiences") or ()))
        return obj

    async def _status(self, token: str, audiences: tuple[str, ...]) -> Object:
        try:
            found = await self.tokens.authenticate_token(token, audiences)
        except AuthenticationError as e:
            return {"user": {}, "error": e.why}
        if found is None:
            return {"user": {}}
        user, good_for = found
        status: Object = {"authenticated": True, "user": user_object(user)}
        if good_for:
            status["audiences"] = list(good_for)
        return status


def _rest(dependencies: Dependencies, store: Store | None) -> TokenReviewREST:
    return TokenReviewREST(dependencies.authenticator)


RESOURCE = Resource(
    group="authentication.k8s.io",
    plural="tokenreviews",
    kind="TokenReview",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    namespaced=False,
    verbs=("create",),
    rest=_rest,
)
