"""Field selectors: parsed, printed and matched as upstream does (k8s.io/apimachinery/pkg/fields)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from apiserver.apimachinery.labels import SelectorError

__all__ = ["EVERYTHING", "Requirement", "Selector", "SelectorError", "escape", "parse"]

_OPERATORS = ("!=", "==", "=")
_ESCAPED = ("\\", ",", "=")


class Requirement(NamedTuple):
    """`field=value` or, with operator "!=", its opposite. An absent field has the value ""."""

    field: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{escape(self.value)}"


class Selector:
    """A conjunction of requirements, sorted by their text; without any it matches everything."""

    __slots__ = ("requirements", "text")

    def __init__(self, requirements: Iterable[Requirement] = ()) -> None:
        self.requirements = tuple(requirements)
        self.text = ",".join(map(str, self.requirements))

    @property
    def empty(self) -> bool:
        """Does it leave everything in?"""
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all((fields.get(r.field, "") == r.value) == (r.operator == "=") for r in self.requirements)

    def requires_exact_match(self, field: str) -> str | None:
        """The one value that `field` must have, if the selector says so."""
        for requirement in self.requirements:
            if requirement.field == field and requirement.operator == "=":
                return requirement.value
        return None

    def transform(self, convert: Callable[[str, str], tuple[str, str]]) -> Selector:
        """Every requirement's (field, value) through `convert`; ("", "") drops it. `convert` raises what it likes."""
        found = []
        for requirement in self.requirements:
            field, value = convert(requirement.field, requirement.value)
            if field or value:
                found.append(Requirement(field, requirement.operator, value))
        return Selector(found)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Selector {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)


EVERYTHING = Selector()


def escape(value: str) -> str:
    """A value as it must stand in a selector."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _unescape(text: str) -> str:
    if not any(c in text for c in _ESCAPED):
        return text
    found, characters = [], iter(text)
    for c in characters:
        if c == "\\":
            escaped = next(characters, "")
            if escaped not in _ESCAPED:
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped}")
            found.append(escaped)
        elif c in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(c)}")
        else:
            found.append(c)
    return "".join(found)


def _terms(text: str) -> list[str]:
    """The comma-separated terms; an escaped comma belongs to its term."""
    found, start, escaped = [], 0, False
    for i, c in enumerate(text):
        if escaped:
            escaped = False
        elif c == "\\":
            escaped = True
        elif c == ",":
            found.append(text[start:i])
            start = i + 1
    return [*found, text[start:]]


def _term(term: str, selector: str) -> Requirement:
    for i in range(len(term)):
        for operator in _OPERATORS:
            if term.startswith(operator, i):
                value = _unescape(term[i + len(operator) :])
                return Requirement(term[:i], "!=" if operator == "!=" else "=", value)
    raise SelectorError(f"invalid selector: '{selector}'; can't understand '{term}'")


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Read a selector in text form; raises SelectorError."""
    if not text:
        return EVERYTHING
    terms = (_term(term, text) for term in sorted(_terms(text)) if term)
    return Selector(term for term in terms if term.field or term.value)  # upstream hasTerm.Transform: "=" is everything
