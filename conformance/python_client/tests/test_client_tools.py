"""What the official Python client brings beside its calls: informers, leader election, create_from_yaml, the asyncio half."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.target import Target

kubernetes = pytest.importorskip("kubernetes", reason="the official client is not installed (package kubernetes)")

PATIENCE = 30.0


def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_informer_keeps_a_copy_and_tells_changes(api: Any, namespace: str) -> None:
    informers = pytest.importorskip("kubernetes.informer", reason="this version of the client has no informers")

    core = kubernetes.client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "before"}})
    informer = informers.SharedInformer(core.list_namespaced_config_map, namespace=namespace)
    seen: list[str] = []
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(kind, lambda obj, kind=kind: seen.append(f"{kind} {obj.metadata.name}"))
    informer.start()
    try:
        until(lambda: seen)
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "after"}})
        core.patch_namespaced_config_map("after", namespace, {"data": {"a": "b"}})
        core.delete_namespaced_config_map("before", namespace)
        until(lambda: len(seen) == 4)
        assert seen == ["ADDED before", "ADDED after", "MODIFIED after", "DELETED before"]
        assert [obj.data for obj in informer.cache.list()] == [{"a": "b"}]
    finally:
        stopping = threading.Thread(target=informer.stop)
        stopping.start()
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "wakes-the-watch"}})
        stopping.join(PATIENCE)


def test_a_lease_has_one_leader_and_is_taken_over_when_it_ends(api: Any, namespace: str) -> None:
    record = pytest.importorskip("kubernetes.leaderelection.leaderelectionrecord").LeaderElectionRecord
    lease_lock = pytest.importorskip("kubernetes.leaderelection.resourcelock.leaselock").LeaseLock

    first, second = lease_lock("lock", namespace, "first"), lease_lock("lock", namespace, "second")
    for lock in (first, second):
        lock.api_instance = kubernetes.client.CoordinationV1Api(api)
    now = "2026-01-01 00:00:00.000001+00:00"
    assert not first.get("lock", namespace)[0]
    assert first.create("lock", namespace, record("first", "15", now, now))
    assert not second.create("lock", namespace, record("second", "15", now, now))
    assert second.get("lock", namespace)[1].holder_identity == "first"
    assert first.update("lock", namespace, record("first", "16", now, now))
    assert not second.update("lock", namespace, record("second", "15", now, now))  # it read an older one
    assert second.get("lock", namespace)[0]
    assert second.update("lock", namespace, record("second", "15", now, now))


def test_objects_are_made_from_yaml_and_applied_again(api: Any, namespace: str, tmp_path: Path) -> None:
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": namespace},
            "data": {"k": "1"},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "b", "namespace": namespace},
            "spec": {"podSelector": {}},
        },
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c"}}],
        },
    ]
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    kubernetes.utils.create_from_yaml(api, str(file), namespace=namespace)
    assert kubernetes.client.CoreV1Api(api).read_namespaced_secret("c", namespace).type == "Opaque"
    with pytest.raises(kubernetes.utils.FailToCreateError) as twice:
        kubernetes.utils.create_from_yaml(api, str(file), namespace=namespace)
    assert [e.status for e in twice.value.api_exceptions] == [409, 409, 409]
    objects[0]["data"] = {"k": "2"}
    kubernetes.utils.create_from_yaml(
        api, yaml_objects=objects[:2], namespace=namespace, apply=True, force_conflicts=True
    )
    assert kubernetes.client.CoreV1Api(api).read_namespaced_config_map("a", namespace).data == {"k": "2"}


async def test_the_asyncio_half_writes_and_watches(server: Target, namespace: str) -> None:
    aio = pytest.importorskip("kubernetes.aio", reason="this version of the official client has no asyncio half")
    configuration = aio.client.Configuration(host=server.url)
    configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file = server.ca, server.cert, server.key
    async with aio.client.ApiClient(configuration) as client:
        core = aio.client.CoreV1Api(client)
        start = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        await core.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}})
        await core.patch_namespaced_config_map("a", namespace, {"data": {"k": "v"}})
        await core.delete_namespaced_config_map("a", namespace)
        seen = []
        async with aio.watch.Watch() as watch:
            stream = watch.stream(
                core.list_namespaced_config_map, namespace, resource_version=start, timeout_seconds=20
            )
            async for event in stream:
                seen.append(event["type"])
                if event["type"] == "DELETED":
                    break
    assert seen == ["ADDED", "MODIFIED", "DELETED"]
