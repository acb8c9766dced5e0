"""Short forms for names inside a PodSpec."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid


def label_errors(value: str, path: str) -> Iterator[FieldError]:
    for message in formats.dns1123_label(value):
        yield invalid(path, value, message)


def subdomain_errors(value: str, path: str) -> Iterator[FieldError]:
    for message in formats.dns1123_subdomain(value):
        yield invalid(path, value, message)


def qualified_errors(value: str, path: str) -> Iterator[FieldError]:
    for message in formats.qualified_name(value):
        yield invalid(path, value, message)


def user_errors(value: int | None, path: str) -> Iterator[FieldError]:
    """A user or group id."""
    if value is not None:
        for message in formats.user_or_group_id(value):
            yield invalid(path, value, message)
