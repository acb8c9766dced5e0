"""Changes objects at random places: most of what comes out is nearly right, which is where the bugs are."""

from __future__ import annotations

import json
import random
from typing import Any

from conformance.robustness import values

_HOLE = "\u00a7hole\u00a7"
_HOLE_TEXT = json.dumps(_HOLE).encode()


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside."""
    found: list[tuple[Any, Any]] = []
    todo = [value] if isinstance(value, dict | list) else []
    while todo:
        container = todo.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            found.append((container, key))
            if isinstance(container[key], dict | list) and container[key]:
                todo.append(container[key])
    return found


def mutated(chance: random.Random, obj: Any, times: int) -> Any:
    """`obj`, changed in place at some places."""
    for _ in range(times):
        found = places(obj)
        if not found:
            return obj
        _change(chance, *chance.choice(found))
    return obj


def _change(chance: random.Random, container: Any, key: Any) -> None:
    how = chance.random()
    if how < 0.6:
        container[key] = values.value(chance)
    elif how < 0.75:
        del container[key]
    elif isinstance(container, list):
        container.insert(key, container[key] if how < 0.9 else values.value(chance))
    elif how < 0.9:
        container[str(chance.choice(values.STRINGS))] = values.value(chance)
    else:
        container[str(key).upper() if how < 0.95 else "nonsense"] = container[key]


def encoded(chance: random.Random, obj: Any) -> bytes:
    """As JSON, now and then with something in it that is no JSON, a key twice, or bytes that are damaged."""
    how = chance.random()
    if how < 0.1 and (found := places(obj)):
        container, key = chance.choice(found)
        container[key] = _HOLE
        return json.dumps(obj).encode().replace(_HOLE_TEXT, chance.choice(values.RAW), 1)
    data = json.dumps(obj).encode()
    if how < 0.15:
        return b'{"kind":"Other",' + data[1:] if data[:1] == b"{" else data
    return values.damaged(chance, data) if how < 0.2 else data


def pointer(chance: random.Random, obj: Any) -> str:
    """A JSON pointer to somewhere in `obj`, or to nowhere."""
    steps: list[str] = []
    while isinstance(obj, dict | list) and obj and chance.random() < 0.85:
        key = chance.choice(list(obj)) if isinstance(obj, dict) else chance.randrange(len(obj))
        steps.append(str(key).replace("~", "~0").replace("/", "~1"))
        obj = obj[key]
    if chance.random() < 0.3:
        steps.append(chance.choice(["-", "x", "", "0", "-1", "01", "99999999999", "~2", "ä", "a" * 300]))
    return "".join(f"/{step}" for step in steps) if chance.random() < 0.95 else chance.choice(["x", "//", "~", "/~"])


def json_patch(chance: random.Random, obj: Any) -> Any:
    ops = []
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 40])):
        op: dict[str, Any] = {"op": chance.choice(["add", "remove", "replace", "move", "copy", "test", "", "ADD"])}
        op["path"] = pointer(chance, obj)
        if chance.random() < 0.8:
            op["value"] = values.value(chance)
        if op["op"] in ("move", "copy"):
            op["from"] = pointer(chance, obj)
        ops.append(op if chance.random() < 0.97 else values.value(chance))
    return ops if chance.random() < 0.97 else values.value(chance)


DIRECTIVES: list[tuple[str, Any]] = [
    ("$patch", "replace"), ("$patch", "delete"), ("$patch", "merge"), ("$patch", "nonsense"), ("$patch", 1),
    ("$retainKeys", ["a"]),
    ("$retainKeys", "a"), ("$retainKeys", [1]), ("$setElementOrder/containers", [{"name": "c"}]),
    ("$setElementOrder/containers", [1]),
    ("$setElementOrder/containers", "x"), ("$setElementOrder/finalizers", ["a"]), ("$setElementOrder/", []),
    ("$deleteFromPrimitiveList/finalizers", ["a"]),
    ("$deleteFromPrimitiveList/finalizers", "a"), ("$deleteFromPrimitiveList/nonsense", [{}]),
    ("$deleteFromPrimitiveList/", None), ("$x", 1), ("", None),
]  # fmt: skip


def strategic_patch(chance: random.Random, obj: Any) -> Any:
    """A part of the object with directives in it."""
    found = [container for container, _ in places(obj) if isinstance(container, dict)] or [obj]
    for _ in range(chance.randrange(3)):
        key, directive = chance.choice(DIRECTIVES)
        target = chance.choice(found)
        if isinstance(target, dict):
            target[key] = json.loads(json.dumps(directive))
    return mutated(chance, obj, chance.randrange(3))
