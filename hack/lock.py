#!/usr/bin/env python3
"""Make requirements.lock: the exact versions, in the running interpreter's environment, of all that pyproject.toml asks for.

usage: lock.py        run it with the Python of an environment that has `pip install -e .[dev]` and passes the tests
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
OWN = "pocketkube"


def asked() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    return [r for r in map(Requirement, lines) if canonical(r.name) != OWN]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """Name → version of the wanted and of what they need."""
    found: dict[str, str] = {}
    todo = [(r, frozenset(r.extras)) for r in wanted]
    while todo:
        requirement, extras = todo.pop()
        name = canonical(requirement.name)
        distribution = metadata.distribution(name)
        if name not in found:
            found[name] = distribution.version
        elif not extras:
            continue
        for line in distribution.requires or ():
            needed = Requirement(line)
            marker = needed.marker
            applies = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))
            if applies and (canonical(needed.name) not in found or needed.extras):
                todo.append((needed, frozenset(needed.extras)))
    return found


def main() -> None:
    lines = [f"{name}=={version}" for name, version in sorted(closure(asked()).items())]
    head = "# Made by `make lock`: the versions the tests passed with. Used as constraints by hack/venv.\n"
    (ROOT / "requirements.lock").write_text(head + "\n".join(lines) + "\n")
    print(f"requirements.lock: {len(lines)} packages", file=sys.stderr)


if __name__ == "__main__":
    main()
