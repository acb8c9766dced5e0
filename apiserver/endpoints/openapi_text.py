"""Descriptions of fields, read from the source of the installed official client's models; none when it is not installed.

The package is never imported (that costs half a second): its files are found and read as text, one per definition, when
somebody asks for an OpenAPI document.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import lru_cache
from pathlib import Path

_FIELD = re.compile(r"^    (\w+): .* = Field\((.*)\)$", re.M)
_ALIAS = re.compile(r'serialization_alias="([^"]+)"')
_PROSE = re.compile(r'description=("(?:[^"\\]|\\.)*")')


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """Model files by their name without underscores; empty without the package."""
    spec = importlib.util.find_spec("kubernetes")
    if spec is None or not spec.submodule_search_locations:
        return {}
    models = Path(spec.submodule_search_locations[0]) / "client" / "models"
    return {path.stem.replace("_", ""): path for path in models.glob("*.py")}


def _file_of(definition: str) -> Path | None:
    """`io.k8s.api.core.v1.PodSpec` → v1_pod_spec.py, or core_v1_… where several groups have the name."""
    group, version, kind = definition.split(".")[-3:]
    plain = (version + kind).lower()
    files = _files()
    return files.get(plain) or files.get(group.replace("k8s", "").lower() + plain)


@lru_cache(maxsize=4096)
def descriptions(definition: str) -> dict[str, str]:
    """JSON field → description of one definition."""
    path = _file_of(definition) if definition.count(".") >= 3 else None
    if path is None:
        return {}
    found = {}
    for attribute, arguments in _FIELD.findall(path.read_text(encoding="utf-8")):
        alias, prose = _ALIAS.search(arguments), _PROSE.search(arguments)
        if prose is not None:
            found[alias[1] if alias else attribute] = str(ast.literal_eval(prose[1]))
    return found
