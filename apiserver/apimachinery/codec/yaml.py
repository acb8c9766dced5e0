"""YAML as upstream reads and writes it (sigs.k8s.io/yaml over goyaml.v2): YAML 1.1 scalars by Go's rules, then JSON.

PyYAML parses to nodes; what a plain scalar means is decided here, since Go and PyYAML differ (`y`, `1:30`, `0o7`, dates).
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import yaml

from apiserver.apimachinery.errors import go_quote

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = frozenset(
    {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN"}
)
_INT = re.compile(r"[-+]?([0-9]+)")
_BASED = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]+)")
_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"


class YamlError(ValueError):
    """A text that is no YAML, in upstream's words."""


class Document(NamedTuple):
    """A parsed text, and its repeated keys as upstream lists them (`line 4: key "a" already set in map`)."""

    value: Any
    duplicates: list[str]


def parse(data: bytes) -> Document:
    """The first document as JSON values; raises YamlError."""
    text = data.decode("utf-8", "replace")
    loader = _LOADER(text)
    try:
        node = loader.get_single_node() if _is_single(text) else _first(loader)
    except yaml.YAMLError as e:
        raise YamlError(f"error converting YAML to JSON: {_message(e)}") from None
    except RecursionError:
        raise YamlError("error converting YAML to JSON: yaml: exceeded max depth of 10000") from None
    finally:
        loader.dispose()
    if node is None:
        return Document(None, [])
    reader = _Reader()
    try:
        value = reader.value(node)
    except RecursionError:
        raise YamlError("error converting YAML to JSON: yaml: exceeded max depth of 10000") from None
    return Document(value, reader.duplicates)


def loads(data: bytes) -> Any:
    return parse(data).value


def _is_single(text: str) -> bool:
    return "\n---" not in text and not text.startswith("---")


def _first(loader: Any) -> Any:
    """The first of several documents: the others are not looked at."""
    return loader.get_node() if loader.check_node() else None


def _message(error: yaml.YAMLError) -> str:
    """libyaml's problem with the line goyaml names."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"yaml: line {mark.line + 1}: {problem}" if mark is not None and mark.line else f"yaml: {problem}"


class _Reader:
    """Nodes to values."""

    def __init__(self) -> None:
        self.duplicates: list[str] = []
        self._nodes = 0

    def value(self, node: Any) -> Any:
        self._nodes += 1
        if self._nodes > 1_000_000:  # aliases of aliases: goyaml calls it excessive
            raise YamlError("error converting YAML to JSON: yaml: document contains excessive aliasing")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in node.value]
        return scalar(node)

    def _mapping(self, node: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.style is None and key_node.value == _MERGE:
                self._merge(value_node, merged)
                continue
            key = _key(self.value(key_node), key_node)
            if key in found:
                line = key_node.start_mark.line + 1
                self.duplicates.append(f"line {line}: key {go_quote(key)} already set in map")
            found[key] = self.value(value_node)
        return {**merged, **found} if merged else found

    def _merge(self, node: Any, into: dict[str, Any]) -> None:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in nodes:
            value = self.value(source)
            if not isinstance(value, dict):
                raise YamlError(
                    "error converting YAML to JSON: yaml: map merge requires map or sequence of maps as the value"
                )
            for key, inner in value.items():
                into.setdefault(key, inner)


def _key(value: Any, node: Any) -> str:
    """A mapping's key as JSON has it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _go_float(value)
    kind = (
        "map[interface {}]interface {}" if isinstance(value, dict) else "<nil>" if value is None else "[]interface {}"
    )
    raise YamlError(f"error converting YAML to JSON: unsupported map key of type: {kind}, key: {node.value}")


def _go_float(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)


def scalar(node: Any) -> Any:
    """What a scalar stands for: plain ones by their looks, quoted ones are text, tagged ones what the tag says."""
    text: str = node.value
    tag: str = node.tag
    if node.style is not None and tag in (_TAG + "str", "!"):
        return text
    explicit = tag not in (_TAG + "str", "!") and node.style is not None
    if tag == _TAG + "binary":
        return _binary(text)
    return _tagged(text, tag) if explicit else plain_scalar(text)


def _binary(text: str) -> str:
    import base64

    return base64.b64decode(text).decode("utf-8", "replace")


def _tagged(text: str, tag: str) -> Any:
    return text if tag == _TAG + "str" else plain_scalar(text)


def plain_scalar(text: str) -> Any:
    """A plain scalar by goyaml.v2's resolution; dates stay text."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    first = text[0]
    if first not in "+-.0123456789":
        return text
    if text in _INFINITE:
        raise YamlError(f"error converting YAML to JSON: json: unsupported value: {_infinite(text)}")
    return _number(text)


def _infinite(text: str) -> str:
    return "NaN" if "n" in text.lower()[-1:] and "nan" in text.lower() else "-Inf" if text.startswith("-") else "+Inf"


def _number(text: str) -> Any:
    digits = text.replace("_", "")
    based = _BASED.fullmatch(digits)
    if based:
        sign, body = based.groups()
        body = body.lower()
        value = int(body, 16) if body[1] == "x" else int(body, 2) if body[1] == "b" else int(body.replace("o", ""), 8)
        return _within(-value if sign == "-" else value, text)
    if _INT.fullmatch(digits) and len(digits) < 400:
        return _within(int(digits), text)
    if _FLOAT.fullmatch(digits):
        value_ = float(digits)
        return text if math.isinf(value_) else int(value_) if value_.is_integer() and abs(value_) < 1e15 else value_
    return text


def _within(value: int, text: str) -> int | float | str:
    """Integers over 64 bits become floats."""
    return value if -(2**63) <= value < 2**64 else float(value)


class _Dumper(yaml.SafeDumper):
    """Go's style: lists level with their key, no aliases, text that looks like something else in double quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    style = None
    if "\n" in text:
        style = "|"
    elif not text or plain_scalar_or_error(text) != text:
        style = '"'
    return dumper.represent_scalar(_TAG + "str", text, style=style)


def plain_scalar_or_error(text: str) -> Any:
    try:
        return plain_scalar(text)
    except YamlError:
        return None


_Dumper.add_representer(str, _represent_text)


def dump(obj: Any) -> bytes:
    """An object as YAML, keys sorted."""
    text = yaml.dump(obj, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=2**31, default_flow_style=False)
    return text.encode()
