"""Keys and sizes of data in ConfigMaps and Secrets."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid
from apiserver.apimachinery.objects import Object

MAX_DATA_SIZE = 1024 * 1024  # bytes of all values, as upstream core.MaxSecretSize


def data_key_errors(key: str, path: str) -> Iterator[FieldError]:
    for message in formats.config_map_key(key):
        yield invalid(path, key, message)


def base64_size(value: str | None) -> int:
    """How many bytes a base64 text stands for."""
    if not value:
        return 0
    length = len(value) - value.count("\n") - value.count("\r")
    return length // 4 * 3 - (len(value) - len(value.rstrip("=")))


def frozen_errors(obj: Object, old: Object, *fields: str) -> Iterator[FieldError]:
    """What an object marked immutable may not do."""
    if not old.get("immutable"):
        return
    if not obj.get("immutable"):
        yield field_forbidden("immutable", "field is immutable when `immutable` is set")
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            yield field_forbidden(field, "field is immutable when `immutable` is set")
