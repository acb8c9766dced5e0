"""Kubernetes' protobuf bodies, read: the envelope (`k8s\\0` and runtime.Unknown) and the object in it, as plain JSON values.

Field numbers are generated facts; what Go's JSON would leave out is left to the decoder that reads the result. Writing
protobuf is not here yet: answers are JSON.
"""

from __future__ import annotations

import base64
import gzip
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.duration import format_go
from apiserver.apimachinery.objects import Object

PREFIX = b"k8s\0"
_FACTS = Path(__file__).resolve().parent.parent.parent / "generated" / "protobuf_fields.json.gz"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ZERO_TIME = -62135596800  # time.Time{} in seconds since the epoch
_OPTIONAL, _REPEATED, _MAP = 0, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Fields = dict[int, tuple[str, str, int]]
Wire = Iterator[tuple[int, int, Any]]


class Malformed(ValueError):
    """Bytes that are no such message."""


@lru_cache(maxsize=1)
def _messages() -> dict[str, dict[str, list[Any]]]:
    return orjson.loads(gzip.decompress(_FACTS.read_bytes()))  # type: ignore[no-any-return]


@lru_cache(maxsize=2048)
def _fields(message: str) -> Fields:
    try:
        return {int(n): (f[0], f[1], f[2]) for n, f in _messages()[message].items()}
    except KeyError:
        raise Malformed(f"no protobuf message {message}") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise Malformed("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _wire(data: bytes) -> Wire:
    """(field number, wire type, value) of a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise Malformed(f"illegal wireType {kind}")
        if at + length > len(data):
            raise Malformed("unexpected EOF")
        yield number, kind, data[at : at + length]
        at += length


def _scalar(kind: str, value: Any) -> Any:
    if kind == "string":
        return _text(value)
    if kind == "bytes":
        return base64.b64encode(_bytes(value)).decode()
    if kind == "double":
        return struct.unpack("<d", _bytes(value))[0]
    if not isinstance(value, int):
        raise Malformed(f"wrong wireType for a {kind}")
    if kind == "bool":
        return bool(value)
    return value - (1 << 64) if value >> 63 else value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("wrong wireType")
    return value


def _text(value: Any) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _numbers(data: bytes) -> dict[int, Any]:
    return {number: value for number, _, value in _wire(data)}


def _time(data: bytes) -> str | None:
    """None for Go's zero time, which is written as nothing at all."""
    seconds = _scalar("int64", _numbers(data).get(1, 0))
    if not data or seconds == _ZERO_TIME:
        return None
    try:
        return rfc3339(seconds)
    except (ValueError, OverflowError, OSError) as e:
        raise Malformed("Time.MarshalJSON: year outside of range [0,9999]") from e


def _micro_time(data: bytes) -> str | None:
    plain = _time(data)
    nanoseconds = _scalar("int32", _numbers(data).get(2, 0))
    return None if plain is None else f"{plain[:-1]}.{nanoseconds // 1000:06d}Z"


def _int_or_string(data: bytes) -> int | str:
    found = _numbers(data)
    if found.get(1, 0) == 1:
        return _text(found.get(3, b""))
    return int(_scalar("int32", found.get(2, 0)))


def _duration(data: bytes) -> str:
    return format_go(_scalar("int64", _numbers(data).get(1, 0)) / 1e9)


def _raw_json(data: bytes) -> Any:
    raw = _bytes(_numbers(data).get(1, b""))
    return orjson.loads(raw) if raw else None


_SPECIAL = {
    _META + "Time": _time,
    _META + "MicroTime": _micro_time,
    _META + "Duration": _duration,
    _META + "FieldsV1": _raw_json,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda data: _text(_numbers(data).get(1, b"")),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _raw_json,
}


def _value(kind: str, value: Any) -> Any:
    if "." not in kind:
        return _scalar(kind, value)
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(_bytes(value))
    fields = _fields(kind)
    if len(fields) == 1 and fields.get(1, ("", "", 0))[0] == "items" and kind.rpartition(".")[2] in _LISTS:
        return [_value(fields[1][1], item) for _, _, item in _wire(_bytes(value))]
    return _message(kind, _bytes(value))


_LISTS = ("ExtraValue", "Verbs", "AttestationValue", "PodSignature")


def _message(name: str, data: bytes) -> Object:
    made: Object = {}
    fields = _fields(name)
    for number, wire, value in _wire(data):
        field = fields.get(number)
        if field is None:
            continue
        json_name, kind, label = field
        if not json_name:  # a Go struct embedded in its parent: its fields are the parent's on the wire of JSON
            made.update(_message(kind, _bytes(value)))
        elif label == _MAP:
            entry = _numbers(_bytes(value))
            made.setdefault(json_name, {})[_text(entry.get(1, b""))] = _value(kind, entry.get(2, b""))
        elif label == _REPEATED:
            items = made.setdefault(json_name, [])
            if wire == _BYTES and kind in ("int32", "int64", "bool"):
                items += _packed(kind, value)
            else:
                items.append(_value(kind, value))
        else:
            made[json_name] = _value(kind, value)
    return made


def _packed(kind: str, data: bytes) -> Iterator[Any]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield _scalar(kind, value)


def is_protobuf(data: bytes) -> bool:
    return data.startswith(PREFIX)


def decode(data: bytes, definition: str) -> bytes:
    """A body as JSON bytes, kind and apiVersion first. `definition` is what its object must be. Raises Malformed."""
    if not is_protobuf(data):
        raise Malformed("provided data does not appear to be a protobuf message")
    envelope = _numbers(data[len(PREFIX) :])
    meta = _numbers(_bytes(envelope.get(1, b"")))
    made = {"kind": _text(meta.get(2, b"")), "apiVersion": _text(meta.get(1, b""))}
    return orjson.dumps({**made, **_message(definition, _bytes(envelope.get(2, b"")))})
