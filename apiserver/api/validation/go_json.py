"""JSON inside strings (annotations, docker configs), judged in the words of Go's encoding/json."""

from __future__ import annotations

import json
from typing import Any

from apiserver.apimachinery.errors import go_quote

_KINDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def syntax_error(text: str) -> str:
    """What Go says of a text that is not JSON; "" when it is."""
    return _syntax_error(text.encode("utf-8", "surrogatepass"))


def _syntax_error(data: bytes) -> str:
    text = data.decode("latin-1")  # Go's scanner goes byte by byte
    try:
        json.loads(text)
    except json.JSONDecodeError as e:
        at = e.pos
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at >= len(text) or "Unterminated" in e.msg:
            return "unexpected end of JSON input"
        return f"invalid character {_quoted(text[at])} {_expectation(e.msg)}"
    return ""


def _quoted(char: str) -> str:
    """A byte as Go shows it: as the character of that number."""
    if char in "'\"":
        return r"'\''" if char == "'" else "'\"'"
    return f"'{go_quote(char)[1:-1]}'"


def _expectation(message: str) -> str:
    if message.startswith("Extra data"):
        return "after top-level value"
    if message.startswith("Expecting ',' delimiter"):
        return "after object key:value pair"
    if message.startswith("Expecting ':' delimiter"):
        return "after object key"
    if message.startswith("Expecting property name"):
        return "looking for beginning of object key string"
    return "looking for beginning of value"


def unmarshal_object_error(data: bytes) -> str:
    """Why `data` cannot be read into a Go map[string]interface{}; "" when it can."""
    return _syntax_error(data) or kind_error(json.loads(data.decode("latin-1")), dict, "map[string]interface {}")


def kind_error(value: Any, kind: type, go_type: str) -> str:
    """Why a whole JSON value cannot be read into a Go type that wants a `kind`; "" when it can."""
    if value is None or isinstance(value, kind):
        return ""
    return f"json: cannot unmarshal {_KINDS[type(value)]} into Go value of type {go_type}"
