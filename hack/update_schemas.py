#!/usr/bin/env python3
"""Pack the facts about Kubernetes' API types into apiserver/generated/schemas.json.gz.

Two sources, both at the pinned version, found through the Go module proxy (`go mod download`): the OpenAPI v3 documents
(types, formats, defaults, list and map types, merge keys, required fields, kinds) and the Go declarations (the order of fields,
the Go type, omitempty: what encoding/json writes). Prose is left out. Run it again when VERSION changes.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from go_types import Field, Types, read_package

VERSION = "1.37.2"
MODULES = ("api", "apimachinery", "apiextensions-apiserver", "kube-aggregator")  # k8s.io/<name>@v0.37.2
TARGET = Path(__file__).resolve().parent.parent / "apiserver" / "generated" / "schemas.json.gz"
OMITEMPTY, OMITZERO = 1, 2

Json = dict[str, Any]


class Pool:
    """Distinct values, numbered in order of arrival."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._index: dict[str, int] = {}

    def add(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in self._index:
            self._index[key] = len(self.values)
            self.values.append(value)
        return self._index[key]


def module(name: str, version: str) -> Path:
    output = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/{name}@v{version}"], check=True, capture_output=True, cwd="/"
    )
    return Path(json.loads(output.stdout)["Dir"])


def read_types() -> Types:
    types = Types()
    for name in MODULES:
        root = module(name, "0" + VERSION[1:])
        for directory in sorted({file.parent for file in root.rglob("*.go") if "testdata" not in file.parts}):
            types.add(read_package(directory, f"k8s.io/{name}/{directory.relative_to(root).as_posix()}"))
    return types


def read_definitions() -> dict[str, Json]:
    directory = module("kubernetes", VERSION) / "api" / "openapi-spec" / "v3"
    definitions: dict[str, Json] = {}
    for file in sorted(directory.glob("*.json")) + sorted(directory.glob(".*.json")):
        for name, definition in json.loads(file.read_text()).get("components", {}).get("schemas", {}).items():
            known = definitions.setdefault(name, definition)
            key = "x-kubernetes-group-version-kind"
            if len(definition.get(key, ())) > len(known.get(key, ())):
                definitions[name] = definition
    return definitions


def without_prose(value: Any) -> Any:
    """An OpenAPI schema without descriptions (a property may well be called `description`: those are values of `properties`)."""
    if isinstance(value, list):
        return [without_prose(v) for v in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: without_prose(v) for name, v in inner.items()} if key == "properties" else without_prose(inner)
        for key, inner in value.items()
        if key != "description"
    }


def add_enum(schema: Json, go_type: str, types: Types) -> None:
    """Write the values of a `+enum` type where the server does: the repository's documents are made without them."""
    if go_type.startswith("*"):
        return add_enum(schema, go_type[1:], types)
    if go_type.startswith("[]"):
        return add_enum(schema["items"], go_type[2:], types) if "items" in schema else None
    if go_type.startswith("map["):
        inner = schema.get("additionalProperties")
        return add_enum(inner, go_type[go_type.index("]") + 1 :], types) if inner else None
    if values := types.enum(go_type):
        schema["enum"] = values
    return None


def pack_property(schema: Json, field: Field | None, specs: Pool, go_types: Pool) -> list[Any]:
    if field is None:
        return [specs.add(schema)]
    flags = OMITEMPTY * field.omitempty | OMITZERO * field.omitzero
    packed: list[Any] = [specs.add(schema), go_types.add(field.type), flags]
    return [*packed, ".".join(field.embedded)] if field.embedded and field.embedded != ("TypeMeta",) else packed


def pack(definitions: dict[str, Json], types: Types) -> Json:
    specs, go_types = Pool(), Pool()
    packed: dict[str, Json] = {}
    for name in sorted(definitions):
        definition = without_prose(definitions[name])
        properties = definition.pop("properties", {})
        fields = {f.json: f for f in types.fields(name)}
        for json_name, schema in properties.items():
            if json_name in fields:
                add_enum(schema, fields[json_name].type, types)
        order = [n for n in fields if n in properties] + [n for n in properties if n not in fields]
        if properties:
            definition["properties"] = {n: pack_property(properties[n], fields.get(n), specs, go_types) for n in order}
        packed[name] = definition
    return {
        "version": f"v{VERSION}",
        "specs": specs.values,
        "goTypes": go_types.values,
        "goNamed": named_types(go_types.values, types),
        "definitions": packed,
    }


def named_types(go_types: list[str], types: Types) -> dict[str, str]:
    """What the named scalars, lists and maps among the Go types stand for."""
    found: dict[str, str] = {}
    todo = list(go_types)
    while todo:
        text = todo.pop()
        for name in text.replace("map[", " ").replace("[]", " ").replace("]", " ").replace("*", " ").split():
            if name in types.named and name not in types.structs and name not in found:
                found[name] = types.named[name]
                todo.append(types.named[name])
    return dict(sorted(found.items()))


def main() -> int:
    packed = pack(read_definitions(), read_types())
    text = json.dumps(packed, separators=(",", ":"), sort_keys=False).encode()
    data = gzip.compress(text, 9, mtime=0)
    if "--check" in sys.argv:
        same = TARGET.exists() and gzip.decompress(TARGET.read_bytes()) == text
        print("schemas are current" if same else "schemas differ: run hack/update_schemas.py")
        return 0 if same else 1
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(packed['definitions'])} types, {len(text)} bytes, {len(data)} compressed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
