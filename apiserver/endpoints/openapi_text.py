"""Descriptions of fields, read from the source of the installed official client's models; none when it is not installed.

The package is never imported (that costs half a second): its files are found and read as text, one per definition, when
somebody asks for an OpenAPI document.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

_ATTRIBUTE = re.compile(r"^        '(\w+)': '([^']+)'", re.M)
_GETTER = re.compile(
    r"@property\n    def (\w+)\(self\):\n        r?\"\"\"Gets the .*?\n\n        (.*?)\n\n        :return:", re.S
)


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
    text = path.read_text(encoding="utf-8")
    names = text.partition("attribute_map = {")[2].partition("}")[0]
    on_the_wire = dict(_ATTRIBUTE.findall(names))
    found = {}
    for attribute, prose in _GETTER.findall(text):
        name = on_the_wire.get(attribute)
        if name is not None:
            found[name] = " ".join(prose.replace("# noqa: E501", "").split())
    return found
