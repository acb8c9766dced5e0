#!/usr/bin/env python3
"""Make apiserver/generated/feature_gates.json: every feature gate of Kubernetes, its stage and default.

usage: update_feature_gates.py MODULES       the Go module cache's k8s.io directory, with the pinned version in it
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "apiserver" / "generated" / "feature_gates.json"
KUBERNETES, STAGING = "@v1.37.2", "@v0.37.2"
VERSION = (1, 37)
SOURCES = (
    f"kubernetes{KUBERNETES}/pkg/features/kube_features.go",
    f"apiserver{STAGING}/pkg/features/kube_features.go",
    f"apiextensions-apiserver{STAGING}/pkg/features/kube_features.go",
    f"component-base{STAGING}/logs/api/v1/kube_features.go",
    f"component-base{STAGING}/metrics/features/kube_features.go",
    f"component-base{STAGING}/zpages/features/kube_features.go",
    f"client-go{STAGING}/features/known_features.go",
    f"controller-manager{STAGING}/pkg/features/kube_features.go",
)
NAME = re.compile(r'^\s+(\w+)\s+(?:featuregate\.)?\w* ?= "(\w+)"', re.MULTILINE)
ENTRY = re.compile(r"^\s+(?:\w+\.)?(\w+):\s+\{\n(.*?)^\t+\}", re.MULTILINE | re.DOTALL)
SINCE = re.compile(r'MustParse\("(\d+)\.(\d+)"\)')
STAGE = re.compile(r"PreRelease: (?:featuregate\.)?(\w+)")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").strip())
    names: dict[str, str] = {}
    gates: dict[str, tuple[str, bool]] = {}
    for source in SOURCES:
        text = (Path(sys.argv[1]) / source).read_text()
        names.update({m[1]: m[2] for m in NAME.finditer(text)})
        for entry in ENTRY.finditer(text):
            spec = ""
            for line in entry[2].splitlines():
                since = SINCE.search(line)
                if since is not None and (int(since[1]), int(since[2])) <= VERSION:
                    spec = line
            if (stage := STAGE.search(spec)) and entry[1] in names:
                gates[names[entry[1]]] = (stage[1].upper(), "Default: true" in spec)
    for whole in ("AllAlpha", "AllBeta"):
        gates[whole] = ("", False)
    lines = [f"{json.dumps(name)}:{json.dumps(gates[name])}" for name in sorted(gates)]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{TARGET.name}: {len(gates)} gates")


if __name__ == "__main__":
    main()
