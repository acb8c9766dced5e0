"""The pytest plugin: `kube_cluster` is a whole Kubernetes cluster for a test, fresh for each, up once for all of them.

    def test_my_operator(kube_cluster):
        kube_cluster.kubectl("create", "deployment", "web", "--image=nginx")

The cluster is a child process with a port of its own, one for each pytest session (each xdist worker). Between tests it is
put back to how it began: `KubeCluster.reset` says what open watches see. `kube_cluster_nodes` in the ini file is the number
of simulated nodes (1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pocketkube.warm import KubeCluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("kube_cluster_nodes", "simulated nodes of the cluster that kube_cluster gives", default="1")


@pytest.fixture(scope="session")
def warm_kube_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubeCluster]:
    """The session's cluster as the last test left it; most tests want `kube_cluster`."""
    from pocketkube.warm import warm_cluster

    nodes = int(request.config.getini("kube_cluster_nodes"))
    with warm_cluster(tmp_path_factory.mktemp("kube-cluster"), nodes=nodes) as cluster:
        yield cluster


@pytest.fixture
def kube_cluster(warm_kube_cluster: KubeCluster) -> Iterator[KubeCluster]:
    """A cluster that holds nothing but what every new cluster holds."""
    yield warm_kube_cluster
    warm_kube_cluster.reset()
