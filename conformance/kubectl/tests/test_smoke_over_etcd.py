"""Twenty commands of kubectl on a server that keeps its objects in etcd, and what a second server over the same etcd says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from conformance.kubectl.kubectl import Kubectl, write_kubeconfig
from conformance.ours import pocketkube_server

# As conftest's etcd_url documents: the same fixtures, with an etcd underneath.
pytestmark = pytest.mark.parametrize("etcd_url", ["etcd"], indirect=True, scope="session")

CONFIG: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
NODE: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "smoke"}}


def config(**data: str) -> dict[str, Any]:
    return {**CONFIG, "data": data}


def test_twenty_commands_over_etcd(kubectl: Kubectl) -> None:
    namespace = kubectl.namespace
    assert kubectl("create", "-f", "-", stdin=CONFIG) == "configmap/a created\n"
    assert 'configmaps "a" already exists' in kubectl.fails("create", "-f", "-", stdin=CONFIG)
    assert kubectl("get", "cm", "a", "-o", "jsonpath={.data.k}") == "v"
    assert kubectl("label", "cm", "a", "x=1") == "configmap/a labeled\n"
    assert kubectl("annotate", "cm", "a", "note=hello") == "configmap/a annotated\n"
    assert kubectl("get", "cm", "-l", "x=1", "--chunk-size=1", "-o", "name") == "configmap/a\n"
    assert kubectl("patch", "cm", "a", "--type=merge", "-p", '{"data":{"k":"w"}}') == "configmap/a patched\n"
    assert kubectl("replace", "-f", "-", stdin=config(k="z")) == "configmap/a replaced\n"
    assert kubectl.run("diff", "-f", "-", stdin=config(k="y")).code == 1
    assert kubectl("apply", "--server-side", "-f", "-", stdin={**CONFIG, "metadata": {"name": "b"}}) == (
        "configmap/b serverside-applied\n"
    )
    conflict = kubectl.fails("apply", "--server-side", "--field-manager=o", "-f", "-",
                             stdin={**config(k="other"), "metadata": {"name": "b"}})  # fmt: skip
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.k' in conflict
    assert kubectl("run", "web", "--image=nginx", "--port=80") == "pod/web created\n"
    assert kubectl("get", "pods", "--no-headers").split()[:4] == ["web", "0/1", "Pending", "0"]
    assert re.search(r"^Name: +web\nNamespace: +" + namespace, kubectl("describe", "pod", "web"))
    assert kubectl("expose", "pod", "web", "--port=80") == "service/web exposed\n"
    assert re.fullmatch(r"10\.\d+\.\d+\.\d+", kubectl("get", "svc", "web", "-o", "jsonpath={.spec.clusterIP}"))
    assert kubectl("create", "-f", "-", stdin=NODE) == "node/smoke created\n"
    assert kubectl("taint", "node", "smoke", "k=v:NoSchedule") == "node/smoke tainted\n"
    assert kubectl.run("auth", "can-i", "create", "pods", "--as=jane").out == "no\n"
    assert len(kubectl("create", "token", "default").strip().split(".")) == 3
    assert kubectl("delete", "pod", "web", "--force").startswith('pod "web" force deleted')
    assert kubectl("delete", "cm", "--all").count("deleted") == 2
    assert kubectl("get", "cm", "-o", "name") == ""


def test_a_watch_over_etcd_shows_each_change(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "a")
    process = kubectl.start("get", "configmaps", "-w", "--output-watch-events")
    try:
        assert process.stdout is not None
        seen = [process.stdout.readline().split()[:2] for _ in range(2)]
        kubectl("label", "configmap", "a", "x=1")
        kubectl("delete", "configmap", "a")
        seen += [process.stdout.readline().split()[:2] for _ in range(2)]
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert seen == [["EVENT", "NAME"], ["ADDED", "a"], ["MODIFIED", "a"], ["DELETED", "a"]]


def test_a_second_server_on_the_same_etcd_serves_what_the_first_wrote(
    kubectl: Kubectl, etcd_url: str, tmp_path: Path
) -> None:
    kubectl("create", "configmap", "a", "--from-literal=k=v")
    with pocketkube_server(etcd=etcd_url) as other:
        write_kubeconfig(other, tmp_path / "config")
        second = Kubectl(kubectl.program, tmp_path / "config", kubectl.namespace, tmp_path)
        shown = [json.loads(one("get", "cm", "a", "-o", "json", "--show-managed-fields")) for one in (kubectl, second)]
        assert shown[0] == shown[1]
        assert second("delete", "cm", "a") == f'configmap "a" deleted from {kubectl.namespace} namespace\n'
        assert kubectl("get", "cm", "-o", "name") == ""
