"""Scenarios as data: YAML files of steps, with variables, derived objects and one ladder of steps played for many kinds.

A file holds `scenarios: [{name, steps: […]}]` or `ladder: {kinds: …, steps: […]}`, where the steps that `general` names are
for the kinds among `representatives` only. A step is one request:
`{id?, GET|POST|PUT|PATCH|DELETE|…: path, query?, headers?, body?, raw?, capture?, pick?, repeat?}`.
`${name}` is replaced by a variable; a value that is nothing but `${name}` takes the variable's value as it is.
`{$with: object, set: {dotted.path: value}, unset: [dotted.path]}` derives an object from another.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")


@dataclass
class Step:
    """One request of a scenario, its variables not yet filled in. `id` is unique within the scenario."""

    id: str
    method: str
    path: Any
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    raw: Any = None  # the body as text, sent as it is
    capture: dict[str, str] = field(default_factory=dict)  # variable → dotted path in the answer's body
    pick: dict[str, Any] | None = None  # {list, key, values}: what of a long list is compared
    watch: bool = False  # the answer is a stream of JSON lines


@dataclass
class Scenario:
    """Steps in order, in a namespace of their own (`${ns}`), created before and left behind."""

    area: str
    name: str
    steps: list[Step]
    variables: dict[str, Any]


def _dotted(path: str) -> list[str]:
    """`a.b\\.c.0` → ["a", "b.c", "0"]."""
    return [part.replace("\x00", ".") for part in path.replace("\\.", "\x00").split(".")]


def lookup(value: Any, path: str) -> Any:
    """The value under a dotted path; None where it is absent."""
    for part in _dotted(path):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _assign(target: Any, path: str, value: Any) -> None:
    *parents, last = _dotted(path)
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
    if isinstance(target, list):
        target[int(last)] = value
    else:
        target[last] = value


def _remove(target: Any, path: str) -> None:
    *parents, last = _dotted(path)
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target.get(part, {})
    if isinstance(target, dict):
        target.pop(last, None)


def fill(value: Any, variables: dict[str, Any]) -> Any:
    """`value` with its variables and derived objects worked out. Raises KeyError for an unknown variable."""
    if isinstance(value, str):
        if whole := _VARIABLE.fullmatch(value):
            return fill(copy.deepcopy(variables[whole[1]]), variables)
        return _VARIABLE.sub(lambda m: str(fill(variables[m[1]], variables)), value)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if not isinstance(value, dict):
        return value
    if "$with" not in value:
        return {fill(k, variables): fill(v, variables) for k, v in value.items()}
    made = copy.deepcopy(fill(value["$with"], variables))
    for path, item in fill(value.get("set", {}), variables).items():
        _assign(made, path, item)
    for path in value.get("unset", ()):
        _remove(made, path)
    return made


def _step(raw: dict[str, Any], index: int) -> Step:
    method = next((m for m in METHODS if m in raw), "WATCH" if "WATCH" in raw else "")
    if not method:
        raise ValueError(f"step {index} names no method: {raw}")
    known = {"id", "query", "headers", "body", "raw", "capture", "pick", method}
    if extra := set(raw) - known:
        raise ValueError(f"step {index} ({raw[method]}): unknown keys {sorted(extra)}")
    return Step(
        id=str(raw.get("id", f"{index:02d}")),
        method="GET" if method == "WATCH" else method,
        path=raw[method],
        query=raw.get("query", {}),
        headers=raw.get("headers", {}),
        body=raw.get("body"),
        raw=raw.get("raw"),
        capture=raw.get("capture", {}),
        pick=raw.get("pick"),
        watch=method == "WATCH",
    )


def _steps(raw: list[dict[str, Any]]) -> list[Step]:
    steps = [_step(item, index) for index, item in enumerate(raw)]
    if len({step.id for step in steps}) != len(steps):
        raise ValueError("step ids repeat")
    return steps


def _ladder(area: str, document: dict[str, Any]) -> Iterator[Scenario]:
    for kind, facts in document["kinds"].items():
        skip = set(facts.get("skip", ()))
        if kind not in document.get("representatives", ()):
            skip.update(document.get("general", ()))
        steps = [step for step in _steps(document["steps"]) if step.id not in skip]
        steps += _steps([{**item, "id": f"own-{i:02d}"} for i, item in enumerate(facts.get("steps", ()))])
        yield Scenario(area, kind, steps, {"kind": kind, **document.get("variables", {}), **facts})


def load(directory: Path = HERE / "scenarios") -> list[Scenario]:
    """All scenarios, in the order of files and of what stands in them."""
    found: list[Scenario] = []
    for path in sorted(directory.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        area = document.get("area", path.stem)
        if "ladder" in document:
            found += _ladder(area, document["ladder"])
        for item in document.get("scenarios", ()):
            found.append(
                Scenario(
                    area,
                    item["name"],
                    _steps(item["steps"]),
                    {**document.get("variables", {}), **item.get("variables", {})},
                )
            )
    return found
