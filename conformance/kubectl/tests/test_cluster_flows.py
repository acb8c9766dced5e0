"""What people do with a running cluster, by kubectl: rollouts, jobs, drains, cascades, quotas; simulated nodes underneath."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.cluster import running_cluster
from conformance.kubectl.kubectl import Kubectl, find_kubectl

PROGRAM = find_kubectl()
PATIENCE = 60.0
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="kubectl is not installed")


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    home = tmp_path_factory.mktemp("cluster")
    assert PROGRAM is not None
    with running_cluster(home / "up", nodes=3) as kubeconfig:
        yield Kubectl(PROGRAM, kubeconfig, "default", home)


@pytest.fixture
def k(admin: Kubectl, request: pytest.FixtureRequest) -> Kubectl:
    """kubectl in a namespace of the test's own."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50].rstrip("-")
    admin("create", "namespace", name)
    made = Kubectl(admin.program, admin.kubeconfig, name, admin.home)
    eventually(lambda: made.run("get", "serviceaccount", "default").code == 0)
    return made


def eventually(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once that is true; waits do not decide anything but how long a failure takes."""
    deadline = time.monotonic() + PATIENCE
    while not (value := holds()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.1)
    return value


def items(k: Kubectl, *what: str) -> list[Any]:
    return list(json.loads(k("get", *what, "-o", "json"))["items"])


def deployment(k: Kubectl, name: str = "web", replicas: int = 2) -> None:
    k("create", "deployment", name, "--image=nginx:1", f"--replicas={replicas}")
    rolled_out(k, name)


def rolled_out(k: Kubectl, name: str = "web") -> None:
    out = k("rollout", "status", f"deployment/{name}", "--timeout=60s")
    assert out.endswith(f'deployment "{name}" successfully rolled out\n')


def test_expose_gives_a_service_with_the_ready_pods_behind_it(k: Kubectl) -> None:
    deployment(k)
    assert k("expose", "deployment", "web", "--port=80") == "service/web exposed\n"
    addresses = {pod["status"]["podIP"] for pod in items(k, "pods")}

    def behind() -> bool:
        slices = items(k, "endpointslices", "-l", "kubernetes.io/service-name=web")
        return {a for s in slices for e in s["endpoints"] or () for a in e["addresses"]} == addresses

    eventually(behind)
    eventually(lambda: all(ip in k("get", "endpoints", "web") for ip in addresses))


def test_scale_up_and_down(k: Kubectl) -> None:
    deployment(k)
    assert k("scale", "deployment/web", "--replicas=5") == "deployment.apps/web scaled\n"
    rolled_out(k)
    assert len(items(k, "pods")) == 5
    k("scale", "deployment/web", "--replicas=1", "--current-replicas=5")
    eventually(lambda: len(items(k, "pods")) == 1)
    refused = k.run("scale", "deployment/web", "--replicas=2", "--current-replicas=5")
    assert (refused.code, "expected replicas to be 5, was 1" in refused.err.lower()) == (1, True)


def test_set_image_rolls_out_and_undo_rolls_back(k: Kubectl) -> None:
    deployment(k)
    assert k("set", "image", "deployment/web", "nginx=nginx:2") == "deployment.apps/web image updated\n"
    rolled_out(k)
    assert {pod["spec"]["containers"][0]["image"] for pod in running(k)} == {"nginx:2"}
    history = k("rollout", "history", "deployment/web").split()
    assert history[-4:] == ["1", "<none>", "2", "<none>"]
    assert "Image:\tnginx:1" in k("rollout", "history", "deployment/web", "--revision=1")
    assert k("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    rolled_out(k)
    assert {pod["spec"]["containers"][0]["image"] for pod in running(k)} == {"nginx:1"}


def running(k: Kubectl) -> list[Any]:
    return [pod for pod in items(k, "pods") if not pod["metadata"].get("deletionTimestamp")]


def test_a_paused_deployment_waits_for_resume(k: Kubectl) -> None:
    deployment(k)
    assert k("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    k("set", "env", "deployment/web", "A=b")
    k("set", "resources", "deployment/web", "--requests=cpu=10m")
    assert len(items(k, "replicasets")) == 1
    assert k("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    rolled_out(k)
    (pod, *_) = running(k)
    container = pod["spec"]["containers"][0]
    assert (container["env"], container["resources"]) == ([{"name": "A", "value": "b"}], {"requests": {"cpu": "10m"}})
    assert k("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    rolled_out(k)
    assert "kubectl.kubernetes.io/restartedAt" in running(k)[0]["metadata"]["annotations"]


def test_autoscale_makes_an_autoscaler_that_says_it_has_no_metrics(k: Kubectl) -> None:
    deployment(k)
    made = k("autoscale", "deployment", "web", "--min=1", "--max=3", "--cpu=50%")
    assert made == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    eventually(lambda: "FailedGetResourceMetric" in k("describe", "hpa", "web"))


def test_jobs_and_cron_jobs(k: Kubectl) -> None:
    assert k("create", "job", "once", "--image=busybox", "--", "true") == "job.batch/once created\n"
    assert k("wait", "--for=condition=complete", "job/once", "--timeout=60s") == "job.batch/once condition met\n"
    k("create", "cronjob", "nightly", "--image=busybox", "--schedule=0 3 * * *", "--", "true")
    assert k("create", "job", "now", "--from=cronjob/nightly") == "job.batch/now created\n"
    k("wait", "--for=condition=complete", "job/now", "--timeout=60s")
    assert json.loads(k("get", "job", "now", "-o", "json"))["metadata"]["annotations"] == {
        "cronjob.kubernetes.io/instantiate": "manual"
    }
    k("create", "job", "never", "--image=busybox", "--", "false")
    eventually(lambda: json.loads(k("get", "job", "never", "-o", "json"))["status"].get("failed"))


def test_cordon_and_drain_respect_budgets(k: Kubectl) -> None:
    deployment(k, replicas=3)
    k("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    eventually(lambda: json.loads(k("get", "pdb", "web", "-o", "json"))["status"]["disruptionsAllowed"] == 1)
    node = running(k)[0]["spec"]["nodeName"]
    out = k("drain", node, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s")
    assert f"node/{node} cordoned\n" in out and out.endswith(f"node/{node} drained\n")
    assert "SchedulingDisabled" in k("get", "node", node)
    rolled_out(k)
    assert node not in {pod["spec"]["nodeName"] for pod in running(k)}
    assert k("uncordon", node) == f"node/{node} uncordoned\n"


def test_a_taint_that_evicts_moves_pods_and_a_toleration_keeps_them(k: Kubectl) -> None:
    deployment(k, replicas=3)
    node = running(k)[0]["spec"]["nodeName"]
    k("taint", "node", node, "maintenance=now:NoExecute")
    try:
        eventually(lambda: node not in {pod["spec"].get("nodeName") for pod in running(k)})
        rolled_out(k)
    finally:
        k("taint", "node", node, "maintenance-")


def test_the_three_cascades_of_a_delete(k: Kubectl) -> None:
    deployment(k, "one", 1)
    deployment(k, "two", 1)
    deployment(k, "three", 1)
    k("delete", "deployment", "one")
    eventually(lambda: not items(k, "pods", "-l", "app=one"))
    k("delete", "deployment", "two", "--cascade=foreground")
    assert not items(k, "pods,replicasets", "-l", "app=two")
    k("delete", "deployment", "three", "--cascade=orphan")
    time.sleep(1)
    (left,) = items(k, "replicasets", "-l", "app=three")
    assert not left["metadata"].get("ownerReferences")
    assert len(items(k, "pods", "-l", "app=three")) == 1


def test_a_namespace_goes_with_all_that_is_in_it(k: Kubectl) -> None:
    deployment(k)
    k("create", "configmap", "c")
    assert k("delete", "namespace", k.namespace, "--timeout=60s") == f'namespace "{k.namespace}" deleted\n'
    assert k.run("get", "pods,configmaps,deployments").out == ""


def test_a_quota_refuses_and_tells_why(k: Kubectl) -> None:
    k("create", "quota", "few", "--hard=pods=1,configmaps=2")
    eventually(lambda: json.loads(k("get", "quota", "few", "-o", "json"))["status"].get("used"))
    k("run", "first", "--image=nginx")
    refused = k.run("run", "second", "--image=nginx")
    assert refused.code == 1
    assert (
        'pods "second" is forbidden: exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1'
        in refused.err
    )
    k("delete", "pod", "first", "--now")
    eventually(lambda: k.run("run", "second", "--image=nginx").code == 0)


def test_describe_tells_a_pods_story(k: Kubectl) -> None:
    k("run", "story", "--image=nginx")
    k("wait", "--for=condition=Ready", "pod/story", "--timeout=60s")
    told = eventually(lambda: (text := k("describe", "pod", "story")) and "Started" in text and text)
    for words in ("Successfully assigned", "Pulled", "Created", "Started"):
        assert words in told, told


def test_top_says_that_there_are_no_metrics(k: Kubectl) -> None:
    refused = k.run("top", "pods")
    assert (refused.code, refused.err) == (1, "error: Metrics API not available\n")


def test_logs_say_that_no_container_runs(k: Kubectl) -> None:
    k("run", "quiet", "--image=nginx")
    k("wait", "--for=condition=Ready", "pod/quiet", "--timeout=60s")
    refused = k.run("logs", "quiet")
    assert refused.code == 1
    assert refused.err


def test_readme_lines(admin: Kubectl) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    start = "kubectl --context pocketkube "
    lines = [line.removeprefix(start) for line in readme.splitlines() if line.startswith(start)]
    assert len(lines) == 3
    said = [admin("--context", "pocketkube", *line.split()) for line in lines]
    assert "successfully rolled out" in said[1]
    assert said[2].count("Running") == 3
