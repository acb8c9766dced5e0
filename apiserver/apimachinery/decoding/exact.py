"""Go's decoder and encoder to the letter: type errors with their contexts, unknown and duplicate fields in order, and the
object as Go would write it back. Slow: `fast` sends only what is irregular here.

Mirrors sigs.k8s.io/json/internal/golang/encoding/json/decode.go. A value being decoded is: a dict of fields for a struct, a
dict for a map, a list, a scalar, None for nil, ZERO where nothing was set.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import Any

from apiserver.apimachinery.decoding import types as t
from apiserver.apimachinery.decoding.times import TimeError, canonical, canonical_micro
from apiserver.apimachinery.decoding.types import GoType, struct_fields
from apiserver.apimachinery.errors import go_quote
from apiserver.apimachinery.quantity import QuantityError
from apiserver.apimachinery.quantity import canonical as canonical_quantity

MAX_STRICT_ERRORS = 100
TOO_DEEP = "invalid character '[' exceeded max depth"  # Go stops at 10,000 levels, this at Python's recursion limit


class DecodeError(ValueError):
    """A text that does not decode into its type; the message is Go's."""


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: members in order, repetitions included."""

    __slots__ = ()


class _Mark:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


ZERO: Any = _Mark("ZERO")
EMPTY: Any = _Mark("EMPTY")  # what an UnmarshalJSON set to its zero: a pointer to it is not nil


# A backslash that stands for itself, two halves of a character, one half alone.
_ESCAPE = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def _whole_character(escape: re.Match[str]) -> str:
    """Half a character is none: Go reads U+FFFD."""
    return "\\ufffd" if escape["half"] else escape[0]


def parse(data: bytes) -> Any:
    """JSON with everything Go's decoder looks at; the text must be well-formed."""

    def refuse(constant: str) -> Any:
        raise DecodeError(f"invalid character '{constant[0]}' looking for beginning of value")

    text = data.decode("utf-8", "replace")
    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(_whole_character, text)
    try:
        return json.loads(text, object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=refuse)
    except RecursionError:
        raise DecodeError(TOO_DEEP) from None


def plain(value: Any) -> Any:
    """A parsed value as ordinary Python; of repetitions the last counts."""
    if isinstance(value, Pairs):
        return {key: plain(inner) for key, inner in value}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return number(value) if isinstance(value, Number) else value


def number(text: str) -> int | float:
    """An untyped number: an int64 where it is one (PreserveInts), a float otherwise."""
    value = _whole(text, 64, signed=True)
    return float(text) if value is None else value


def _whole(text: str, bits: int, signed: bool) -> int | None:
    """strconv.ParseInt or ParseUint of a JSON number, None where it has no such value."""
    if len(text) > 20 or not text.removeprefix("-").isdigit() or (text[0] == "-" and not signed):
        return None
    value, limit = int(text), 1 << (bits - signed)
    return value if -limit <= value < limit else None


class _TypeFault(Exception):
    """UnmarshalTypeError: `value` cannot become a `type`; the struct and path are added where it is caught."""

    def __init__(self, value: str, type_name: str, struct: str = "", field: str = "") -> None:
        super().__init__(value, type_name)
        self.value, self.type_name, self.struct, self.field = value, type_name, struct, field

    def text(self) -> str:
        where = f"Go struct field {self.struct}.{self.field}" if self.struct or self.field else "Go value"
        return f"json: cannot unmarshal {self.value} into {where} of type {self.type_name}"


class _Fault(Exception):
    """Any other error of an UnmarshalJSON."""


def json_kind(value: Any) -> str:
    if isinstance(value, Pairs):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, Number) else "string"


class Decoder:
    """One decoding of one value into one type."""

    def __init__(self, strict: bool = True) -> None:
        self._strict = strict
        self._struct = ""  # Go's errorContext
        self._fields: list[str] = []
        self._path: list[str] = []  # Go's strictFieldStack
        self._saved: str | None = None
        self._strict_errors: dict[str, None] = {}

    def decode(self, value: Any, type: GoType) -> tuple[Any, list[str]]:
        """(the object as Go writes it, strict errors in order); raises DecodeError."""
        try:
            decoded = self._value(value, type, ZERO)
            written = encode(type, decoded)
        except RecursionError:
            raise DecodeError(TOO_DEEP) from None
        except _TypeFault as e:
            raise DecodeError(self._in_context(e).text()) from None
        except _Fault as e:
            raise DecodeError(str(e)) from None
        if self._saved is not None:
            raise DecodeError(self._saved)
        return written, list(self._strict_errors)

    def untyped(self, value: Any) -> tuple[Any, list[str]]:
        """(plain values, duplicate fields)."""
        return self._untyped(value), list(self._strict_errors)

    def _in_context(self, fault: _TypeFault) -> _TypeFault:
        if self._struct or self._fields:
            fields = [*self._fields, fault.field] if fault.field else self._fields
            return _TypeFault(fault.value, fault.type_name, self._struct, ".".join(fields))
        return fault

    def _save(self, value: str, type: GoType) -> None:
        if self._saved is None:
            self._saved = self._in_context(_TypeFault(value, type.name)).text()

    def _save_text(self, text: str) -> None:
        if self._saved is None:
            self._saved = text

    def _strict_error(self, what: str, field: str) -> None:
        if not self._strict or len(self._strict_errors) >= MAX_STRICT_ERRORS:
            return
        path = "".join(self._path) + "." + field if self._path else field
        self._strict_errors[f"{what} field {go_quote(path)}"] = None

    def _value(self, value: Any, type: GoType, base: Any) -> Any:
        if value is None:
            return self._null(type, base)
        target = type.pointee
        if target.kind in _UNMARSHAL:
            return _UNMARSHAL[target.kind](self, value)
        if isinstance(value, Pairs):
            return self._object(value, target, base)
        if isinstance(value, list):
            return self._array(value, target, base)
        return self._scalar(value, target, base)

    def _null(self, type: GoType, base: Any) -> Any:
        if type.kind in (t.POINTER, t.SLICE, t.MAP, t.BYTES, t.ANY):
            return None
        if type.kind in (t.STRUCT, t.STRING, t.BOOL, t.INT, t.UINT, t.FLOAT, t.RAW):
            return base
        return ZERO

    def _object(self, pairs: Pairs, type: GoType, base: Any) -> Any:
        if type.kind == t.ANY:
            return self._untyped(pairs)
        if type.kind == t.MAP:
            return self._map(pairs, type, base)
        if type.kind == t.STRUCT:
            return self._struct_value(pairs, type, base)
        self._save("object", type)
        return base

    def _untyped(self, value: Any) -> Any:
        """Into `any`: repetitions in objects are errors there too."""
        if isinstance(value, Pairs):
            found: dict[str, Any] = {}
            for key, inner in value:
                if key in found:
                    self._strict_error("duplicate", key)
                length = self._enter(key)
                found[key] = self._untyped(inner)
                del self._path[length:]
            return found
        if isinstance(value, list):
            items = []
            for i, inner in enumerate(value):
                length = len(self._path)
                self._path.append(f"[{i}]")
                items.append(self._untyped(inner))
                del self._path[length:]
            return items
        return plain(value)

    def _enter(self, key: str) -> int:
        length = len(self._path)
        self._path.append(f".{key}" if self._path else key)
        return length

    def _map(self, pairs: Pairs, type: GoType, base: Any) -> dict[str, Any]:
        found: dict[str, Any] = dict(base) if isinstance(base, dict) else {}
        seen: set[str] = set()
        for key, value in pairs:
            if key in seen:
                self._strict_error("duplicate", key)
            seen.add(key)
            length = self._enter(key)
            found[key] = self._value(value, type.inner, ZERO)
            del self._path[length:]
        return found

    def _struct_value(self, pairs: Pairs, type: GoType, base: Any) -> dict[str, Any]:
        fields = struct_fields(type.struct)
        found: dict[str, Any] = dict(base) if isinstance(base, dict) else {}
        seen: set[str] = set()
        struct, depth = self._struct, len(self._fields)
        for key, value in pairs:
            field = fields.get(key)
            if field is None:
                self._strict_error("unknown", key)
                continue
            if key in seen:
                self._strict_error("duplicate", key)
            seen.add(key)
            self._struct = type.name.rsplit(".", 1)[-1]
            self._fields += [*field.embedded, key]
            length = self._enter(key)
            found[key] = self._value(value, field.type, found.get(key, ZERO))
            del self._path[length:]
            del self._fields[depth:]
            self._struct = struct
        return found

    def _array(self, items: list[Any], type: GoType, base: Any) -> Any:
        if type.kind == t.ANY:
            return self._untyped(items)
        if type.kind not in (t.SLICE, t.BYTES):
            self._save("array", type)
            return base
        element = type.inner if type.kind == t.SLICE else GoType(t.UINT, "uint8", 8)
        bases = base if isinstance(base, list) else []
        found = []
        for i, item in enumerate(items):
            length = len(self._path)
            self._path.append(f"[{i}]")
            found.append(self._value(item, element, bases[i] if i < len(bases) else ZERO))
            del self._path[length:]
        if type.kind == t.BYTES:
            return base64.b64encode(bytes(v if isinstance(v, int) else 0 for v in found)).decode()
        return found

    def _scalar(self, value: Any, type: GoType, base: Any) -> Any:
        kind = type.kind
        if kind == t.ANY:
            return plain(value)
        if isinstance(value, bool):
            if kind == t.BOOL:
                return value
            self._save("bool", type)
        elif isinstance(value, Number):
            return self._number(value, type, base)
        elif kind == t.STRING:
            return value
        elif kind == t.BYTES:
            return self._bytes(value, base)
        else:
            self._save("string", type)
        return base

    def _number(self, text: Number, type: GoType, base: Any) -> Any:
        if type.kind in (t.INT, t.UINT):
            value = _whole(text, type.bits, signed=type.kind == t.INT)
            if value is not None:
                return value
            self._save(f"number {text}", type)
        elif type.kind == t.FLOAT:
            if not math.isinf(real := float(text)):
                return real
            self._save(f"number {text}", type)
        else:
            self._save("number", type)
        return base

    def _bytes(self, text: str, base: Any) -> Any:
        try:
            return base64.b64encode(go_base64(text)).decode()
        except ValueError as e:
            self._save_text(str(e))
            return base

    def _text(self, value: Any) -> str:
        if not isinstance(value, str) or isinstance(value, Number):
            raise _TypeFault(json_kind(value), "string")
        return value

    def _time(self, value: Any) -> Any:
        try:
            return canonical(self._text(value)) or EMPTY
        except TimeError as e:
            raise _Fault(str(e)) from None

    def _micro_time(self, value: Any) -> Any:
        try:
            return canonical_micro(self._text(value)) or EMPTY
        except TimeError as e:
            raise _Fault(str(e)) from None

    def _quantity(self, value: Any) -> Any:
        try:
            return canonical_quantity(value.strip() if isinstance(value, str) else "?")
        except QuantityError as e:
            raise _Fault(str(e)) from None

    def _int_or_string(self, value: Any) -> Any:
        if isinstance(value, Number):
            if (whole := _whole(value, 32, signed=True)) is not None:
                return whole
            raise _TypeFault(f"number {value}", "int32")
        if isinstance(value, str):
            return value
        raise _TypeFault(json_kind(value), "int32")

    def _raw(self, value: Any) -> Any:
        return plain(value)

    def _nested(self, value: Any, type: GoType) -> Any:
        """What an UnmarshalJSON reads with a decoder of its own: not strict, its errors fatal here."""
        inner = Decoder(strict=False)
        decoded = inner._value(value, type, ZERO)
        if inner._saved is not None:
            raise _Fault(inner._saved)
        return decoded

    def _schema_or_bool(self, value: Any) -> Any:
        if isinstance(value, Pairs):
            return encode(_SCHEMA, self._nested(value, _SCHEMA))
        if isinstance(value, bool):
            return value
        raise _Fault("boolean or JSON schema expected")

    def _schema_or_array(self, value: Any) -> Any:
        if isinstance(value, Pairs):
            return encode(_SCHEMA, self._nested(value, _SCHEMA))
        if isinstance(value, list):
            return encode(_SCHEMAS, self._nested(value, _SCHEMAS)) or EMPTY
        return EMPTY

    def _schema_or_strings(self, value: Any) -> Any:
        if isinstance(value, Pairs):
            return encode(_SCHEMA, self._nested(value, _SCHEMA))
        if isinstance(value, list):
            return encode(_STRINGS, self._nested(value, _STRINGS)) or EMPTY
        return EMPTY


_SCHEMA = GoType(t.STRUCT, "v1.JSONSchemaProps", struct=t.SCHEMA_PROPS)
_SCHEMAS = GoType(t.SLICE, "[]v1.JSONSchemaProps", element=_SCHEMA)
_STRINGS = GoType(t.SLICE, "[]string", element=GoType(t.STRING, "string"))

_UNMARSHAL = {
    t.TIME: Decoder._time,
    t.MICRO_TIME: Decoder._micro_time,
    t.QUANTITY: Decoder._quantity,
    t.INT_OR_STRING: Decoder._int_or_string,
    t.RAW: Decoder._raw,
    t.SCHEMA_OR_BOOL: Decoder._schema_or_bool,
    t.SCHEMA_OR_ARRAY: Decoder._schema_or_array,
    t.SCHEMA_OR_STRINGS: Decoder._schema_or_strings,
}


def go_base64(text: str) -> bytes:
    """base64.StdEncoding: padding is needed, line ends are skipped; ValueError says where it is wrong."""
    data, digits, position = text.encode(), bytearray(), 0
    while position < len(data):
        byte = data[position]
        if byte in b"\r\n":
            position += 1
        elif byte == ord("="):
            break
        elif byte in _ALPHABET:
            digits.append(byte)
            position += 1
        else:
            raise ValueError(f"illegal base64 data at input byte {position}")
    wanted = -len(digits) % 4
    if position == len(data):
        if wanted:
            raise ValueError(f"illegal base64 data at input byte {len(data) - (4 - wanted)}")
        return binascii.a2b_base64(bytes(digits))
    _check_padding(data, position, wanted)
    return binascii.a2b_base64(bytes(digits) + b"=" * wanted)


_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _check_padding(data: bytes, position: int, wanted: int) -> None:
    """From the first `=` on: one or two of them, then nothing but line ends."""
    if wanted not in (1, 2):
        raise ValueError(f"illegal base64 data at input byte {position}")
    padding = 1
    end = position + 1
    while padding < wanted and end < len(data):
        if data[end] == ord("="):
            padding += 1
        elif data[end] not in b"\r\n":
            raise ValueError(f"illegal base64 data at input byte {end}")
        end += 1
    if padding < wanted:
        raise ValueError(f"illegal base64 data at input byte {len(data)}")
    for i in range(end, len(data)):
        if data[i] not in b"\r\n":
            raise ValueError(f"illegal base64 data at input byte {i}")


def _is_empty(type: GoType, value: Any) -> bool:
    """What encoding/json leaves out under omitempty; structs never."""
    if type.kind == t.STRUCT or type.kind in _UNMARSHAL:
        return False
    return value is ZERO or value is None or (type.kind != t.POINTER and not value)


_ZEROS: dict[str, Any] = {
    t.STRING: "",
    t.BOOL: False,
    t.INT: 0,
    t.UINT: 0,
    t.FLOAT: 0,
    t.QUANTITY: "0",
    t.INT_OR_STRING: 0,
    t.SCHEMA_OR_BOOL: False,
}


def encode(type: GoType, value: Any) -> Any:
    """A decoded value as encoding/json writes it."""
    if type.kind == t.STRUCT:
        return _encode_struct(type, value if isinstance(value, dict) else {})
    if value is None or value is EMPTY:
        return None
    if value is ZERO:
        return _ZEROS.get(type.kind)
    if type.kind == t.POINTER:
        return encode(type.inner, value)
    if type.kind == t.SLICE:
        return [encode(type.inner, item) for item in value]
    if type.kind == t.MAP:
        return {key: encode(type.inner, value[key]) for key in sorted(value)}
    if type.kind == t.FLOAT:
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    return value


def _encode_struct(type: GoType, value: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, field in struct_fields(type.struct).items():
        member = value.get(name, ZERO)
        if field.omitempty and _is_empty(field.type, member) and not (field.keeps_empty and member == []):
            continue
        if field.omitzero and (member is ZERO or member is None or member is EMPTY):
            continue
        found[name] = encode(field.type, member)
    return found
