"""Ranges of keys: what comes right behind every key of a prefix."""

from __future__ import annotations

_LAST = 0x10FFFF
_BEFORE_SURROGATES, _AFTER_SURROGATES = 0xD7FF, 0xE000  # surrogates are not text: UTF-8 has no bytes for them


def prefix_end(prefix: str) -> str | None:
    """The smallest text greater than every text that begins with `prefix`; None when there is none."""
    while prefix and ord(prefix[-1]) == _LAST:
        prefix = prefix[:-1]
    if not prefix:
        return None
    last = ord(prefix[-1])
    return prefix[:-1] + chr(_AFTER_SURROGATES if last == _BEFORE_SURROGATES else last + 1)
