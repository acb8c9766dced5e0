"""Compares two answers after masking what cannot be the same twice; every mask puts a type in a value's place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent / "masks.yaml"


@dataclass(frozen=True)
class Mask:
    """Values at paths that match `path` and that look like `value` become `name`."""

    path: re.Pattern[str]
    value: re.Pattern[str]
    name: str


@dataclass(frozen=True)
class Rules:
    """Masks of whole values, masks inside texts, and differences accepted with a reason."""

    masks: tuple[Mask, ...]
    texts: tuple[tuple[re.Pattern[str], str], ...]
    accepted: dict[str, str]  # "area/scenario/step" (or a prefix ending in *) → reason

    def reason(self, step: str) -> str | None:
        for pattern, reason in self.accepted.items():
            if step == pattern or (pattern.endswith("*") and step.startswith(pattern[:-1])):
                return reason
        return None


def load_rules(path: Path = RULES) -> Rules:
    document = yaml.safe_load(path.read_text())
    masks = tuple(Mask(re.compile(m["path"]), re.compile(m["value"], re.S), m["as"]) for m in document["masks"])
    texts = tuple((re.compile(t["pattern"]), t["as"]) for t in document["texts"])
    return Rules(masks, texts, document.get("accepted") or {})


def masked(rules: Rules, value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        return {_text(rules, k): masked(rules, v, f"{path}.{k}") for k, v in value.items()}
    if isinstance(value, list):
        items = _without_time_order(value) if path.endswith(".managedFields") else value
        return [masked(rules, item, f"{path}[]") for item in items]
    if isinstance(value, str | int) and not isinstance(value, bool):
        for mask in rules.masks:
            if mask.path.search(path) and mask.value.fullmatch(str(value)):
                return mask.name
    return _text(rules, value) if isinstance(value, str) else value


_BY_TIME = ("operation", "time", "manager", "apiVersion", "subresource")


def _without_time_order(entries: list[Any]) -> list[Any]:
    """managedFields stand in the order of their times, which two runs do not share: where they rightly do, by names."""
    if not all(isinstance(entry, dict) for entry in entries):
        return entries

    def ordered(*fields: str) -> list[Any]:
        return sorted(entries, key=lambda entry: [str(entry.get(field) or "") for field in fields])

    in_order = entries == ordered(*_BY_TIME)  # upstream managedfields/managedfields.go sortEncodedManagedFields
    return ordered(*(field for field in _BY_TIME if field != "time")) if in_order else entries


def _text(rules: Rules, value: str) -> str:
    for pattern, name in rules.texts:
        value = pattern.sub(name, value)
    return value


def differences(expected: Any, actual: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, a line each."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in [*expected, *(k for k in actual if k not in expected)]:
            if key not in actual:
                yield f"{path}.{key}: missing (real: {_short(expected[key])})"
            elif key not in expected:
                yield f"{path}.{key}: not in the real answer ({_short(actual[key])})"
            else:
                yield from differences(expected[key], actual[key], f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{path}: {len(actual)} items, the real answer has {len(expected)}"
        for index, (left, right) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(left, right, f"{path}[{index}]")
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{path}: {_short(actual)} (real: {_short(expected)})"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else text[:297] + "…"


def compare(rules: Rules, expected: dict[str, Any], actual: dict[str, Any]) -> list[str]:
    """Differences between two kept answers (status, type, warnings, body)."""
    left = {k: v for k, v in expected.items() if k != "request"}
    right = {k: v for k, v in actual.items() if k != "request"}
    return list(differences(masked(rules, left), masked(rules, right)))
