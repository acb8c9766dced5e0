"""A warm cluster is fresh for each test, in milliseconds, and open watches see ordinary events."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocketkube.warm import KubeCluster, warm_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeCluster]:
    with warm_cluster(tmp_path_factory.mktemp("warm")) as made:
        yield made


def everything(cluster: KubeCluster) -> list[str]:
    names = "namespaces,nodes,serviceaccounts,configmaps,services,deployments,pods,clusterroles"
    listed = json.loads(cluster.kubectl("get", names, "-A", "-o", "json"))
    return [f"{i['kind']} {i['metadata'].get('namespace')}/{i['metadata']['name']}" for i in listed["items"]]


def test_what_a_test_made_changed_and_deleted_is_put_back(cluster: KubeCluster) -> None:
    before = everything(cluster)
    cluster.kubectl("create", "namespace", "mine")
    cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3", "-n", "mine")
    cluster.kubectl("label", "node", "node", "a=b")
    cluster.kubectl("delete", "clusterrole", "view")
    assert everything(cluster) != before
    assert cluster.reset() > 0
    assert everything(cluster) == before
    assert "a=b" not in cluster.kubectl("get", "node", "node", "--show-labels")


def test_an_open_watch_goes_on_and_sees_what_is_taken_away(cluster: KubeCluster) -> None:
    command = ["get", "configmaps", "-w", "--output-watch-events", "--no-headers"]
    program = [*("kubectl", f"--kubeconfig={cluster.kubeconfig}"), *command]
    cluster.kubectl("create", "configmap", "seen")
    watch = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    try:
        assert watch.stdout is not None
        while "seen" not in watch.stdout.readline():
            pass
        cluster.reset()
        cluster.kubectl("create", "configmap", "later")
        lines = [watch.stdout.readline().split()[0] for _ in range(2)]
        assert lines == ["DELETED", "ADDED"]
    finally:
        watch.kill()
        watch.communicate()


def test_the_plugin_gives_each_test_a_fresh_cluster(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_create(kube_cluster, time):
            kube_cluster.kubectl("create", "configmap", "only-once")
            assert kube_cluster.kubeconfig.exists()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)


def test_an_end_of_the_child_is_told(tmp_path: Path) -> None:
    with warm_cluster(tmp_path, nodes=0) as cluster:
        cluster._process.kill()
        cluster._process.wait()
        with pytest.raises(Exception, match="the cluster ended"):
            cluster.reset()
