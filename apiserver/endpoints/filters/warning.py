"""Warnings become headers: `299 - "text"`, each text once, cut as upstream cuts them (WithWarningRecorder)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

TOTAL_LENGTH = 4 * 1024  # characters of all texts together; beyond it each is cut to ITEM_LENGTH
ITEM_LENGTH = 256


def warning_headers(texts: Iterable[str]) -> list[tuple[str, str]]:
    unique = [text for text in dict.fromkeys(texts) if text and not _has_control(text)]
    if sum(map(len, unique)) > TOTAL_LENGTH:
        unique = _fit(text[:ITEM_LENGTH] for text in unique)
    return [("Warning", f'299 - "{_quoted(text)}"') for text in unique]


def _fit(texts: Iterable[str]) -> list[str]:
    fitting: list[str] = []
    total = 0
    for text in texts:
        if total >= TOTAL_LENGTH:
            break
        total += len(text)
        fitting.append(text)
    return fitting


def _has_control(text: str) -> bool:
    """Upstream refuses such a text as a whole; a line end would forge headers."""
    return not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in text)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
