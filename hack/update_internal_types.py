#!/usr/bin/env python3
"""Write apiserver/generated/internal_types.json: how Go's internal types print as JSON.

A refused update of a pod shows a diff of upstream's *internal* types, and so does the value of a field that may not change:
Go's field names, all of them, in their order. This reads the struct declarations under pkg/apis (internal) and k8s.io/api
(wire names) of the pinned module.
Format: type → list of [Go name, wire name, type], an embedded struct has the Go name "".
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "apiserver" / "generated" / "internal_types.json"
VERSION = "1.37.2"
# group → the types that errors show; what they refer to comes along
START = {
    "core": (
        "PodSpec",
        "PodTemplateSpec",
        "EphemeralContainer",
        "PersistentVolumeClaim",
        "PersistentVolumeSpec",
        "ResourceQuotaSpec",
        "Taint",
        "NodeAddress",
        "NodeConfigSource",
        "EventSource",
        "SecretReference",
    ),
    "apps": ("DeploymentStrategy", "DaemonSetUpdateStrategy", "StatefulSetUpdateStrategy"),
    "batch": ("PodFailurePolicy", "SuccessPolicy", "UncountedTerminatedPods"),
    "policy": ("PodDisruptionBudgetSpec",),
    "storage": ("CSINodeDriver", "VolumeAttachmentSpec"),
    "node": ("Scheduling",),
    "resource": ("ResourceClaimTemplateSpec",),
    "certificates": ("PodCertificateRequestSpec",),
    "flowcontrol": ("FlowSchemaSpec", "PriorityLevelConfigurationSpec"),
}

_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^type (\w+) ([\w.\[\]*]+)$|^\t(\w+) ([a-z]\w*)$", re.MULTILINE)
_FIELD = re.compile(r'^\t(\w+)\s+([\w.\[\]*]+)(?:\s+`json:"([^",]*)[^`]*`)?')
_EMBEDDED = re.compile(r"^\t((?:\w+\.)?[A-Z]\w*)(?:\s+`[^`]*`)?\s*$")


def module_directory(module: str) -> Path:
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    return Path(cache) / module


def fields_of(body: str) -> list[tuple[str, str, str]]:
    """(Go name, wire name, type) of a struct's fields; embedded ones have no Go name."""
    found = []
    for line in body.splitlines():
        code = line.partition("//")[0].rstrip()
        if match := _EMBEDDED.match(code):
            found.append(("", "", match[1]))
        elif match := _FIELD.match(code):
            found.append((match[1], match[3] or "", match[2]))
    return found


def structs(path: Path) -> dict[str, list[tuple[str, str, str]]]:
    return {name: fields_of(body) for name, body in _STRUCT.findall(path.read_text())}


def scalars(path: Path) -> dict[str, str]:
    """Named types that are plain strings or the like, by what they are."""
    return {name: target for name, target, _, _ in _NAMED.findall(path.read_text()) if name}


def resolve(kind: str, named: dict[str, str]) -> str:
    base = kind.lstrip("*[]")
    if base.startswith("map"):
        return kind
    own = re.sub(r"^(api|core)\.", "", base)  # what other groups call core
    return kind[: len(kind) - len(base)] + named.get(own, own)


def collect(group: str, out: dict[str, list[list[str]]]) -> None:
    """The types of one group, in their order of discovery."""
    internal = module_directory(f"k8s.io/kubernetes@v{VERSION}") / f"pkg/apis/{group}/types.go"
    wire_file = module_directory(f"k8s.io/api@v0.{VERSION.partition('.')[2]}") / f"{group}/v1/types.go"
    types, wire, named = structs(internal), structs(wire_file), scalars(internal)
    waiting = list(START[group])
    while waiting:
        name = waiting.pop()
        if name in out or name not in types:
            continue
        names = {go: json_name for go, json_name, _ in wire.get(name, ())}
        rows = []
        for go, _, kind in types[name]:
            kind = resolve(kind, named)
            rows.append([go, names.get(go) or go[:1].lower() + go[1:], kind])
            waiting.append(kind.lstrip("*[]"))
        out[name] = rows


def main() -> None:
    out: dict[str, list[list[str]]] = {}
    for group in START:
        collect(group, out)
    lines = [f"{json.dumps(name)}:{json.dumps(out[name], separators=(',', ':'))}" for name in sorted(out)]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
