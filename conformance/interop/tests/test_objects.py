"""The interop check's own rules: its objects are whole, its comparison sees what differs, its ledger keeps the newest."""

from __future__ import annotations

from pathlib import Path

import yaml

from conformance import ledger
from conformance.interop.catalog import Kind
from conformance.interop.fill import objects


def test_every_object_has_a_name_of_its_own() -> None:
    names = [(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects()]
    assert len(names) == len(set(names)) > 50


def test_a_kind_knows_its_paths() -> None:
    pods = Kind("v1", "pods", "Pod", True, frozenset({"status"}), frozenset({"list"}))
    assert (pods.path(), pods.path("a")) == ("/api/v1/pods", "/api/v1/namespaces/a/pods")
    roles = Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", False, frozenset(), frozenset())
    assert roles.path("a") == "/apis/rbac.authorization.k8s.io/v1/clusterroles"


def test_the_ledger_keeps_the_last_runs_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "ledger.yaml"
    for run in range(5):
        ledger.note("check", {"run": run}, path)
    ledger.note("other", {"run": 9}, path)
    kept = yaml.safe_load(path.read_text())
    assert [entry["run"] for entry in kept["check"]] == [4, 3, 2]
    assert [entry["run"] for entry in kept["other"]] == [9]
