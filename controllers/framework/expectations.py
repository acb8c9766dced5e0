"""Expectations: creations and deletions a loop has asked for and not seen yet; until then it must not count again.

Mirrors upstream pkg/controller/controller_utils.go: they are fulfilled by what the informer shows, or expire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

TIMEOUT = 300.0  # seconds; upstream ExpectationsTimeout


@dataclass
class _Expected:
    set_at: float
    creations: int = 0
    deletions: dict[str, None] = field(default_factory=dict)  # uids


class Expectations(Generic[K]):
    """By owner: how many creations, and which uids' deletions, are still to be seen."""

    def __init__(self) -> None:
        self._expected: dict[K, _Expected] = {}

    def expect_creations(self, key: K, count: int) -> None:
        self._expected[key] = _Expected(asyncio.get_running_loop().time(), creations=count)

    def expect_deletions(self, key: K, uids: Iterable[str]) -> None:
        self._expected[key] = _Expected(asyncio.get_running_loop().time(), deletions=dict.fromkeys(uids))

    def expect(self, key: K, creations: int, deletions: Iterable[str]) -> None:
        """Both at once."""
        self._expected[key] = _Expected(asyncio.get_running_loop().time(), creations, dict.fromkeys(deletions))

    def creation_observed(self, key: K) -> None:
        if (expected := self._expected.get(key)) is not None and expected.creations > 0:
            expected.creations -= 1

    def deletion_observed(self, key: K, uid: str) -> None:
        if (expected := self._expected.get(key)) is not None:
            expected.deletions.pop(uid, None)

    def creations_failed(self, key: K, count: int) -> None:
        """Creations that will never be seen."""
        for _ in range(count):
            self.creation_observed(key)

    def satisfied(self, key: K) -> bool:
        """May the loop act on what its informers show?"""
        expected = self._expected.get(key)
        if expected is None or (expected.creations <= 0 and not expected.deletions):
            return True
        return asyncio.get_running_loop().time() - expected.set_at > TIMEOUT

    def forget(self, key: K) -> None:
        self._expected.pop(key, None)
