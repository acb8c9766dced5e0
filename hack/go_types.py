"""A reader of Go struct declarations: what encoding/json does with each field of the Kubernetes API types.

It reads only what those sources use: `type X struct {…}`, `type X Y`, typed string constants, struct tags, `+enum` marks.
Types are written as `*`, `[]`, `map[K]` before a name; a name is a Go builtin or a full one (`io.k8s.api.core.v1.PodSpec`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_IMPORT = re.compile(r'^\s*(?:(\w+)\s+)?"([^"]+)"', re.M)
_IMPORTS = re.compile(r"^import\s*\((.*?)^\)|^import\s+(.*)$", re.M | re.S)
_STRUCT = re.compile(r"^(?:type )?\s?(\w+) struct \{\n(.*?)^\s?\}", re.M | re.S)
_NAMED = re.compile(r"^type (\w+) (?!struct|interface|func|=)([\w.*\[\]]+)\s*(?://.*)?$", re.M)
_ALIAS = re.compile(r"^type (\w+) = ([\w.]+)", re.M)
_CONSTS = re.compile(r"^const \((.*?)^\)|^const (.*)$", re.M | re.S)
_CONST = re.compile(r'^\s*(\w+)(?:\s+(\w+)\s*=|\s*=\s*(\w+)\()\s*(?:"([^"]*)"|([\w.]+)\))', re.M)
_ENUM = re.compile(r"((?:^//.*\n)+)type (\w+) string", re.M)
_FIELD = re.compile(r"^(?:(\w+)\s+)?([*\w.\[\]{}]+(?:\s*\{\})?)\s*(?:`([^`]*)`)?\s*(?://.*)?$")
_JSON_TAG = re.compile(r'json:"([^"]*)"')
BUILTIN = {
    *("string", "bool", "byte", "any", "float32", "float64"),
    *("int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64"),
}


@dataclass
class Field:
    """One JSON field of a struct, with the embedded structs on the way to it."""

    json: str
    type: str
    omitempty: bool = False
    omitzero: bool = False
    embedded: tuple[str, ...] = ()  # names of Go's embedded fields, outermost first


@dataclass
class Package:
    """One Go package: its structs (fields before inlining), named types and enums."""

    path: str
    structs: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)  # (Go name or "", type, tag)
    named: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)  # name → text, or @ and another constant's full name
    enums: dict[str, list[str]] = field(default_factory=dict)  # type → its constants' full names


def full_name(path: str, name: str) -> str:
    """`k8s.io/api/core/v1` and `PodSpec` → `io.k8s.api.core.v1.PodSpec`."""
    host, _, rest = path.partition("/")
    return ".".join([*reversed(host.split(".")), *rest.split("/"), name])


def _imports(text: str) -> dict[str, str]:
    found = {}
    for block, single in _IMPORTS.findall(text):
        for alias, path in _IMPORT.findall(block or single):
            found[alias or path.rsplit("/", 1)[-1]] = path
    return found


def _resolve(type_text: str, package: str, imports: dict[str, str]) -> str:
    """Replace the names in a Go type by full ones."""

    def name(match: re.Match[str]) -> str:
        qualifier, ident = match.group(1), match.group(2)
        if qualifier:
            return full_name(imports[qualifier[:-1]], ident)
        return ident if ident in BUILTIN or ident == "map" else full_name(package, ident)

    return re.sub(r"(\w+\.)?(\w+)", name, type_text.replace("interface{}", "any").replace("struct{}", "any"))


def _without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"^\s*//.*\n", "", text, flags=re.M)


def read_package(directory: Path, path: str) -> Package:
    package = Package(path)
    typed: dict[str, list[str]] = {}
    marked: list[str] = []
    for file in sorted(directory.glob("*.go")):
        if file.name.startswith("zz_") or file.name.endswith(("_test.go", ".pb.go")):
            continue
        text = file.read_text()
        marked += [name for comment, name in _ENUM.findall(text) if re.search(r"^// \+enum\s*$", comment, re.M)]
        imports = _imports(text)
        for block, single in _CONSTS.findall(text):
            for name, declared, converted, value, other in _CONST.findall(block or single):
                package.constants[name] = "@" + _resolve(other, path, imports) if other else value
                typed.setdefault(declared or converted, []).append(full_name(path, name))
        bare = _without_comments(text)
        for name, body in _STRUCT.findall(bare):
            package.structs[name] = [f for line in body.splitlines() if (f := _field(line, path, imports))]
        for name, target in _NAMED.findall(bare):
            package.named[name] = _resolve(target, path, imports)
        for name, target in _ALIAS.findall(bare):
            package.aliases[name] = _resolve(target, path, imports)
    package.enums = {name: typed.get(name, []) for name in marked}
    return package


def _field(line: str, path: str, imports: dict[str, str]) -> tuple[str, str, str] | None:
    match = _FIELD.match(line.strip())
    if not match or not match.group(2):
        return None
    name, type_text, tags = match.groups()
    tag = _JSON_TAG.search(tags or "")
    if tag is None and name and not name[0].isupper():
        return None
    try:
        return name or "", _resolve(type_text, path, imports), tag.group(1) if tag else ""
    except KeyError:
        return None


class Types:
    """All packages read so far, by full names."""

    def __init__(self) -> None:
        self.structs: dict[str, list[tuple[str, str, str]]] = {}
        self.named: dict[str, str] = {}
        self.aliases: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self._enums: dict[str, list[str]] = {}

    def add(self, package: Package) -> None:
        for name, fields in package.structs.items():
            self.structs[full_name(package.path, name)] = fields
        for name, target in package.named.items():
            self.named[full_name(package.path, name)] = target
        for name, target in package.aliases.items():
            self.aliases[full_name(package.path, name)] = target
        for name, value in package.constants.items():
            self.constants[full_name(package.path, name)] = value
        for name, values in package.enums.items():
            self._enums[full_name(package.path, name)] = values

    def enum(self, type_name: str) -> list[str]:
        """The sorted values of a type marked `+enum`, [] for any other."""
        return sorted({self._constant(name) for name in self._enums.get(type_name, ())})

    def _constant(self, name: str) -> str:
        value = self.constants[name]
        return self._constant(value[1:]) if value.startswith("@") else value

    def unalias(self, type_text: str) -> str:
        """The type with every alias replaced by what it stands for."""
        return re.sub(r"[\w.-]+", lambda m: self.aliases.get(m.group(), m.group()), type_text)

    def struct(self, name: str) -> list[tuple[str, str, str]] | None:
        """The declared fields of a struct type, through aliases and `type X Y`."""
        seen = 0
        while name not in self.structs and seen < 8:
            name, seen = self.aliases.get(name) or self.named.get(name, ""), seen + 1
        return self.structs.get(name)

    def fields(self, struct: str, embedded: tuple[str, ...] = ()) -> list[Field]:
        """The JSON fields of a struct in Go's order, embedded structs flattened."""
        found: list[Field] = []
        for go_name, type_text, tag in self.struct(struct) or ():
            type_text = self.unalias(type_text)
            json_name, *options = tag.split(",")
            if json_name == "-":
                continue
            if not json_name and (not go_name or "inline" in options):
                target = type_text.lstrip("*")
                found += self.fields(target, (*embedded, go_name or target.rsplit(".", 1)[-1]))
                continue
            field_ = Field(json_name or go_name, type_text, "omitempty" in options, "omitzero" in options, embedded)
            found.append(field_)
        names = {f.json: f for f in sorted(found, key=lambda f: -len(f.embedded))}  # the shallowest wins, as in Go
        return [f for f in found if names[f.json] is f]
