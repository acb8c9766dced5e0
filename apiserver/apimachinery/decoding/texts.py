"""JSON inside a text (an annotation), read as Go's encoding/json reads it into a type: names in any case, types judged."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.codec.json import SyntaxFault, loads
from apiserver.apimachinery.decoding.exact import DecodeError, Decoder, parse
from apiserver.apimachinery.decoding.types import MAP, SLICE, STRUCT, GoType, go_type, struct_fields


class TextError(ValueError):
    """A text that cannot be read; the message is Go's."""


def read(text: str, type: str) -> Any:
    """The value in the form Go writes; `type` by its OpenAPI name: `[]io.k8s.api.core.v1.Toleration`. Raises TextError."""
    into = go_type(type)
    try:
        value = _named(loads(text.encode("utf-8", "surrogatepass")), into)
        found, _ = Decoder(strict=False).decode(parse(orjson.dumps(value)), into)
    except (SyntaxFault, DecodeError) as e:
        raise TextError(str(e)) from e
    return found


def _named(value: Any, type: GoType) -> Any:
    """The value with the type's own names: encoding/json takes them in any case, the API's decoder does not."""
    type = type.pointee
    if isinstance(value, list) and type.kind == SLICE:
        return [_named(item, type.inner) for item in value]
    if not isinstance(value, dict) or type.kind not in (MAP, STRUCT):
        return value
    if type.kind == MAP:
        return {key: _named(item, type.inner) for key, item in value.items()}
    fields = struct_fields(type.struct)
    names = {name.lower(): name for name in fields}
    found = {key if key in fields else names.get(key.lower(), key): item for key, item in value.items()}
    return {key: _named(item, fields[key].type) if key in fields else item for key, item in found.items()}
