"""The document /openapi/v2 as a protobuf message: gnostic's openapi.v2.Document, which kubectl asks for and no JSON beside it.

Field numbers are those of gnostic-models openapiv2/OpenAPIv2.proto; what our documents never hold (OAuth, XML, examples,
headers) is left out. `Any` values are YAML texts in it; ours are JSON, which is YAML too.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from typing import Any

import orjson

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_VARINT, _FIXED64, _BYTES = 0, 1, 2

Json = dict[str, Any]
Write = Callable[[int, Any], bytes]  # a field with this number and this JSON value
Fields = dict[str, tuple[int, Write]]  # by key in JSON, in the order of their numbers


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1  # negative numbers take ten bytes
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _text(number: int, value: Any) -> bytes:
    return _bytes(number, str(value).encode()) if value else b""


def _texts(number: int, value: Any) -> bytes:
    return b"".join(_bytes(number, text.encode()) for text in value)


def _integer(number: int, value: Any) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(int(value)) if value else b""


def _double(number: int, value: Any) -> bytes:
    return _varint(number << 3 | _FIXED64) + struct.pack("<d", value) if value else b""


def _any(number: int, value: Any) -> bytes:
    return _bytes(number, _text(2, orjson.dumps(value).decode()))


def _anys(number: int, value: Any) -> bytes:
    return b"".join(_any(number, one) for one in value)


def _named(number: int, name: str, write: Write, value: Any) -> bytes:
    return _bytes(number, _text(1, name) + write(2, value))


def _by_name(write: Write) -> Write:
    """A message that is a map: entries of a name and a value under the number 1."""
    return lambda number, value: _bytes(number, b"".join(_named(1, name, write, one) for name, one in value.items()))


def _each(write: Write) -> Write:
    return lambda number, value: b"".join(write(number, one) for one in value)


def _message(fields: Fields, extensions: int) -> Write:
    """A message of these fields and, under the last number (if it has one), of what is said beyond them (`x-…`)."""

    def write(number: int, value: Any) -> bytes:
        return _bytes(number, b"".join(_parts(value, fields, extensions)))

    return write


def _parts(value: Json, fields: Fields, extensions: int) -> Iterator[bytes]:
    for key, (inner, write) in fields.items():
        if key in value:
            yield write(inner, value[key])
    for key, extension in value.items():
        if extensions and key.startswith("x-"):
            yield _named(extensions, key, _any, extension)


def _schema(number: int, value: Any) -> bytes:
    return _bytes(number, b"".join(_parts(value, _SCHEMA, 31)))


def _schema_item(number: int, value: Any) -> bytes:
    return _bytes(number, _schema(1, value))


def _additional_properties(number: int, value: Any) -> bytes:
    if isinstance(value, bool):  # one of two: written although false
        return _bytes(number, _varint(2 << 3 | _VARINT) + _varint(value))
    return _schema_item(number, value)


def _type(number: int, value: Any) -> bytes:
    return _bytes(number, _texts(1, [value] if isinstance(value, str) else value))


def _items(number: int, value: Any) -> bytes:
    return _bytes(number, _each(_schema)(1, value if isinstance(value, list) else [value]))


def _primitive_items(number: int, value: Any) -> bytes:
    return _bytes(number, b"".join(_parts(value, _PRIMITIVE_ITEMS, 18)))


_SCHEMA: Fields = {
    "$ref": (1, _text),
    "format": (2, _text),
    "title": (3, _text),
    "description": (4, _text),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _integer),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _integer),
    "maxLength": (11, _integer),
    "minLength": (12, _integer),
    "pattern": (13, _text),
    "maxItems": (14, _integer),
    "minItems": (15, _integer),
    "uniqueItems": (16, _integer),
    "maxProperties": (17, _integer),
    "minProperties": (18, _integer),
    "required": (19, _texts),
    "enum": (20, _anys),
    "additionalProperties": (21, _additional_properties),
    "type": (22, _type),
    "items": (23, _items),
    "allOf": (24, _each(_schema)),
    "properties": (25, _by_name(_schema)),
    "discriminator": (26, _text),
    "readOnly": (27, _integer),
    "example": (30, _any),
}
_VALUE_FORM = {
    "type": _text,
    "format": _text,
    "items": _primitive_items,
    "collectionFormat": _text,
    "default": _any,
    "maximum": _double,
    "exclusiveMaximum": _integer,
    "minimum": _double,
    "exclusiveMinimum": _integer,
    "maxLength": _integer,
    "minLength": _integer,
    "pattern": _text,
    "maxItems": _integer,
    "minItems": _integer,
    "uniqueItems": _integer,
    "enum": _anys,
    "multipleOf": _double,
}


def _numbered(first: dict[str, Write]) -> Fields:
    """These fields and then what tells a plain value's form, numbered from 1 on."""
    return {key: (n, write) for n, (key, write) in enumerate({**first, **_VALUE_FORM}.items(), 1)}


_PRIMITIVE_ITEMS = _numbered({})
_ABOUT: dict[str, Write] = {"required": _integer, "in": _text, "description": _text, "name": _text}
_OUTSIDE_PATH: dict[str, Write] = {**_ABOUT, "allowEmptyValue": _integer}
_NON_BODY: dict[str, tuple[int, Write]] = {
    "header": (1, _message(_numbered(_ABOUT), 22)),
    "formData": (2, _message(_numbered(_OUTSIDE_PATH), 23)),
    "query": (3, _message(_numbered(_OUTSIDE_PATH), 23)),
    "path": (4, _message(_numbered(_ABOUT), 22)),
}
_BODY = _message(
    {
        "description": (1, _text),
        "name": (2, _text),
        "in": (3, _text),
        "required": (4, _integer),
        "schema": (5, _schema),
    },
    6,
)
_REFERENCE = _message({"$ref": (1, _text), "description": (2, _text)}, 0)


def _parameter(number: int, value: Any) -> bytes:
    if value["in"] == "body":
        return _bytes(number, _BODY(1, value))
    inner, write = _NON_BODY[value["in"]]
    return _bytes(number, _bytes(2, write(inner, value)))


def _parameters_item(number: int, value: Any) -> bytes:
    return _bytes(number, _REFERENCE(2, value) if "$ref" in value else _parameter(1, value))


_RESPONSE = _message({"description": (1, _text), "schema": (2, _schema_item)}, 5)


def _response_value(number: int, value: Any) -> bytes:
    return _bytes(number, _REFERENCE(2, value) if "$ref" in value else _RESPONSE(1, value))


def _string_array(number: int, value: Any) -> bytes:
    return _bytes(number, _texts(1, value))


_API_KEY = _message({"type": (1, _text), "name": (2, _text), "in": (3, _text), "description": (4, _text)}, 5)


def _security_definition(number: int, value: Any) -> bytes:
    return _bytes(number, _API_KEY(2, value))


_OPERATION = _message(
    {
        "tags": (1, _texts),
        "summary": (2, _text),
        "description": (3, _text),
        "operationId": (5, _text),
        "produces": (6, _texts),
        "consumes": (7, _texts),
        "parameters": (8, _each(_parameters_item)),
        "responses": (9, _by_name(_response_value)),
        "schemes": (10, _texts),
        "deprecated": (11, _integer),
        "security": (12, _each(_by_name(_string_array))),
    },
    13,
)
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_PATH = _message(
    {
        "$ref": (1, _text),
        **{method: (n, _OPERATION) for n, method in enumerate(_METHODS, 2)},
        "parameters": (9, _each(_parameters_item)),
    },
    10,
)
_INFO = _message({"title": (1, _text), "version": (2, _text), "description": (3, _text)}, 7)


async def encode(document: Json) -> bytes:
    """The document as bytes; other tasks come between its paths and definitions, which are many."""
    return b"".join(
        [
            _text(1, document.get("swagger")),
            _INFO(2, document["info"]),
            _bytes(8, await _entries(2, document["paths"], _PATH)),
            _bytes(9, await _entries(1, document.get("definitions", {}), _schema)),
            *([_by_name(_parameter)(10, document["parameters"])] if "parameters" in document else []),
            _each(_by_name(_string_array))(12, document.get("security", ())),
            _by_name(_security_definition)(13, document.get("securityDefinitions", {})),
        ]
    )


async def _entries(number: int, values: Json, write: Write) -> bytes:
    written = []
    for name, value in values.items():
        written.append(_named(number, name, write, value))
        await asyncio.sleep(0)
    return b"".join(written)
