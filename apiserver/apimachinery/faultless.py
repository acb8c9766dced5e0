"""Faultless: remembers which values a check found nothing wrong with, so that equal ones pass unchecked.

Most of what is validated was validated before: a controller stamps out objects from one template, and an object is updated
dozens of times in parts that have nothing to do with its spec. Only the absence of findings is remembered, by a digest of
the value in JSON, so a memo can neither change an answer nor grow with what clients send.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

KEPT = 2048  # digests in each of two generations: 0.2 MB at most


class Faultless:
    """One per check. What the check looks at has to be in the key, all of it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def key(self, *looked_at: Any) -> bytes:
        """The key of JSON values; 1 and 1.0 and true are three different ones."""
        return blake2b(orjson.dumps(looked_at), digest_size=16).digest()

    def __contains__(self, key: bytes) -> bool:
        if key in self._young:
            return True
        if key not in self._old:
            return False
        self.add(key)
        return True

    def add(self, key: bytes) -> None:
        if len(self._young) >= self._kept:
            self._old, self._young = self._young, set()
        self._young.add(key)
