"""YAML as upstream reads and writes it (sigs.k8s.io/yaml over goyaml.v2): YAML 1.1 scalars by Go's rules, then JSON.

PyYAML parses to nodes; what a plain scalar means is decided here, since Go and PyYAML differ (`y`, `1:30`, `0o7`, dates).
"""

from __future__ import annotations

import base64
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
_TOO_DEEP = "yaml: exceeded max depth of 10000"


class YamlError(ValueError):
    """A text that is no YAML, in upstream's words."""


class _Scalar(NamedTuple):
    text: str
    tag: str | None  # as written, None without one
    quoted: bool
    line: int


class _Sequence(NamedTuple):
    items: list[Any]
    line: int


class _Mapping(NamedTuple):
    pairs: list[tuple[Any, Any]]
    line: int


class Document(NamedTuple):
    """A parsed text, and its repeated keys as upstream lists them (`line 4: key "a" already set in map`)."""

    value: Any
    duplicates: list[str]


def parse(data: bytes) -> Document:
    """The first document as JSON values; raises YamlError."""
    loader = _LOADER(_text(data))
    composer = _Composer(loader)
    try:
        node = composer.document()
    except yaml.YAMLError as e:
        raise YamlError(_message(e)) from None
    except RecursionError:
        raise YamlError(_TOO_DEEP) from None
    finally:
        loader.dispose()
    reader = _Reader(max(10_000, 10 * composer.nodes))
    if node is None:
        return Document(None, [])
    try:
        value = reader.value(node)
    except RecursionError:
        raise YamlError(_TOO_DEEP) from None
    return Document(value, reader.duplicates)


def _text(data: bytes) -> str:
    """The text; YamlError as goyaml's reader says it of bytes that are no UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        why = {
            "invalid start byte": "invalid leading UTF-8 octet",
            "unexpected end of data": "incomplete UTF-8 octet sequence",
        }
        raise YamlError(f"yaml: {why.get(e.reason, 'invalid trailing UTF-8 octet')}") from None


def loads(data: bytes) -> Any:
    return parse(data).value


class _Composer:
    """Events to nodes; only the first document, what follows it is not looked at. An anchor may be used again."""

    def __init__(self, loader: Any) -> None:
        self._next = loader.get_event
        self._anchors: dict[str, Any] = {}
        self.nodes = 0

    def document(self) -> Any:
        """The document's node, None where there is none."""
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        return self._node(self._next())

    def _node(self, event: Any) -> Any:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise YamlError(f"yaml: unknown anchor '{event.anchor}' referenced")
            return self._anchors[event.anchor]
        self.nodes += 1
        line = event.start_mark.line + 1
        node: _Scalar | _Sequence | _Mapping
        if isinstance(event, yaml.ScalarEvent):
            if not event.value.isascii() and any("\ud800" <= c <= "\udfff" for c in event.value):
                raise YamlError("yaml: found invalid Unicode character escape code")
            node = _Scalar(event.value, event.tag, bool(event.style), line)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = _Sequence([], line)
        else:
            node = _Mapping([], line)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(node, _Sequence):
            while not isinstance(event := self._next(), yaml.SequenceEndEvent):
                node.items.append(self._node(event))
        elif isinstance(node, _Mapping):
            while not isinstance(event := self._next(), yaml.MappingEndEvent):
                key = self._node(event)
                node.pairs.append((key, self._node(self._next())))
        return node


def _message(error: yaml.YAMLError) -> str:
    """libyaml's problem with the line goyaml names: scanner errors stand on the line before."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    marks = (getattr(error, "problem_mark", None), getattr(error, "context_mark", None))
    line: int = next((mark.line for mark in marks if mark is not None and mark.line), 0)
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"


class _Reader:
    """Nodes to values."""

    def __init__(self, limit: int) -> None:
        self.duplicates: list[str] = []
        self._left = limit  # aliases of aliases may stand for far more nodes than were written

    def value(self, node: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise YamlError("yaml: document contains excessive aliasing")
        if isinstance(node, _Mapping):
            return self._mapping(node)
        if isinstance(node, _Sequence):
            return [self.value(item) for item in node.items]
        return scalar(node)

    def _mapping(self, node: _Mapping, found: dict[str, Any] | None = None) -> dict[str, Any]:
        """A mapping's members, into `found` where another mapping merges this one."""
        if found is None:
            found = {}
        for key_node, value_node in node.pairs:
            if isinstance(key_node, _Scalar) and not key_node.quoted and key_node.text == _MERGE:
                self._merge(value_node, found)
                continue
            raw = self.value(key_node)
            key = _key(raw, key_node)
            if key in found:
                shown = go_quote(key) if isinstance(raw, str) else key
                self.duplicates.append(f"line {key_node.line}: key {shown} already set in map")
            found[key] = self.value(value_node)
        return found

    def _merge(self, node: Any, found: dict[str, Any]) -> None:
        """`<<: *a` or `<<: [*a, *b]`: as if their members stood here; the first of several has the last word."""
        sources = node.items[::-1] if isinstance(node, _Sequence) else [node]
        for source in sources:
            if not isinstance(source, _Mapping):
                raise YamlError("yaml: map merge requires map or sequence of maps as the value")
            self._mapping(source, found)


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
    raise YamlError(f"unsupported map key of type: {kind}, key: {getattr(node, 'text', '')}")


def _go_float(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)


def scalar(node: _Scalar) -> Any:
    """What a scalar stands for: plain ones by their looks, quoted ones are text, tagged ones what the tag says."""
    if node.tag is None:
        return node.text if node.quoted else plain_scalar(node.text)
    if node.tag == _TAG + "binary":
        return _binary(node.text)
    if node.tag == _TAG + "str" or not node.tag.startswith(_TAG):
        return node.text
    return plain_scalar(node.text)


def _binary(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except ValueError:
        raise YamlError("yaml: !!binary value contains invalid base64 data") from None


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
        raise YamlError(f"json: unsupported value: {_infinite(text)}")
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
