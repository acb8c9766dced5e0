"""Label selectors: parsed, printed and matched as upstream does (k8s.io/apimachinery/pkg/labels).

`parse(text)` reads the `labelSelector` parameter, `from_label_selector(obj)` a metav1.LabelSelector. Selectors are immutable
and hashable by their text; `matches_pairs` takes the sorted pairs a Record keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from apiserver.apimachinery.errors import aggregate, go_value
from apiserver.apimachinery.formats import label_value, qualified_name

Pairs = Sequence[tuple[str, str]]

IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS = "in", "notin", "=", "==", "!="
EXISTS, DOES_NOT_EXIST, GREATER, LESS = "exists", "!", "gt", "lt"

_SPECIAL = frozenset("=!(),><")
_WHITESPACE = frozenset(" \t\r\n")
_KEYWORDS = frozenset({")", ",", "!", "==", "=", ">", "in", "<", "!=", "notin", "("})
_BINARY = {"in": IN, "=": EQUALS, "==": DOUBLE_EQUALS, ">": GREATER, "<": LESS, "notin": NOT_IN, "!=": NOT_EQUALS}
_BINARY_NAMES = "in, notin, =, ==, !=, gt, lt"
_SYMBOLS = {EQUALS: "=", DOUBLE_EQUALS: "==", NOT_EQUALS: "!=", GREATER: ">", LESS: "<"}
_END, _IDENTIFIER, _ERROR = "end", "identifier", "error"


class SelectorError(ValueError):
    """A selector that cannot be read; the message is upstream's."""


class Requirement(NamedTuple):
    """One condition on one key. `values` are sorted and distinct where they came from text."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        operator, value = self.operator, labels.get(self.key)
        if operator in (EQUALS, DOUBLE_EQUALS, IN):
            return value is not None and value in self.values
        if operator in (NOT_EQUALS, NOT_IN):
            return value is None or value not in self.values
        if operator == EXISTS:
            return value is not None
        if operator == DOES_NOT_EXIST:
            return value is None
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        left, right = _int64(value), _int64(self.values[0])
        if left is None or right is None:
            return False
        return left > right if self.operator == GREATER else left < right

    def __str__(self) -> str:
        if self.operator == DOES_NOT_EXIST:
            return "!" + self.key
        if self.operator == EXISTS:
            return self.key
        values = ",".join(sorted(self.values))
        if self.operator in (IN, NOT_IN):
            return f"{self.key} {self.operator} ({values})"
        return f"{self.key}{_SYMBOLS[self.operator]}{values}"


class Selector:
    """A conjunction of requirements; without any it matches everything."""

    __slots__ = ("_exact", "requirements", "text")

    def __init__(self, requirements: Iterable[Requirement] = ()) -> None:
        self.requirements = tuple(requirements)
        self.text = ",".join(map(str, self.requirements))
        # All equalities: a subset test over pairs. None: the general way.
        self._exact: tuple[tuple[str, str], ...] | None = None
        if all(r.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(r.values) == 1 for r in self.requirements):
            self._exact = tuple((r.key, r.values[0]) for r in self.requirements)

    @property
    def empty(self) -> bool:
        """Does it leave everything in?"""
        return not self.requirements

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def matches_pairs(self, pairs: Pairs) -> bool:
        """The same over `((key, value), …)`, as records keep labels."""
        if self._exact is None:
            return self.matches(dict(pairs))
        return all(pair in pairs for pair in self._exact)

    def requires_exact_match(self, key: str) -> str | None:
        """The one value that `key` must have, if the selector says so."""
        for requirement in self.requirements:
            if requirement.key == key:
                exact = requirement.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(requirement.values) == 1
                return requirement.values[0] if exact else None
        return None

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Selector {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self.requirements == other.requirements and type(self) is type(other)

    def __hash__(self) -> int:
        return hash(self.requirements)


class _Nothing(Selector):
    """What an absent LabelSelector selects."""

    __slots__ = ()

    @property
    def empty(self) -> bool:
        return False

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return False

    def matches_pairs(self, pairs: Pairs) -> bool:
        return False


EVERYTHING = Selector()
NOTHING: Selector = _Nothing()


def _int64(text: str) -> int | None:
    """strconv.ParseInt(text, 10, 64)."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _go_strings(values: Sequence[str]) -> str:
    return go_value(list(values))


def _value_errors(operator: str, values: Sequence[str]) -> Iterable[str]:
    if operator in (IN, NOT_IN):
        if not values:
            yield f"values: Invalid value: {_go_strings(values)}: for 'in', 'notin' operators, values set can't be empty"
    elif operator in (EQUALS, DOUBLE_EQUALS, NOT_EQUALS):
        if len(values) != 1:
            yield f"values: Invalid value: {_go_strings(values)}: exact-match compatibility requires one single value"
    elif operator in (EXISTS, DOES_NOT_EXIST):
        if values:
            yield f"values: Invalid value: {_go_strings(values)}: values set must be empty for exists and does not exist"
    else:
        if len(values) != 1:
            yield f"values: Invalid value: {_go_strings(values)}: for 'Gt', 'Lt' operators, exactly one value is required"
        for i, value in enumerate(values):
            if _int64(value) is None:
                yield (
                    f"values[{i}]: Invalid value: {go_value(value)}: "
                    "for 'Gt', 'Lt' operators, the value must be an integer"
                )


def requirement(key: str, operator: str, values: Sequence[str]) -> Requirement:
    """A checked Requirement; SelectorError says everything that is wrong."""
    errors = []
    if wrong := "; ".join(qualified_name(key)):
        errors.append(f"key: Invalid value: {go_value(key)}: {wrong}")
    errors += _value_errors(operator, values)
    for i, value in enumerate(values):
        if wrong := "; ".join(label_value(value)):
            errors.append(f"values[{i}][{key}]: Invalid value: {go_value(value)}: {wrong}")
    if errors:
        raise SelectorError(aggregate(errors))
    return Requirement(key, operator, tuple(values))


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, literal) pairs; kind is the literal itself for keywords. A NUL ends the text, as in upstream's lexer."""
    text = text.split("\0", 1)[0]
    found: list[tuple[str, str]] = []
    position = 0
    while True:
        while position < len(text) and text[position] in _WHITESPACE:
            position += 1
        if position == len(text):
            return [*found, (_END, "")]
        start = position
        if text[position] in _SPECIAL:
            token, position = _special(text, position)
            found.append(token)
            continue
        while position < len(text) and text[position] not in _SPECIAL and text[position] not in _WHITESPACE:
            position += 1
        literal = text[start:position]
        found.append((literal if literal in _KEYWORDS else _IDENTIFIER, literal))


def _special(text: str, start: int) -> tuple[tuple[str, str], int]:
    """The longest operator from `start`; a later symbol that does not prolong it is left for the next token."""
    last, position = "", start
    while position < len(text) and text[position] in _SPECIAL:
        position += 1
        if text[start:position] in _KEYWORDS:
            last = text[start:position]
        elif last:
            position -= 1
            break
    if not last:
        return (_ERROR, f"error expected: keyword found '{text[start:position]}'"), position
    return (last, last), position


class _Parser:
    """Recursive descent over tokens, in upstream's order of complaints."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def _peek(self) -> tuple[str, str]:
        kind, literal = self._tokens[min(self._position, len(self._tokens) - 1)]
        return (_IDENTIFIER, literal) if kind in ("in", "notin") else (kind, literal)

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._position += 1
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            kind, literal = self._peek()
            if kind == _END:
                return found
            if kind not in (_IDENTIFIER, "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except SelectorError as e:
                raise SelectorError(f"unable to parse requirement: {e}") from None
            kind, literal = self._take()
            if kind == _END:
                return found
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self._peek()
            if kind not in (_IDENTIFIER, "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        kind, key = self._take()
        absent = kind == "!"
        if absent:
            kind, key = self._take()
        if kind != _IDENTIFIER:
            raise SelectorError(f"found '{key}', expected: identifier")
        if wrong := "; ".join(qualified_name(key)):
            raise SelectorError(f"<nil>: Invalid value: {go_value(key)}: {wrong}")
        if absent:
            return requirement(key, DOES_NOT_EXIST, ())
        if self._peek()[0] in (_END, ","):
            return requirement(key, EXISTS, ())
        operator = self._operator()
        values = self._values() if operator in (IN, NOT_IN) else {self._exact_value()}
        return requirement(key, operator, sorted(values))

    def _operator(self) -> str:
        kind, literal = self._tokens[min(self._position, len(self._tokens) - 1)]
        self._position += 1
        if kind not in _BINARY:
            raise SelectorError(f"found '{literal}', expected: {_BINARY_NAMES}")
        return _BINARY[kind]

    def _values(self) -> set[str]:
        kind, literal = self._take()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, literal = self._peek()
        if kind in (_IDENTIFIER, ","):
            values = self._identifiers()
            if self._take()[0] != ")":
                raise SelectorError(f"found '{literal}', expected: ')'")
            return values
        if kind == ")":
            self._take()
            return {""}
        raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")

    def _identifiers(self) -> set[str]:
        values: set[str] = set()
        while True:
            kind, literal = self._take()
            following, next_literal = self._peek()
            if kind == _IDENTIFIER:
                values.add(literal)
                if following == ")":
                    return values
                if following != ",":
                    raise SelectorError(f"found '{next_literal}', expected: ',' or ')'")
            elif kind == ",":
                if not values or following in (")", ","):
                    values.add("")
                if following == ")":
                    return values
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")

    def _exact_value(self) -> str:
        if self._peek()[0] in (_END, ","):
            return ""
        kind, literal = self._take()
        if kind != _IDENTIFIER:
            raise SelectorError(f"found '{literal}', expected: identifier")
        return literal


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Read a selector in text form; raises SelectorError."""
    return Selector(sorted(_Parser(text).parse(), key=lambda r: r.key)) if text else EVERYTHING


def from_set(labels: Mapping[str, str] | None) -> Selector:
    """All of these labels, unchecked (upstream SelectorFromSet)."""
    return Selector(Requirement(key, EQUALS, (value,)) for key, value in sorted((labels or {}).items()))


_LABEL_SELECTOR_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": DOES_NOT_EXIST}


def from_label_selector(selector: Mapping[str, Any] | None) -> Selector:
    """A metav1.LabelSelector: None selects nothing, an empty one everything. Raises SelectorError."""
    if selector is None:
        return NOTHING
    found = [requirement(k, EQUALS, (v,)) for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        operator = expression.get("operator", "")
        if operator not in _LABEL_SELECTOR_OPERATORS:
            raise SelectorError(f"{go_value(operator)} is not a valid label selector operator")
        values = tuple(expression.get("values") or ())
        found.append(requirement(expression.get("key", ""), _LABEL_SELECTOR_OPERATORS[operator], values))
    return Selector(sorted(found, key=lambda r: r.key)) if found else EVERYTHING


def pairs(labels: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Labels as records keep them: sorted pairs."""
    return tuple(sorted((labels or {}).items()))
