"""`pocketkube up` and its companions, as a user runs them."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from pocketkube import __version__, ports
from pocketkube.places import Places
from pocketkube.tests.cluster import kubectl, pocketkube, running


@pytest.mark.parametrize("mode", [(), ("--in-process",)])
def test_up_serves_says_what_next_and_stops_at_ctrl_c(tmp_path: Path, mode: tuple[str, ...]) -> None:
    with running(tmp_path, f"--secure-port={ports.free_port()}", *mode) as up:
        assert "✓ API server is ready on https://127.0.0.1:" in up.output
        assert (
            f"kubectl --kubeconfig {up.kubeconfig} --context pocketkube create deployment web --image=nginx"
            in up.output
        )
        assert kubectl(up.kubeconfig, "get", "--raw", "/readyz").stdout == "ok"
        status = pocketkube(tmp_path, "status", f"--data-dir={up.data}")
        assert (status.returncode, "API server: ready" in status.stdout) == (0, True)
        again = pocketkube(tmp_path, "up", f"--data-dir={up.data}")
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr.startswith(f"Error: a cluster runs in {up.data} already (process ")
        assert up.stop() == 0
        assert up.output.endswith("Stopping …\n")
    status = pocketkube(tmp_path, "status", f"--data-dir={up.data}")
    assert (status.returncode, "Start one with: pocketkube up" in status.stdout) == (3, True)


def test_a_restart_keeps_port_certificates_and_objects(tmp_path: Path) -> None:
    with running(tmp_path, f"--secure-port={ports.free_port()}") as up:
        port = Places(up.data).state()["port"]
        made = kubectl(up.kubeconfig, "create", "--raw", "/api/v1/namespaces", "-f", str(_namespace(tmp_path)))
        assert made.returncode == 0, made.stderr
        first = kubectl(up.kubeconfig, "get", "--raw", "/api/v1/namespaces/kept").stdout
        kubeconfig = up.kubeconfig.read_text()
    with running(tmp_path) as up:
        assert Places(up.data).state()["port"] == port
        assert up.kubeconfig.read_text() == kubeconfig
        assert kubectl(up.kubeconfig, "get", "--raw", "/api/v1/namespaces/kept").stdout == first
        assert first


def _namespace(directory: Path) -> Path:
    path = directory / "namespace.json"
    path.write_text('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kept"}}')
    return path


def test_a_taken_port_is_replaced_with_a_word_or_refused_when_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        Places(tmp_path / "data").create()
        Places(tmp_path / "data").keep(port=port)
        with running(tmp_path) as up:
            assert f"Port {port} is taken, using " in up.output
        refused = pocketkube(tmp_path, "up", f"--data-dir={tmp_path / 'other'}", f"--secure-port={port}")
        assert refused.stderr == f"Error: port {port} is taken; choose another --secure-port\n"
        assert refused.returncode == 1


def test_reset_stops_deletes_and_leaves_other_contexts(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("contexts: [{name: prod, context: {cluster: prod}}]\n")
    with running(tmp_path, f"--secure-port={ports.free_port()}") as up:
        reset = pocketkube(tmp_path, "reset", f"--data-dir={up.data}")
        assert reset.returncode == 0, reset.stderr
        assert up.process.wait(20) == 0
    assert not up.data.exists()
    assert "prod" in kubeconfig.read_text()
    assert "pocketkube" not in kubeconfig.read_text()
    assert pocketkube(tmp_path, "reset", f"--data-dir={up.data}").stdout.startswith("Nothing to do")


def test_reset_deletes_no_directory_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    refused = pocketkube(tmp_path, "reset", f"--data-dir={tmp_path}")
    assert (refused.returncode, (tmp_path / "precious").exists()) == (1, True)


def test_sigterm_stops_as_ctrl_c_does(tmp_path: Path) -> None:
    with running(tmp_path, f"--secure-port={ports.free_port()}") as up:
        assert up.stop(signal.SIGTERM) == 0


def test_ctrl_c_stops_also_what_a_script_started_in_the_background(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as `&` does in a script
    try:
        with running(tmp_path, f"--secure-port={ports.free_port()}") as up:
            assert up.stop(signal.SIGINT) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_kubeconfig_can_be_printed_and_merged(tmp_path: Path) -> None:
    with running(tmp_path, f"--secure-port={ports.free_port()}") as up:
        printed = pocketkube(tmp_path, "kubeconfig", f"--data-dir={up.data}").stdout
        alone = tmp_path / "alone"
        alone.write_text(printed)
        assert kubectl(alone, "get", "--raw", "/readyz").stdout == "ok"
        merged = tmp_path / "merged"
        assert pocketkube(tmp_path, "kubeconfig", f"--data-dir={up.data}", f"--merge={merged}").returncode == 0
        assert kubectl(merged, "--context=pocketkube", "get", "--raw", "/readyz").stdout == "ok"


def test_errors_are_one_line(tmp_path: Path) -> None:
    for arguments, error in (
        (["kubeconfig", f"--data-dir={tmp_path / 'none'}"], "there is no cluster in "),
        (["apiserver", "--nope"], "unknown flag: --nope"),
        (["apiserver", f"--cert-dir={tmp_path}"], "name a store: --etcd-servers"),
    ):
        refused = pocketkube(tmp_path, *arguments)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"Error: {error}")
        assert refused.stderr.count("\n") == 1


def test_version_tells_ours_and_kubernetes(tmp_path: Path) -> None:
    assert pocketkube(tmp_path, "version").stdout.startswith(f"pocketkube {__version__}\nKubernetes v1.37.")


def test_an_etcd_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path, f"--secure-port={ports.free_port()}", "--etcd") as up:
        assert "✓ etcd 3." in up.output
        assert kubectl(up.kubeconfig, "get", "--raw", "/readyz/etcd").stdout == "ok"
        assert up.stop() == 0
    with running(tmp_path, "--etcd") as up:
        assert kubectl(up.kubeconfig, "get", "--raw", "/readyz").stdout == "ok"
