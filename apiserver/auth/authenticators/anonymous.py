"""Whoever shows nothing is system:anonymous."""

from __future__ import annotations

from apiserver.apimachinery.http import ANONYMOUS, Request, UserInfo


class AnonymousAuthenticator:
    """Answers for every request; stands last."""

    async def authenticate(self, request: Request) -> UserInfo | None:
        return ANONYMOUS
