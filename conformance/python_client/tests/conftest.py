"""A server, a client of it, and a namespace for each test. CLIENT_TESTS_AGAINST=real puts the real server in ours' place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from conformance.ours import pocketkube_server
from conformance.peer import real_server
from conformance.target import Target


@pytest.fixture(scope="package")
def server() -> Iterator[Target]:
    starter = real_server if os.environ.get("CLIENT_TESTS_AGAINST") == "real" else pocketkube_server
    with starter() as target:
        yield target


@pytest.fixture(scope="package")
def api(server: Target) -> Iterator[Any]:
    kubernetes = pytest.importorskip("kubernetes")
    configuration = kubernetes.client.Configuration()
    configuration.host = server.url
    configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file = server.ca, server.cert, server.key
    with kubernetes.client.ApiClient(configuration) as client:
        yield client


@pytest.fixture
def namespace(api: Any, request: pytest.FixtureRequest) -> str:
    kubernetes = pytest.importorskip("kubernetes")
    core = kubernetes.client.CoreV1Api(api)
    name: str = request.node.name.removeprefix("test_").replace("_", "-")[:50].strip("-")
    core.create_namespace({"metadata": {"name": name}})
    core.create_namespaced_service_account(name, {"metadata": {"name": "default"}})
    return name
