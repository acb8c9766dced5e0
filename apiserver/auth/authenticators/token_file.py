"""--token-auth-file: a CSV file of token, user, uid and, optionally, groups (upstream authentication/token/tokenfile)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from apiserver.apimachinery.http import UserInfo

log = logging.getLogger(__name__)


def read_token_file(path: str) -> dict[str, UserInfo]:
    """token → user; raises OSError, or ValueError for a line with less than three columns."""
    import csv

    tokens: dict[str, UserInfo] = {}
    with Path(path).open(newline="", encoding="utf-8") as file:
        for number, row in enumerate((r for r in csv.reader(file) if r), start=1):
            if len(row) < 3:
                raise ValueError(
                    f"token file '{path}' must have at least 3 columns (token, user name, user uid), found {len(row)}"
                )
            if not row[0]:
                log.warning("empty token in the token file", extra={"path": path, "record": number})
                continue
            if row[0] in tokens:
                log.warning("duplicate token in the token file", extra={"path": path, "record": number})
            tokens[row[0]] = UserInfo(row[1], tuple(row[3].split(",")) if len(row) > 3 else (), row[2])
    return tokens


class StaticTokens:
    """Tokens that are good for the API server's own audiences."""

    def __init__(self, tokens: Mapping[str, UserInfo], implicit_audiences: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._implicit = implicit_audiences

    async def authenticate_token(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[UserInfo, tuple[str, ...]] | None:
        good_for = tuple(a for a in self._implicit if a in audiences)
        if self._implicit and not good_for:
            return None
        user = self._tokens.get(token)
        return None if user is None else (user, good_for)
