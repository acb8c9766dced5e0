"""Continue tokens of paged lists, in upstream's form (k8s.io/apiserver/pkg/storage/continue.go)."""

from __future__ import annotations

import json
import posixpath
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple

from apiserver.apimachinery.codec.json import SyntaxFault, loads
from apiserver.apimachinery.errors import StatusError, bad_request, expired

_VERSION = "meta.k8s.io/v1"
_INVALID = "continue key is not valid"
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list."
)


class Continue(NamedTuple):
    """Where to go on: at which key, in which revision (-1: the newest, for lists that may be inconsistent)."""

    start: str
    revision: int


def encode(key: str, prefix: str, revision: int) -> str:
    """The token for going on at `key`, which begins with the list's `prefix`."""
    text = json.dumps({"v": _VERSION, "rv": revision, "start": key.removeprefix(prefix)}, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(token: str, prefix: str) -> Continue:
    """Read a client's token; raises a 400 for one that this server did not write."""
    value = _json(token)
    version, revision, start = value.get("v") or "", value.get("rv") or 0, value.get("start") or ""
    if version != _VERSION:
        raise _invalid(f"{_INVALID}: server does not recognize this encoded version {version}")
    if revision == 0:
        raise _invalid(f"{_INVALID}: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not start:
        raise _invalid(f"{_INVALID}: encoded start key empty (version meta.k8s.io/v1)")
    absolute = start if start.startswith("/") else "/" + start
    if _clean(absolute) != absolute:
        raise _invalid(f"{_INVALID}: {start}")
    return Continue(prefix.rstrip("/") + absolute, revision)


def too_old(token: Continue, prefix: str) -> StatusError:
    """410 with a token that goes on from the same key in the newest state."""
    return expired(EXPIRED, encode(token.start, prefix.rstrip("/"), -1))


def _clean(path: str) -> str:
    """Go's path.Clean of an absolute path."""
    return posixpath.normpath(path).replace("//", "/", 1)


def _json(token: str) -> dict[str, Any]:
    for position, char in enumerate(token):
        if char not in _ALPHABET:
            raise _invalid(f"{_INVALID}: illegal base64 data at input byte {position}")
    if len(token) % 4 == 1:
        raise _invalid(f"{_INVALID}: illegal base64 data at input byte {len(token) - 1}")
    data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    try:
        value = loads(data)
    except SyntaxFault as e:
        raise _invalid(f"{_INVALID}: {e}") from e
    if isinstance(value, dict):
        value = {key.lower(): found for key, found in value.items()}  # Go matches names whatever their case
    if (wrong := _go_type_error(value)) is not None:
        raise _invalid(f"{_INVALID}: {wrong}")
    return value or {}


def _go_type_error(value: Any) -> str | None:
    """What encoding/json says when a value does not fit the token's struct."""
    if value is None:
        return None
    if not isinstance(value, dict):
        return f"json: cannot unmarshal {_kind(value)} into Go value of type storage.continueToken"
    for field, wanted, name in (("v", str, "string"), ("rv", int, "int64"), ("start", str, "string")):
        found = value.get(field)
        if found is not None and (not isinstance(found, wanted) or isinstance(found, bool)):
            return f"json: cannot unmarshal {_kind(found)} into Go struct field continueToken.{field} of type {name}"
    return None


def _kind(value: Any) -> str:
    """A JSON value as encoding/json names it."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return f"number {value}"
    return {dict: "object", list: "array", str: "string", int: "number"}[type(value)]


def _invalid(why: str) -> StatusError:
    return bad_request(f"invalid continue token: {why}")
