"""The official Python client, unmodified: typed, dynamic, watch, apply and leader-election calls."""

from __future__ import annotations

import threading
from typing import Any

import pytest

kubernetes = pytest.importorskip("kubernetes", reason="the official client is not installed (package kubernetes)")


def pod(name: str) -> Any:
    models = kubernetes.client
    container = models.V1Container(
        name="c", image="nginx", resources=models.V1ResourceRequirements(limits={"cpu": "1"})
    )
    meta = models.V1ObjectMeta(name=name, labels={"app": name})
    return models.V1Pod(metadata=meta, spec=models.V1PodSpec(containers=[container]))


def test_typed_calls_go_round(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    created = core.create_namespaced_pod(namespace, pod("a"))
    assert created.status.phase == "Pending"
    assert created.status.qos_class == "Burstable"
    assert created.spec.containers[0].resources.requests == {"cpu": "1"}
    read = core.read_namespaced_pod("a", namespace)
    assert read.metadata.uid == created.metadata.uid
    read.metadata.labels["x"] = "1"
    assert core.replace_namespaced_pod("a", namespace, read).metadata.labels == {"app": "a", "x": "1"}
    patched = core.patch_namespaced_pod("a", namespace, {"metadata": {"labels": {"x": None}}})
    assert patched.metadata.labels == {"app": "a"}
    listed = core.list_namespaced_pod(namespace, label_selector="app=a")
    assert [item.metadata.name for item in listed.items] == ["a"]
    core.delete_namespaced_pod("a", namespace)
    with pytest.raises(kubernetes.client.ApiException) as gone:
        core.read_namespaced_pod("a", namespace)
    assert (gone.value.status, gone.value.reason) == (404, "Not Found")


def test_status_and_binding_are_written_apart(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_pod(namespace, pod("a"))
    target = kubernetes.client.V1ObjectReference(kind="Node", name="n1")
    binding = kubernetes.client.V1Binding(metadata=kubernetes.client.V1ObjectMeta(name="a"), target=target)
    core.create_namespaced_pod_binding("a", namespace, binding, _preload_content=False)
    status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert core.patch_namespaced_pod_status("a", namespace, status).status.phase == "Running"
    assert core.read_namespaced_pod("a", namespace).spec.node_name == "n1"


def test_errors_carry_the_status(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}})
    with pytest.raises(kubernetes.client.ApiException) as twice:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}})
    assert twice.value.status == 409
    assert '"reason":"AlreadyExists"' in twice.value.body
    with pytest.raises(kubernetes.client.ApiException) as invalid:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "Not OK"}})
    assert invalid.value.status == 422


def test_lists_are_paged(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    for i in range(5):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"c{i}"}})
    names: list[str] = []
    token = None
    while True:
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == ["c0", "c1", "c2", "c3", "c4"]


def test_watch_tells_every_change_in_order(api: Any, namespace: str) -> None:
    core = kubernetes.client.CoreV1Api(api)
    start = core.list_namespaced_config_map(namespace).metadata.resource_version

    def write() -> None:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}, "data": {"k": "1"}})
        core.patch_namespaced_config_map("a", namespace, {"data": {"k": "2"}})
        core.delete_namespaced_config_map("a", namespace)

    writer = threading.Thread(target=write)
    writer.start()
    watch = kubernetes.watch.Watch()
    seen = []
    for event in watch.stream(core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=20):
        seen.append((event["type"], event["object"].data["k"]))
        if event["type"] == "DELETED":
            watch.stop()
    writer.join()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


def test_the_dynamic_client_finds_and_writes_any_kind(api: Any, namespace: str) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(api)
    services = dynamic.resources.get(api_version="v1", kind="Service")
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
    created = services.create(body=body, namespace=namespace)
    assert created.spec.clusterIP.startswith("10.")
    assert services.get(name="s", namespace=namespace).metadata.uid == created.metadata.uid
    leases = dynamic.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
    leases.create(body={"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}, namespace=namespace)
    assert leases.get(name="l", namespace=namespace).spec.holderIdentity == "me"
    services.delete(name="s", namespace=namespace)
    assert services.get(namespace=namespace).items == []


def test_server_side_apply_and_its_conflict(api: Any, namespace: str) -> None:
    dynamic = kubernetes.dynamic.DynamicClient(api)
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")

    def body(value: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}}

    maps.server_side_apply(body=body("1"), name="a", namespace=namespace, field_manager="one")
    with pytest.raises(kubernetes.dynamic.exceptions.ConflictError):
        maps.server_side_apply(body=body("2"), name="a", namespace=namespace, field_manager="two")
    forced = maps.server_side_apply(
        body=body("2"), name="a", namespace=namespace, field_manager="two", force_conflicts=True
    )
    assert forced.data.k == "2"
    assert [entry.manager for entry in forced.metadata.managedFields] == ["two"]


def test_reviews_and_tokens(api: Any, namespace: str) -> None:
    models = kubernetes.client
    authorization = models.AuthorizationV1Api(api)
    spec = models.V1SelfSubjectAccessReviewSpec(
        resource_attributes=models.V1ResourceAttributes(verb="get", resource="pods")
    )
    review = authorization.create_self_subject_access_review(models.V1SelfSubjectAccessReview(spec=spec))
    assert review.status.allowed is True
    core = models.CoreV1Api(api)
    request = models.AuthenticationV1TokenRequest(spec=models.V1TokenRequestSpec(audiences=[]))
    token = core.create_namespaced_service_account_token("default", namespace, request).status.token
    checked = models.AuthenticationV1Api(api).create_token_review({"spec": {"token": token}})
    assert checked.status.user.username == f"system:serviceaccount:{namespace}:default"


def test_autoscalers_are_served_in_two_versions(api: Any, namespace: str) -> None:
    models = kubernetes.client
    target = models.V1CrossVersionObjectReference(api_version="apps/v1", kind="Deployment", name="d")
    spec = models.V1HorizontalPodAutoscalerSpec(
        max_replicas=3, scale_target_ref=target, target_cpu_utilization_percentage=70
    )
    meta = models.V1ObjectMeta(name="h")
    body = models.V1HorizontalPodAutoscaler(metadata=meta, spec=spec)
    models.AutoscalingV1Api(api).create_namespaced_horizontal_pod_autoscaler(namespace, body)
    read = models.AutoscalingV2Api(api).read_namespaced_horizontal_pod_autoscaler("h", namespace)
    assert read.spec.metrics[0].resource.target.average_utilization == 70
