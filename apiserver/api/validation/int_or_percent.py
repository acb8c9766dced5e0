"""Numbers of pods that are a count or a share (upstream pkg/apis/apps/validation)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.object_meta import non_negative


def int_or_percent_errors(value: int | str, path: str) -> Iterator[FieldError]:
    """A count that is not negative, or a percentage (upstream ValidatePositiveIntOrPercent)."""
    if isinstance(value, str):
        for message in formats.percent(value):
            yield invalid(path, value, message)
    else:
        yield from non_negative(value, path)


def over_100_percent_errors(value: int | str, path: str) -> Iterator[FieldError]:
    """Upstream IsNotMoreThan100Percent."""
    if isinstance(value, str) and not formats.percent(value) and int(value[:-1]) > 100:
        yield invalid(path, value, "must not be greater than 100%")
