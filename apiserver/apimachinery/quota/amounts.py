"""Sums of resources by name, as upstream apiserver/pkg/quota/v1/resources.go makes them. Results are sorted by name."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeAlias

from apiserver.apimachinery import quantity
from apiserver.apimachinery.quantity import Quantity

Amounts: TypeAlias = Mapping[str, Quantity]

ZERO = quantity.of(0)
ONE = quantity.of(1)


def parsed(raw: Mapping[str, Any] | None) -> dict[str, Quantity]:
    return {name: quantity.parse(str(amount)) for name, amount in (raw or {}).items()}


def texts(amounts: Amounts) -> dict[str, str]:
    """As they stand in a status."""
    return {name: str(amounts[name]) for name in sorted(amounts)}


def add_to(total: dict[str, Quantity], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def raise_to(total: dict[str, Quantity], other: Amounts) -> None:
    """The larger of both, for each name."""
    for name, amount in other.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def added(left: Amounts, right: Amounts) -> dict[str, Quantity]:
    total = dict(left)
    add_to(total, right)
    return total


def increase(now: Amounts, before: Amounts) -> dict[str, Quantity]:
    """What `now` has more than `before`, never below zero (SubtractWithNonNegativeResult)."""
    grown = {}
    for name in sorted({*now, *before}):
        difference = now.get(name, ZERO) - before.get(name, ZERO)
        grown[name] = difference if difference > ZERO else ZERO
    return grown


def masked(amounts: Amounts, names: Collection[str]) -> dict[str, Quantity]:
    return {name: amount for name, amount in amounts.items() if name in names}


def without_zeros(amounts: Amounts) -> dict[str, Quantity]:
    return {name: amount for name, amount in amounts.items() if amount}


def negative(amounts: Amounts) -> list[str]:
    return sorted(name for name, amount in amounts.items() if amount < ZERO)


def exceeded(amounts: Amounts, limits: Amounts) -> list[str]:
    """The names whose amount is over its limit."""
    return sorted(name for name, limit in limits.items() if name in amounts and amounts[name] > limit)


def equal(left: Amounts, right: Amounts) -> bool:
    return left.keys() == right.keys() and all(left[name] == right[name] for name in left)


def shown(amounts: Amounts) -> str:
    """`cpu=1,pods=2`."""
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))


def names_shown(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
