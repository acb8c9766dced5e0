"""Authorizers without a memory: everyone, no one, the superusers, some paths."""

from __future__ import annotations

from apiserver.apimachinery.http import UserInfo
from apiserver.auth.authorizers.resolver import Rules
from apiserver.auth.authorizers.rules import ALL, Rule
from apiserver.auth.interface import ALLOW, NO_OPINION, AuthorizerAttributes, Decision

MASTERS = "system:masters"
EVERYTHING = (Rule((ALL,), groups=(ALL,), resources=(ALL,)), Rule((ALL,), urls=(ALL,)))
_YES = Decision(ALLOW)
_NONE = Decision(NO_OPINION)
_NOTHING = Decision(NO_OPINION, "Everything is forbidden.")


class AlwaysAllow:
    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        return _YES

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        return Rules(list(EVERYTHING), False, [])


class AlwaysDeny:
    """Says no by having no opinion, so that another mode may still allow."""

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        return _NOTHING


class Superusers:
    """Members of system:masters may do everything: no bad policy can lock them out."""

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        return _YES if MASTERS in attributes.user.groups else _NONE


class PathAuthorizer:
    """Allows everyone some non-resource paths; one that ends in `*` stands for all that begin like it."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._exact = frozenset(p.removeprefix("/") for p in paths if not p.endswith("*"))
        self._prefixes = tuple(p[:-1].removeprefix("/") for p in paths if p.endswith("*"))

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        if attributes.is_resource:
            return _NONE
        path = attributes.path.removeprefix("/")
        return _YES if path in self._exact or path.startswith(self._prefixes) else _NONE
