"""Pods go where their volumes are; claims that wait for a consumer are bound, or marked for provisioning, on the way."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from controllers.framework import kinds
from controllers.scheduler.plugins.volume_claims import BIND_COMPLETED, SELECTED_NODE
from controllers.scheduler.tests.worlds import SchedulerWorld, scheduler_world

HOST = "kubernetes.io/hostname"


async def storage_class(w: SchedulerWorld, name: str, *, provisioner: str = "kubernetes.io/no-provisioner") -> None:
    body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}
    await w.resource(kinds.STORAGE_CLASSES).create(body)


async def volume(w: SchedulerWorld, name: str, node: str, *, size: str = "1Gi", class_name: str = "local") -> None:
    """A local volume on a node, free to be bound."""
    match = {"key": HOST, "operator": "In", "values": [node]}
    spec: dict[str, Any] = {
        "capacity": {"storage": size},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": class_name,
        "local": {"path": "/data"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [match]}]}},
    }
    volumes = w.resource(kinds.PERSISTENT_VOLUMES)
    await volumes.create({"metadata": {"name": name}, "spec": spec})
    await volumes.patch(name, "", {"status": {"phase": "Available"}}, subresource="status")


async def claim(w: SchedulerWorld, name: str, *, size: str = "1Gi", class_name: str = "local", **spec: Any) -> Object:
    body = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": class_name,
        "resources": {"requests": {"storage": size}},
        **spec,
    }
    return await w.resource(kinds.PERSISTENT_VOLUME_CLAIMS).create(
        {"metadata": {"name": name}, "spec": body}, "default"
    )


def uses(name: str) -> list[dict[str, Any]]:
    return [{"name": "data", "persistentVolumeClaim": {"claimName": name}}]


async def finish_binding(w: SchedulerWorld, name: str, volume_name: str) -> None:
    """Play the volume controller."""
    patch = {"metadata": {"annotations": {BIND_COMPLETED: "yes"}}, "spec": {"volumeName": volume_name}}
    await w.resource(kinds.PERSISTENT_VOLUME_CLAIMS).patch(name, "default", patch)


def test_a_missing_claim_is_named_and_waited_for() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            await w.pod("web", volumes=uses("data"))
            await w.settle(1)
            said = '0/1 nodes are available: persistentvolumeclaim "data" not found. not found'  # as upstream
            assert await w.messages("web") == [said]
            await storage_class(w, "local")
            await volume(w, "v", "node-1")
            await claim(w, "data")
            await w.settle(3)
            await finish_binding(w, "data", "v")
            await w.settle(3)
            assert await w.node_of("web") == "node-1"

    run_virtual(main())


def test_a_waiting_claim_is_bound_to_the_smallest_volume_that_will_do() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(3)
            await storage_class(w, "local")
            await volume(w, "small", "node-2", size="500Mi")
            await volume(w, "right", "node-2", size="2Gi")
            await volume(w, "large", "node-2", size="9Gi")
            await claim(w, "data")
            await w.settle(0.1)
            await w.pod("web", volumes=uses("data"))
            await w.settle(1)
            bound = await w.resource(kinds.PERSISTENT_VOLUMES).get("right")
            assert bound["spec"]["claimRef"]["name"] == "data"
            assert bound["metadata"]["annotations"] == {"pv.kubernetes.io/bound-by-controller": "yes"}
            assert await w.node_of("web") == ""  # not before its volume is bound
            waiting = await w.resource(kinds.PODS).get("web", "default")
            assert waiting["status"]["nominatedNodeName"] == "node-2"
            await finish_binding(w, "data", "right")
            await w.settle(2)
            assert await w.node_of("web") == "node-2"

    run_virtual(main())


def test_two_pods_do_not_get_the_same_volume() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2)
            await storage_class(w, "local")
            await volume(w, "v-1", "node-1")
            await volume(w, "v-2", "node-2")
            for i in (1, 2):
                await claim(w, f"data-{i}")
            await w.settle(0.1)
            for i in (1, 2):
                await w.pod(f"web-{i}", volumes=uses(f"data-{i}"))
            await w.settle(1)
            volumes = await w.resource(kinds.PERSISTENT_VOLUMES).list()
            assert sorted(v["spec"]["claimRef"]["name"] for v in volumes["items"]) == ["data-1", "data-2"]

    run_virtual(main())


def test_a_claim_to_provision_is_told_its_node_and_a_failed_one_tried_again() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            await storage_class(w, "fast", provisioner="example.com/fast")
            await claim(w, "data", class_name="fast")
            await w.settle(0.1)
            await w.pod("web", volumes=uses("data"))
            await w.settle(1)
            claims = w.resource(kinds.PERSISTENT_VOLUME_CLAIMS)
            assert (await claims.get("data", "default"))["metadata"]["annotations"][SELECTED_NODE] == "node-1"
            await claims.patch("data", "default", {"metadata": {"annotations": {SELECTED_NODE: None}}})
            await w.settle(2)
            assert (await w.messages("web", "FailedScheduling")) == [
                'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
            ]
            assert (await w.scheduled_condition("web"))["reason"] == "SchedulerError"
            await w.settle(5)
            assert (await claims.get("data", "default"))["metadata"]["annotations"][SELECTED_NODE] == "node-1"

    run_virtual(main())


def test_nodes_out_of_a_volumes_reach_say_so() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2)
            await storage_class(w, "local")
            await volume(w, "v", "node-9")
            await claim(w, "data")
            await w.settle(0.1)
            await w.pod("web", volumes=uses("data"))
            await w.settle(1)
            [said] = await w.messages("web")
            assert said.startswith(
                "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind."
            )
            await claim(w, "bound", volumeName="v")
            await finish_binding(w, "bound", "v")
            await w.pod("other", volumes=uses("bound"))
            await w.settle(1)
            [said] = await w.messages("other")
            assert said.startswith("0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.")

    run_virtual(main())


def test_immediate_claims_are_waited_for() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.node("node-1")
            immediate = {"metadata": {"name": "now"}, "provisioner": "example.com/x", "volumeBindingMode": "Immediate"}
            await w.resource(kinds.STORAGE_CLASSES).create(immediate)
            await claim(w, "data", class_name="now")
            await w.settle(0.1)
            await w.pod("web", volumes=uses("data"))
            await w.settle(1)
            [said] = await w.messages("web")
            assert said.startswith("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")

    run_virtual(main())


def test_one_pod_at_a_time_uses_a_claim_of_that_kind() -> None:
    async def main() -> None:
        async with scheduler_world() as w:
            await w.nodes(2)
            await storage_class(w, "local")
            await volume(w, "v", "node-1")
            await claim(w, "data", accessModes=["ReadWriteOncePod"], volumeName="v")
            await finish_binding(w, "data", "v")
            await w.settle(0.1)
            await w.pod("first", volumes=uses("data"))
            await w.settle(1)
            await w.pod("second", volumes=uses("data"))
            await w.settle(1)
            assert await w.node_of("first") == "node-1" and await w.node_of("second") == ""
            [said] = await w.messages("second")
            assert "ReadWriteOncePod access mode already in-use by another pod" in said
            await w.resource(kinds.PODS).delete("first", "default", grace_period=0)
            await w.settle(3)
            assert await w.node_of("second") == "node-1"

    run_virtual(main())
