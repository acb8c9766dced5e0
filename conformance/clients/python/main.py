"""What programs in Python do with a cluster, beside the official client: kopf, kubernetes_asyncio, kr8s, lightkube.

Every step prints "ok NAME" or "FAIL NAME: why"; the exit code is 1 when one failed. The official client has tests:
`conformance/python_client`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import kr8s
import kubernetes_asyncio as aio
import lightkube
from kopf.testing import KopfRunner
from kr8s.asyncio.objects import ConfigMap as Kr8sConfigMap
from kr8s.asyncio.objects import Deployment as Kr8sDeployment
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod
from lightkube.types import CascadeType, PatchType

PATIENCE = 60.0
OPERATOR = Path(__file__).with_name("operator_for_kopf.py")


def deployment(name: str, namespace: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def until(what: str, holds: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE / 2
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(0.1)


def operator(client: lightkube.Client, namespace: str) -> None:
    """kopf: creation, update, status, index, timer, daemon, finalizer, event, deletion."""
    app = ConfigMap(metadata=ObjectMeta(name="app", labels={"app": "operated"}), data={"k": "1"})

    def notes() -> dict[str, str]:
        return client.get(ConfigMap, "app").metadata.annotations or {}

    with KopfRunner(["run", "--namespace", namespace, str(OPERATOR)], timeout=PATIENCE, reraise=False) as runner:
        client.create(app)
        until("created", lambda: notes().get("created") == "yes")
        assert client.get(ConfigMap, "app").metadata.finalizers == ["example.com/kopf"]
        client.patch(ConfigMap, "app", {"data": {"k": "2"}}, patch_type=PatchType.MERGE)
        until("updated", lambda: notes().get("updated") == "2")
        client.create(Deployment.from_dict(deployment("web", namespace, 2)))
        until("a status", lambda: client.get(Deployment, "web").status.collisionCount == 4)
        until("two pods counted", lambda: notes().get("pods") == "2")
        client.delete(ConfigMap, "app")
        until("deletion", lambda: not [m for m in client.list(ConfigMap) if m.metadata.name == "app"])
        client.delete(Deployment, "web")
    assert runner.exit_code == 0, runner.exception
    assert "Traceback" not in runner.output, runner.output[-2000:]


def lightkube_round(client: lightkube.Client, namespace: str) -> None:
    """CRUD, patches, apply, watch, wait, deletion in cascade."""
    made = client.create(ConfigMap(metadata=ObjectMeta(name="light"), data={"a": "1"}))
    made.data["a"] = "2"
    assert client.replace(made).data == {"a": "2"}
    try:
        client.create(ConfigMap(metadata=ObjectMeta(name="light")))
    except lightkube.ApiError as error:
        assert error.status.reason == "AlreadyExists"
    applied = ConfigMap(
        apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name="light", namespace=namespace), data={"a": "3"}
    )
    assert client.apply(applied, field_manager="light", force=True).data == {"a": "3"}
    client.create(Deployment.from_dict(deployment("light", namespace, 1)))
    client.wait(Deployment, "light", for_conditions=["Available"])
    listed = client.list(Pod, labels={"app": "light"})
    assert len(list(listed)) == 1
    version = listed.resourceVersion
    client.delete(Deployment, "light", cascade=CascadeType.FOREGROUND)
    events = client.watch(Pod, labels={"app": "light"}, resource_version=version, server_timeout=30)
    assert "DELETED" in (what for what, _ in events)


async def asyncio_round(namespace: str) -> None:
    """kubernetes_asyncio: CRUD, watch, dynamic client, create_from_dict."""
    await aio.config.load_kube_config()
    async with aio.client.ApiClient() as api:
        core = aio.client.CoreV1Api(api)
        start = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "async"}}
        await aio.utils.create_from_dict(api, body, namespace=namespace)
        await core.patch_namespaced_config_map("async", namespace, {"data": {"a": "b"}})
        await core.delete_namespaced_config_map("async", namespace)
        seen = []
        async with aio.watch.Watch() as watch:
            stream = watch.stream(
                core.list_namespaced_config_map,
                namespace,
                field_selector="metadata.name=async",
                resource_version=start,
                timeout_seconds=20,
            )
            async for event in stream:
                seen.append(event["type"])
                if event["type"] == "DELETED":
                    break
        assert seen == ["ADDED", "MODIFIED", "DELETED"], seen
        client = await aio.dynamic.DynamicClient(api)
        deployments = await client.resources.get(api_version="apps/v1", kind="Deployment")
        await deployments.create(body=deployment("async", namespace, 0), namespace=namespace)
        await deployments.delete(name="async", namespace=namespace)


async def kr8s_round(namespace: str) -> None:
    """kr8s: objects that refresh, scale, wait and find their pods."""
    api = await kr8s.asyncio.api(kubeconfig=os.environ["KUBECONFIG"], namespace=namespace)
    web = await Kr8sDeployment(deployment("kr8s", namespace, 1), api=api)
    await web.create()
    await web.wait("condition=Available", timeout=30)
    await web.scale(2)
    for _ in range(100):
        if len(await web.pods()) == 2 and await web.ready():
            break
        await asyncio.sleep(0.1)
    assert len(await web.pods()) == 2
    found = await Kr8sConfigMap({"metadata": {"name": "kr8s", "namespace": namespace}, "data": {}}, api=api)
    await found.create()
    await found.label({"a": "b"})
    await found.patch({"data": {"k": "v"}})
    assert [m.name async for m in api.get("configmaps", label_selector={"a": "b"})] == ["kr8s"]
    await found.delete()
    await web.delete("Foreground")
    await web.wait("delete", timeout=30)


async def _timed(work: Awaitable[None]) -> None:
    async with asyncio.timeout(PATIENCE):
        await work


def main() -> int:
    namespace = own_namespace()
    client = lightkube.Client(namespace=namespace, field_manager="light")
    steps: dict[str, Callable[[], None]] = {
        "lightkube": lambda: lightkube_round(client, namespace),
        "kubernetes-asyncio": lambda: asyncio.run(_timed(asyncio_round(namespace))),
        "kr8s": lambda: asyncio.run(_timed(kr8s_round(namespace))),
        "kopf": lambda: operator(client, namespace),
    }
    failed = 0
    for name, step in steps.items():
        try:
            step()
        except Exception as error:  # the report goes on with the next one
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
        else:
            print(f"ok {name}", flush=True)
    return 1 if failed else 0


def own_namespace() -> str:
    made = lightkube.Client().create(Namespace(metadata=ObjectMeta(generateName="python-")))
    assert made.metadata is not None
    return str(made.metadata.name)


if __name__ == "__main__":
    sys.exit(main())
