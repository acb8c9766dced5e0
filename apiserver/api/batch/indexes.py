"""Indexes of an Indexed Job as text: `1,3-5,7` (upstream pkg/apis/batch/validation, validateIndexesFormat)."""

from __future__ import annotations

import re

from apiserver.apimachinery.errors import go_quote

_ATOI = re.compile(r"[+-]?[0-9]+")


class IndexesError(ValueError):
    """A text that does not name indexes, with upstream's words."""


def count_indexes(text: str, completions: int) -> int:
    """How many indexes the text names; all of them below `completions`, in increasing order."""
    total, last = 0, None
    for interval in text.split(",") if text else ():
        low, high = _interval(interval, completions)
        if last is not None and last >= low:
            raise IndexesError(f"non-increasing order, previous: {last}, current: {low}")
        total += high - low + 1
        last = high
    return total


def overlap(completed: str, failed: str, completions: int) -> int | None:
    """The first index that both texts name; intervals that cannot be read are passed over."""
    left, right = _readable(completed, completions), _readable(failed, completions)
    while left and right:
        (low, high), (other_low, other_high) = left[0], right[0]
        if low <= other_high and other_low <= high:
            return max(low, other_low)
        del (left if low <= other_low else right)[0]
    return None


def _readable(text: str, completions: int) -> list[tuple[int, int]]:
    found = []
    for interval in text.split(",") if text else ():
        try:
            found.append(_interval(interval, completions))
        except IndexesError:
            continue
    return found


def _interval(text: str, completions: int) -> tuple[int, int]:
    limits = text.split("-")
    if len(limits) > 2:
        why = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise IndexesError(f"the fragment {go_quote(text)} {why}")
    low = _index(limits[0], completions)
    if len(limits) == 1:
        return low, low
    high = _index(limits[1], completions)
    if low >= high:
        raise IndexesError(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def _index(text: str, completions: int) -> int:
    if not _ATOI.fullmatch(text) or abs(int(text)) >= 2**63:
        raise IndexesError(f"cannot convert string to integer for index: {go_quote(text)}")
    if int(text) >= completions:
        raise IndexesError(f"too large index: {go_quote(text)}")
    return int(text)
