"""Tolerations that say more than others (upstream pkg/util/tolerations)."""

from __future__ import annotations

from typing import Any

Toleration = dict[str, Any]


def merged(tolerations: list[Toleration]) -> list[Toleration]:
    """Without those that another one covers; of equal ones the first stays."""
    kept: list[Toleration] = []
    for i, one in enumerate(tolerations):
        if any(covers(other, one) for other in kept):
            continue
        if any(other != one and covers(other, one) for other in tolerations[i + 1 :]):
            continue
        kept.append(one)
    return kept


def covers(wide: Toleration, narrow: Toleration) -> bool:
    """Whether `wide` tolerates everything that `narrow` does (upstream util/tolerations isSuperset)."""
    if wide == narrow:
        return True
    operator = wide.get("operator") or "Equal"
    key, effect = wide.get("key") or "", wide.get("effect") or ""
    if (narrow.get("key") or "") != key and (key or operator != "Exists"):
        return False
    if effect and (narrow.get("effect") or "") != effect:
        return False
    if effect == "NoExecute" and not _lasts(wide, narrow):
        return False
    if operator == "Equal":
        return narrow.get("operator") == "Equal" and (narrow.get("value") or "") == (wide.get("value") or "")
    return bool(operator == "Exists")


def _lasts(wide: Toleration, narrow: Toleration) -> bool:
    bound, asked = wide.get("tolerationSeconds"), narrow.get("tolerationSeconds")
    return bound is None or (asked is not None and asked <= bound)
