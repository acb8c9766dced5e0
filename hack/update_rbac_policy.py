#!/usr/bin/env python3
"""Make apiserver/generated/rbac_policy.json: the RBAC policy a fresh kube-apiserver creates when it starts.

usage: update_rbac_policy.py KUBECONFIG       of a real, newly started kube-apiserver without any controller

What is common to all objects (labels, annotations, apiVersion) is not repeated in the file; `apiserver/bootstrap` adds it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "apiserver" / "generated" / "rbac_policy.json"
GROUP = "/apis/rbac.authorization.k8s.io/v1/"
MARK = "kubernetes.io/bootstrapping"


def objects(kubeconfig: str, resource: str) -> list[dict[str, Any]]:
    """The bootstrap objects of one resource, in the order of their names."""
    command = ["kubectl", "--kubeconfig", kubeconfig, "get", "--raw", GROUP + resource]
    items = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["items"]
    return [compact(item) for item in items if MARK in (item["metadata"].get("labels") or {})]


def compact(item: dict[str, Any]) -> dict[str, Any]:
    meta = item["metadata"]
    labels = {key: value for key, value in meta["labels"].items() if key != MARK}
    head = {"namespace": meta.get("namespace"), "name": meta["name"], "labels": labels}
    rest = {key: item.get(key) for key in ("aggregationRule", "rules", "roleRef", "subjects")}
    return {key: value for key, value in {**head, **rest}.items() if value}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").strip())
    policy = {r: objects(sys.argv[1], r) for r in ("clusterroles", "clusterrolebindings", "roles", "rolebindings")}
    lines = [
        f'"{resource}":[\n' + ",\n".join(json.dumps(item, separators=(",", ":")) for item in items) + "\n]"
        for resource, items in policy.items()
    ]
    TARGET.write_text("{" + ",\n".join(lines) + "}\n")
    print(f"{TARGET.name}: " + ", ".join(f"{len(items)} {resource}" for resource, items in policy.items()))


if __name__ == "__main__":
    main()
