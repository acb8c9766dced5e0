"""Names, sets and raw parameters as resource.k8s.io has them (upstream pkg/apis/resource/validation).

What upstream declares at the type ("declared" here) is worded otherwise than what it checks by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from apiserver.api.validation.pod.names import label_errors, subdomain_errors
from apiserver.api.validation.pod.volumes import csi_driver_name_errors as driver_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, required, too_long, too_long_text, too_many

T = TypeVar("T")
Check = Callable[[T, str], Iterator[FieldError]]

MAX_REQUESTS = MAX_CONSTRAINTS = MAX_CONFIGS = MAX_SELECTORS = 32
MAX_ALTERNATIVES = 8
MAX_BINDING_CONDITIONS = 4
MAX_COUNTER_SETS, MAX_CONSUMPTIONS = 8, 2
ATTRIBUTE_KINDS = ("int", "bool", "string", "version")
MAX_POOL_NAME = formats.SUBDOMAIN_MAX
MAX_ID = 32
MAX_KEY = formats.LABEL_MAX + 1 + MAX_ID  # domain/ID
UUID_WRONG = "must be a lowercase UUID in 8-4-4-4-12 format"
NOT_QUALIFIED = "a fully qualified name must be a domain and a name separated by a slash"
_uuid = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch

__all__ = ["driver_errors", "label_errors"]


def declared_short_name_errors(name: str, path: str) -> Iterator[FieldError]:
    for message in formats.in_bytes(formats.dns1123_label(name)):
        yield invalid(path, name, message)


def declared_long_name_errors(name: str, path: str) -> Iterator[FieldError]:
    for message in formats.in_bytes(formats.dns1123_subdomain(name)):
        yield invalid(path, name, message)


def declared_driver_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    for message in formats.in_bytes(formats.dns1123_subdomain_caseless(name)):
        yield invalid(path, name, message)
    if len(name) > formats.LABEL_MAX:
        yield too_long_text(path, formats.LABEL_MAX)


def pool_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if formats.byte_length(name) > MAX_POOL_NAME:
        yield too_long(path, MAX_POOL_NAME)
    for part in name.split("/"):
        yield from subdomain_errors(part, path)


def declared_pool_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    if formats.byte_length(name) > MAX_POOL_NAME:
        yield too_long(path, MAX_POOL_NAME)
    for i, part in enumerate(name.split("/")):
        if not part:
            yield invalid(path, name, f"segment {i}: must not be empty")
            continue
        for message in formats.in_bytes(formats.dns1123_subdomain(part)):
            yield invalid(path, part, f"segment {i}: {message}")


def identifier_errors(name: str, path: str) -> Iterator[FieldError]:
    if formats.byte_length(name) > MAX_ID:
        yield too_long(path, MAX_ID)
    for message in formats.c_identifier(name):
        yield invalid(path, name, message)


def qualified_name_errors(name: str, path: str) -> Iterator[FieldError]:
    """`domain/id` or `id`; more than one slash passes, as upstream."""
    parts = name.split("/")
    if len(parts) == 1:
        yield from identifier_errors(name, path)
    elif len(parts) == 2:
        domain, rest = parts
        if not domain:
            yield invalid(path, "", "the domain must not be empty")
        else:
            yield from driver_errors(domain, path)
        if not rest:
            yield invalid(path, "", "the name must not be empty")
        else:
            yield from identifier_errors(rest, path)


def fully_qualified_errors(name: str, path: str) -> Iterator[FieldError]:
    """A declared check: `domain/id`."""
    domain, slash, rest = name.partition("/")
    if not slash:
        yield from identifier_errors(name, path)
        yield invalid(path, name, NOT_QUALIFIED)
    elif "/" not in rest:
        if not domain:
            yield invalid(path, "", "prefix must not be empty")
        else:
            if formats.byte_length(domain) > formats.LABEL_MAX:
                yield too_long(path, formats.LABEL_MAX)
            for message in formats.dns1123_subdomain(domain):
                yield invalid(path, domain, f"prefix: {message}")
        if not rest:
            yield invalid(path, "", "name must not be empty")
        else:
            yield from identifier_errors(rest, path)


def uuid_errors(text: str, path: str) -> Iterator[FieldError]:
    if not _uuid(text):
        yield invalid(path, text, UUID_WRONG)


def label_value_errors(value: str, path: str) -> Iterator[FieldError]:
    for message in formats.label_value(value):
        yield invalid(path, value, message)


def items_errors(items: Sequence[T], maximum: int, check: Check[T], path: str) -> Iterator[FieldError]:
    """Each item's; a list that is too long is not looked at: its length is judged by declaration."""
    if len(items) <= maximum:
        for i, item in enumerate(items):
            yield from check(item, f"{path}[{i}]")


def slice_errors(items: Sequence[T], maximum: int, check: Check[T], path: str) -> Iterator[FieldError]:
    """Each item's; a list that is too long is not looked at."""
    if len(items) > maximum:
        yield too_many(path, len(items), maximum)
        return
    for i, item in enumerate(items):
        yield from check(item, f"{path}[{i}]")


def set_errors(
    items: Sequence[T],
    maximum: int | None,
    check: Check[T],
    key: Callable[[T], Any],
    path: str,
    *,
    shown: Callable[[T], Any] = lambda item: item,
) -> Iterator[FieldError]:
    """Each item's, and the items that were there before; declared checks show the whole of those."""
    limit = len(items) if maximum is None else maximum
    yield from slice_errors(items, limit, check, path)
    if len(items) > limit:
        return
    seen: list[Any] = []
    for i, item in enumerate(items):
        if key(item) in seen:
            yield duplicate(f"{path}[{i}]", shown(item))
        seen.append(key(item))


def map_errors(
    items: Mapping[str, T], maximum: int | None, key_check: Check[str], check: Check[T], path: str, longest: int
) -> Iterator[FieldError]:
    """Keys and values, by key; `longest` is how much of a key a path shows."""
    if maximum is not None and len(items) > maximum:
        yield too_many(path, len(items), maximum)
        return
    for key in sorted(items):
        yield from key_check(key, path)
        yield from check(items[key], f"{path}[{_shortened(key, longest)}]")


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    left = longest - 3
    return f"{text[: (left + 1) // 2]}...{text[len(text) - left // 2 :]}"


def itself(item: str) -> str:
    return item


def no_errors(item: Any, path: str) -> Iterator[FieldError]:
    yield from ()


def raw_errors(raw: Any, path: str, longest: int, *, stored: bool = False) -> Iterator[FieldError]:
    """A JSON object of somebody else's, of at most so many bytes."""
    if raw is None:
        yield required(path)
    elif not stored and len(orjson.dumps(raw)) > longest:
        yield too_long(path, longest)
    elif not isinstance(raw, dict):
        yield invalid(path, "<value omitted>", "must be a valid JSON object")
