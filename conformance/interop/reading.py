"""Reads everything two servers have in common through both and compares item by item, field by field, unmasked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from conformance.differential.compare import differences
from conformance.differential.player import Session
from conformance.interop.catalog import Kind, get
from conformance.target import Target

TRIES = 4  # leases of the servers themselves change in between: what differs is read again, and differs or not
PAUSE = 0.5


@dataclass
class Compared:
    """What came of reading: per kind how many objects, and each difference as a line."""

    objects: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.objects.values())


def _by_key(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}": item for item in items}


def _compare_once(kind: Kind, left: Session, right: Session) -> tuple[int, list[str]]:
    one, other = get(left, kind.path()), get(right, kind.path())
    found = [f"{kind.name} list{line}" for line in differences(
        {k: v for k, v in one.items() if k not in ("items", "metadata")},
        {k: v for k, v in other.items() if k not in ("items", "metadata")})]  # fmt: skip
    expected, actual = _by_key(one["items"]), _by_key(other["items"])
    if list(expected) != list(actual):
        found.append(f"{kind.name}: the order or the set of names differs: {sorted(set(expected) ^ set(actual))}")
    for key in expected.keys() & actual.keys():
        found += [f"{kind.name} {key}{line}" for line in differences(expected[key], actual[key])]
    return len(expected), found


def compare(real: Target, ours: Target, common: list[Kind]) -> Compared:
    """`real` says what is right."""
    result = Compared()
    left, right = Session(real), Session(ours)
    try:
        for kind in common:
            for attempt in range(TRIES):
                count, found = _compare_once(kind, left, right)
                if not found:
                    break
                if attempt < TRIES - 1:
                    time.sleep(PAUSE)
            result.objects[kind.name] = count
            result.differences += sorted(found)
    finally:
        left.close()
        right.close()
    return result


def listable(ours: dict[str, Kind], real: dict[str, Kind]) -> Iterator[Kind]:
    """What both serve and can list."""
    for name, kind in sorted(ours.items()):
        if "list" in kind.verbs and name in real:
            yield kind
