"""JSON inside strings (annotations, docker configs), judged in the words of Go's encoding/json."""

from __future__ import annotations

import re
from typing import Any

from apiserver.apimachinery.codec.json import SyntaxFault, loads
from apiserver.apimachinery.decoding import texts
from apiserver.apimachinery.objects import Object

_KINDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_FIELD = re.compile(r"(?<=Go struct field )(\w+)\.(\w)")


def read_object(text: str | bytes, go_type: str) -> tuple[Object | None, str]:
    """The value, and why it cannot be read into a Go type that wants an object; "" when it can, as null can into any."""
    try:
        value = loads(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    except SyntaxFault as e:
        return None, str(e)
    if value is None or isinstance(value, dict):
        return value, ""
    return None, cannot_unmarshal(value, f"Go value of type {go_type}")


def cannot_unmarshal(value: Any, into: str) -> str:
    """What Go says of a value that is of another kind than it wants."""
    return f"json: cannot unmarshal {_KINDS[type(value)]} into {into}"


def read_core_list(text: str, kind: str) -> tuple[list[Object], str]:
    """The items of a list of the core group's `kind`, and why it is none, said of upstream's internal type: that has no
    names of its own for JSON, so that Go shows its fields'."""
    try:
        return texts.read(text, f"[]io.k8s.api.core.v1.{kind}") or [], ""
    except texts.TextError as e:
        return [], _FIELD.sub(
            lambda m: f"{m[1]}.{m[2].upper()}", str(e).replace(" v1.", " core.").replace("[]v1.", "[]core.")
        )
