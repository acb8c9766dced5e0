"""JSON inside strings (annotations, docker configs), judged in the words of Go's encoding/json."""

from __future__ import annotations

import json

_KINDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def syntax_error(text: str) -> str:
    """What Go says of a text that is not JSON; "" when it is."""
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
    return {"'": r"'\''", '"': "'\"'"}.get(char, f"'{char}'")


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
    text = data.decode("utf-8", "replace")
    problem = syntax_error(text)
    if problem:
        return problem
    value = json.loads(text)
    if value is None or isinstance(value, dict):
        return ""
    return f"json: cannot unmarshal {_KINDS[type(value)]} into Go value of type map[string]interface {{}}"
