"""Quotas show what is used: at first, and again when something goes, ends, or is not what it was."""

from __future__ import annotations

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import CONFIG_MAPS, DEPLOYMENTS, PODS, RESOURCE_CLAIMS, RESOURCE_QUOTAS, SERVICES
from controllers.loops.resourcequota import counted
from controllers.loops.tests.builders import make_node, pod_world, tell
from controllers.tests.worlds import LoopWorld

LOOP = "resourcequota-controller"


async def _make_quota(w: LoopWorld, name: str = "q", **spec: object) -> None:
    await w.resource(RESOURCE_QUOTAS).create({"metadata": {"name": name}, "spec": spec}, "default")


async def _used(w: LoopWorld, name: str = "q") -> dict[str, str]:
    status = (await w.resource(RESOURCE_QUOTAS).get(name, "default")).get("status") or {}
    return status.get("used") or {}


async def _make_pod(w: LoopWorld, name: str, cpu: str = "100m", **spec: object) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    body = {"metadata": {"name": name}, "spec": {"containers": [container], "nodeName": "n1", **spec}}
    return await w.resource(PODS).create(body, "default")


def test_what_a_quota_counts_is_named_by_resource() -> None:
    names = ("count/deployments.apps", "configmaps", "count/pods", "pods", "cpu", "requests.storage")
    assert counted(names) == [GroupResource("apps", "deployments"), GroupResource("", "configmaps")]


def test_a_new_quota_counts_what_is_there() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_node(w, "n1")
            await _make_pod(w, "a")
            await _make_pod(w, "b", "1")
            for name in ("x", "y"):
                await w.resource(CONFIG_MAPS).create({"metadata": {"name": name}}, "default")
            hard = {"pods": "9", "requests.cpu": "4", "configmaps": "10", "count/deployments.apps": "3"}
            await _make_quota(w, hard=hard)
            await w.settle(2)
            used = await _used(w)
            assert used["pods"] == "2" and used["requests.cpu"] == "1100m"
            assert used["count/deployments.apps"] == "0"
            assert used["configmaps"] == str(len(await w.all(CONFIG_MAPS)))
            quota = await w.resource(RESOURCE_QUOTAS).get("q", "default")
            assert quota["status"]["hard"] == quota["spec"]["hard"]

    run_virtual(main())


def test_what_goes_or_ends_is_given_back() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_node(w, "n1")
            await _make_quota(w, hard={"pods": "9", "requests.cpu": "4", "count/configmaps": "9"})
            await w.settle(2)
            gone, over = await _make_pod(w, "gone"), await _make_pod(w, "over")
            before = len(await w.all(CONFIG_MAPS))
            await w.resource(CONFIG_MAPS).create({"metadata": {"name": "x"}}, "default")
            await w.settle(2)
            assert (await _used(w))["requests.cpu"] == "200m"
            await tell(w, over, phase="Succeeded", ready=False)
            await w.settle(2)
            assert await _used(w) == {"pods": "1", "requests.cpu": "100m", "count/configmaps": str(before + 1)}
            await w.resource(PODS).delete(gone["metadata"]["name"], "default", grace_period=0)
            await w.resource(CONFIG_MAPS).delete("x", "default")
            await w.settle(2)
            assert await _used(w) == {"pods": "0", "requests.cpu": "0", "count/configmaps": str(before)}

    run_virtual(main())


def test_devices_of_claims_are_counted_by_class() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            name = "gold.deviceclass.resource.k8s.io/devices"
            await _make_quota(w, hard={name: "3", "count/resourceclaims.resource.k8s.io": "2"})
            exactly = {"deviceClassName": "gold", "allocationMode": "ExactCount", "count": 2}
            spec = {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}
            claims = w.resource(RESOURCE_CLAIMS)
            await claims.create({"metadata": {"name": "c"}, "spec": spec}, "default")
            await w.settle(2)
            assert await _used(w) == {name: "2", "count/resourceclaims.resource.k8s.io": "1"}
            await claims.delete("c", "default")
            await w.settle(2)
            assert await _used(w) == {name: "0", "count/resourceclaims.resource.k8s.io": "0"}

    run_virtual(main())


def test_only_what_is_in_scope_counts() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await make_node(w, "n1")
            await _make_pod(w, "endless")
            await _make_pod(w, "short", activeDeadlineSeconds=60)
            await _make_quota(w, "ends", hard={"pods": "9"}, scopes=["Terminating"])
            await _make_quota(w, "stays", hard={"pods": "9"}, scopes=["NotTerminating"])
            await w.settle(2)
            assert (await _used(w, "ends"), await _used(w, "stays")) == ({"pods": "1"}, {"pods": "1"})
            deadline = {"spec": {"activeDeadlineSeconds": 600}}
            await w.resource(PODS).patch("endless", "default", deadline, type=MERGE_PATCH)
            await w.settle(2)
            assert (await _used(w, "ends"), await _used(w, "stays")) == ({"pods": "2"}, {"pods": "0"})

    run_virtual(main())


def test_ports_of_services_follow_their_type() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await _make_quota(w, hard={"services": "9", "services.nodeports": "9"})
            await w.settle(2)
            ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
            body = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": ports}}
            before = int((await _used(w))["services"])
            await w.resource(SERVICES).create(body, "default")
            await w.settle(2)
            assert await _used(w) == {"services": str(before + 1), "services.nodeports": "2"}
            await w.resource(SERVICES).patch("s", "default", {"spec": {"type": "ClusterIP"}}, type=MERGE_PATCH)
            await w.settle(2)
            assert (await _used(w))["services.nodeports"] == "0"

    run_virtual(main())


def test_a_changed_limit_is_shown_and_a_wrong_count_is_mended_within_five_minutes() -> None:
    async def main() -> None:
        async with pod_world(LOOP) as w:
            await _make_quota(w, hard={"pods": "9"})
            await w.settle(2)
            more = {"spec": {"hard": {"pods": "20", "count/deployments.apps": "1"}}}
            await w.resource(RESOURCE_QUOTAS).patch("q", "default", more, type=MERGE_PATCH)
            await w.settle(2)
            quota = await w.resource(RESOURCE_QUOTAS).get("q", "default")
            assert quota["status"]["hard"] == {"pods": "20", "count/deployments.apps": "1"}
            quota["status"]["used"] = {"pods": "7", "count/deployments.apps": "1"}
            await w.resource(RESOURCE_QUOTAS).update_status(quota)
            await w.settle(301)
            assert await _used(w) == {"pods": "0", "count/deployments.apps": "0"}
            assert await w.all(DEPLOYMENTS) == []

    run_virtual(main())
