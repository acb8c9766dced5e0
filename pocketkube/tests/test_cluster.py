"""A whole cluster as a user has it: Deployments run, components come back when they are killed, detaching leaves it up."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from pocketkube import ports
from pocketkube.places import Places
from pocketkube.tests.cluster import kubectl, pocketkube, running

COMPONENTS = ["apiserver", "controllers", "scheduler", "kubelet"]


def run_deployment(kubeconfig: Path, name: str) -> list[Any]:
    """Create three replicas, wait for them, and give their pods."""
    made = kubectl(kubeconfig, "create", "deployment", name, "--image=nginx", "--replicas=3")
    assert made.stdout == f"deployment.apps/{name} created\n", made.stderr
    rolled = kubectl(kubeconfig, "rollout", "status", f"deployment/{name}", "--timeout=60s")
    assert rolled.stdout.endswith(f'deployment "{name}" successfully rolled out\n'), rolled.stdout + rolled.stderr
    listed = kubectl(kubeconfig, "get", "pods", "-l", f"app={name}", "-o", "json")
    return list(json.loads(listed.stdout)["items"])


def test_a_deployment_comes_to_running_in_one_process_and_as_processes(tmp_path: Path) -> None:
    for mode in ((), ("--in-process",)):
        home = tmp_path / (mode[0] if mode else "processes")
        home.mkdir()
        with running(home, f"--secure-port={ports.free_port()}", "--nodes=2", *mode) as up:
            pods = run_deployment(up.kubeconfig, "web")
            assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
            assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2"}
            assert up.stop() == 0


def test_killed_components_come_back_and_the_cluster_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, f"--secure-port={ports.free_port()}") as up:
        before = {c["name"]: c["pid"] for c in Places(up.data).state()["components"]}
        assert list(before) == COMPONENTS
        for name in COMPONENTS:
            os.kill(before[name], signal.SIGKILL)
        after = _when_restarted(up.data, before)
        assert all(after[name] != before[name] for name in COMPONENTS)
        _when_ready(up.kubeconfig)
        assert len(run_deployment(up.kubeconfig, "after")) == 3
        status = pocketkube(tmp_path, "status", f"--data-dir={up.data}").stdout
        assert status.count("started again 1 times") == 4, status
        assert "kube-scheduler: " in status and "Nodes: 1 of 1 ready" in status
        assert up.stop() == 0
        assert "kubelet ended (killed by SIGKILL)" in up.output


def _when_restarted(data: Path, before: dict[str, int]) -> dict[str, int]:
    deadline = time.monotonic() + 30
    while True:
        now = {c["name"]: c["pid"] for c in Places(data).state()["components"]}
        if all(now[name] != before[name] for name in before):
            return now
        assert time.monotonic() < deadline, (before, now)
        time.sleep(0.1)


def _when_ready(kubeconfig: Path) -> None:
    deadline = time.monotonic() + 30
    while kubectl(kubeconfig, "get", "--raw", "/readyz").stdout != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_detached_it_runs_until_down_and_keeps_what_it_has(tmp_path: Path) -> None:
    data, kubeconfig = tmp_path / "data", tmp_path / "kubeconfig"
    arguments = ("up", "--detach", f"--data-dir={data}", f"--kubeconfig={kubeconfig}", "--in-process")
    started = pocketkube(tmp_path, *arguments, f"--secure-port={ports.free_port()}")
    assert started.returncode == 0, started.stderr
    assert "Stop it with: pocketkube down" in started.stdout
    try:
        assert kubectl(kubeconfig, "create", "configmap", "kept").returncode == 0
    finally:
        stopped = pocketkube(tmp_path, "down", f"--data-dir={data}")
    assert stopped.stdout.startswith(" ✓ Stopped process "), stopped.stderr
    assert pocketkube(tmp_path, "down", f"--data-dir={data}").stdout.startswith("No cluster runs in ")
    assert pocketkube(tmp_path, *arguments).returncode == 0
    try:
        assert kubectl(kubeconfig, "get", "configmap", "kept", "-o", "name").stdout == "configmap/kept\n"
    finally:
        pocketkube(tmp_path, "down", f"--data-dir={data}")


def test_detached_a_failure_is_one_line(tmp_path: Path) -> None:
    refused = pocketkube(tmp_path, "up", "--detach", f"--data-dir={tmp_path / 'data'}", "--nodes=-1")
    assert (refused.returncode, refused.stderr) == (1, "Error: --nodes must not be negative\n")
