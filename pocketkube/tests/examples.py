"""The examples of docs/extending.md: files put beside the real ones, lines put into the real tables, for one test."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

MANUAL = Path(__file__).parents[2] / "docs" / "extending.md"
_BLOCK = re.compile(r"^```(\w+)\n# ([^\n]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Examples:
    """Blocks of the manual by their first line: `path` of a file, `path: TABLE` of a line in a table."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self._blocks: dict[str, str] = {about: code for _, about, code in _BLOCK.findall(MANUAL.read_text())}
        self._directory = directory
        self._patch = patch
        self._made: list[str] = []

    def text(self, about: str) -> str:
        return self._blocks[about]

    def file(self, path: str) -> Any:
        """The example's module, imported from beside the real ones; gone after the test."""
        target = self._directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self._blocks[path])
        return self._imported(path)

    def package(self, path: str, *others: str) -> Any:
        """A package of several files, `path` its __init__.py."""
        for each in (path, *others):
            target = self._directory / each
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._blocks[each])
        return self._imported(path.removesuffix("/__init__.py") + ".py")

    def _imported(self, path: str) -> Any:
        name = path.removesuffix(".py").replace("/", ".")
        parent = import_module(name.rpartition(".")[0])
        self._patch.setattr(parent, "__path__", [*parent.__path__, str((self._directory / path).parent)])
        module = import_module(name)
        self._made.append(name)
        return module

    def forget(self) -> None:
        """Take the modules out again."""
        for name in self._made:
            parent, _, last = name.rpartition(".")
            delattr(sys.modules[parent], last)
            for each in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
                del sys.modules[each]

    def line(self, about: str, **names: Any) -> Any:
        """Put the example's line into its table, `names` imported; what it says."""
        path, _, table = about.partition(": ")
        module = import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        known = {**vars(module), **names}
        old = getattr(module, table)
        if isinstance(old, Mapping):
            added = eval("{" + self._blocks[about] + "}", known)  # our own manual's text
            for key, value in added.items():
                self._patch.setitem(old, key, value)
        else:
            added = eval("(" + self._blocks[about].rstrip() + ",)", known)
            self._patch.setattr(module, table, (*old, *added))
        return added
