"""Makes apiserver/generated/protobuf_fields.json.gz: field numbers of the API types, from the pinned modules' generated.proto.

`python hack/update_protobuf_fields.py`; needs Go, which fetches the modules. JSON names come from the schema facts.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
OUT = ROOT / "apiserver/generated/protobuf_fields.json.gz"
MODULES = ("k8s.io/api@v0.37.2", "k8s.io/apimachinery@v0.37.2")
PACKAGE = re.compile(r"^package ([\w.]+);", re.M)
MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(r"^  (optional|repeated|map<(\w+), ([\w.]+)>) ?([\w.]*) (\w+) = (\d+)(?: \[.*?\])?;", re.M)
SCALARS = ("string", "bytes", "bool", "int32", "int64", "uint32", "uint64", "double")
LABELS = {"optional": 0, "repeated": 1, "map": 2}


def module_dir(module: str) -> Path:
    told = subprocess.run(["go", "mod", "download", "-json", module], check=True, capture_output=True, text=True)
    return Path(json.loads(told.stdout)["Dir"])


def full_name(package: str, kind: str) -> str:
    """A proto type as the schema facts call it; scalars as they are."""
    if kind in SCALARS:
        return kind
    name = kind.lstrip(".") if "." in kind else f"{package}.{kind}"
    return name.replace("k8s.io.", "io.k8s.", 1)


def fields_of(package: str, body: str, properties: dict[str, str] | None) -> dict[str, list[Any]]:
    """number → [JSON name ("" where the message's fields are the parent's own), type, label]."""
    found: dict[str, list[Any]] = {}
    for label, key, value, kind, name, number in FIELD.findall(body):
        of = full_name(package, value if key else kind)
        json_name = name
        if properties is not None:
            json_name = properties.get(name.lower(), "")
            if not json_name and of in SCALARS:
                continue
        found[number] = [json_name, of, LABELS["map" if key else label]]
    return found


def main() -> int:
    from apiserver.apimachinery.schemas import builtin

    schemas = builtin()
    known = set(schemas.names())
    messages: dict[str, dict[str, list[Any]]] = {}
    for module in MODULES:
        for path in sorted(module_dir(module).rglob("generated.proto")):
            text = path.read_text()
            package = PACKAGE.search(text)
            for name, body in MESSAGE.findall(text) if package else ():
                full = full_name(package[1], name)
                properties = None
                if full in known and "properties" in schemas.raw(full):
                    properties = {field.lower(): field for field in schemas.raw(full)["properties"]}
                messages[full] = fields_of(package[1], body, properties)
    data = json.dumps(messages, sort_keys=True, separators=(",", ":")).encode()
    OUT.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{len(messages)} messages, {OUT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
