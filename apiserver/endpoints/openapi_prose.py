"""Descriptions of built-in fields and of parameters, read at run time from the official `kubernetes` client, where it is installed.

Its files are read as text: importing the package would load all of them.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# Newer clients declare fields with their description, older ones (OpenAPI Generator's) have it in the getters.
_FIELD = re.compile(r'^    (\w+): (?:.*serialization_alias="([^"]+)")?.*?description=("(?:[^"\\]|\\.)*")', re.M)
_GETTER = re.compile(
    r'@property\n    def (\w+)\(self\):\n        """Gets the [^\n]*\n\n(.*?)\n\n        :return:', re.S
)
_NAMES = re.compile(r"attribute_map = \{(.*?)\n    \}", re.S)
_PAIR = re.compile(r"'(\w+)': '([^']+)'")
# Newer clients say what the type is before its attributes.
_ABOUT = re.compile(r'^class \w+\(BaseModel\):\n    """\n(.*?)\n\n    Attributes:', re.M | re.S)
_PARAMETER = re.compile(r"^ +:param (?:\w+ )?(\w+): (\S.*)$", re.M)
_LONGEST_CALL = 40_000  # characters from a call's name to the end of its documentation
_NOQA = re.compile(r"\s*# noqa: E501\s*$", re.M)


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """Model files by name without underscores: `v1podspec`."""
    try:
        spec = find_spec("kubernetes")
    except (ImportError, ValueError):
        return {}
    if spec is None or not spec.submodule_search_locations:
        return {}
    models = Path(spec.submodule_search_locations[0]) / "client" / "models"
    return {path.stem.replace("_", ""): path for path in sorted(models.glob("*.py"))}


def available() -> bool:
    """Whether there are any descriptions."""
    return bool(_files())


class Prose(NamedTuple):
    """What is said about a type, and about its fields by their JSON names."""

    about: str
    fields: dict[str, str]


def prose(definition: str) -> Prose:
    """What the client says about a type; nothing for one that it does not know."""
    *_, group, version, name = ["", *definition.split(".")][-3:]
    files = _files()
    path = files.get(f"{version}{name}".lower()) or files.get(f"{group}{version}{name}".lower())
    return _read(path) if path is not None else Prose("", {})


def _read(path: Path) -> Prose:
    text = path.read_text(encoding="utf-8")
    about = _ABOUT.search(text)
    found = {alias or attribute: ast.literal_eval(quoted) for attribute, alias, quoted in _FIELD.findall(text)}
    return Prose(about[1].strip().replace('\\"', '"') if about else "", found or _read_getters(text))


def _read_getters(text: str) -> dict[str, str]:
    names = _NAMES.search(text)
    json_names = dict(_PAIR.findall(names.group(1))) if names else {}
    getters = ((json_names.get(attribute), body) for attribute, body in _GETTER.findall(text))
    return {name: _NOQA.sub("", body).strip() for name, body in getters if name}


@lru_cache(maxsize=1)
def _calls() -> str:
    """The client's calls for the core group: as text, 4 MB, for the time of making a document."""
    files = _files()
    path = next(iter(files.values())).parent.parent / "api" / "core_v1_api.py" if files else None
    return path.read_text(encoding="utf-8") if path is not None and path.exists() else ""


def forget_calls() -> None:
    _calls.cache_clear()


def parameters(call: str) -> dict[str, str]:
    """What one of the client's calls (`list_namespaced_pod`) takes: name in small letters → description; {} if nobody says.

    The client has turned line ends into blanks.
    """
    _, found, text = _calls().partition(f"\n    def {call}(")
    documented = text[:_LONGEST_CALL].partition('"""')[2].partition('        """')[0] if found else ""
    return {
        name.replace("_", ""): said.removesuffix(" (required)").replace('\\"', '"')
        for name, said in _PARAMETER.findall(documented)
    }
