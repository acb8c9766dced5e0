"""Volumes of CSI drivers are attached where pods use them; the test plays the driver's attacher and the kubelet."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import (
    EVENTS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    VOLUME_ATTACHMENTS,
)
from controllers.loops.attach_detach import MANAGED, plan
from controllers.loops.tests.builders import pod, pod_world, report, tell, the_node, told
from controllers.tests.worlds import LoopWorld

LOOPS = ("persistentvolume-attach-detach-controller", "persistentvolume-binder-controller")
UNIQUE = "kubernetes.io/csi/disks.example.com^h"


async def _prepare(w: LoopWorld) -> None:
    """Two nodes, and a claim bound to a volume of a driver."""
    for name in ("n1", "n2"):
        await w.resource(NODES).create({"metadata": {"name": name, "annotations": {MANAGED: "true"}}})
        await report(w, name)
    csi = {"driver": "disks.example.com", "volumeHandle": "h"}
    spec = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "csi": csi, "storageClassName": ""}
    await w.resource(PERSISTENT_VOLUMES).create({"metadata": {"name": "v"}, "spec": spec})
    wanted: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    wanted["resources"] = {"requests": {"storage": "1Gi"}}
    await w.resource(PERSISTENT_VOLUME_CLAIMS).create({"metadata": {"name": "c"}, "spec": wanted}, "default")
    await w.settle(20)


async def _use(w: LoopWorld, name: str, node: str) -> None:
    mount = {"name": "m", "persistentVolumeClaim": {"claimName": "c"}}
    await tell(w, await w.resource(PODS).create(pod(name, node=node, volumes=[mount]), "default"), ready=False)
    await w.settle(1)


async def _attached(w: LoopWorld, **status: Any) -> None:
    """Play the driver: every wish is fulfilled, or has failed."""
    for wish in await w.all(VOLUME_ATTACHMENTS, ""):
        told_so = status or {"attached": True}
        patch = {"status": told_so if "attached" in told_so else {"attached": False, **told_so}}
        await w.resource(VOLUME_ATTACHMENTS).patch(
            wish["metadata"]["name"], "", patch, type=MERGE_PATCH, subresource="status"
        )
    await w.settle(1)


async def _in_use(w: LoopWorld, node: str, *names: str) -> None:
    patch = {"status": {"volumesInUse": list(names)}}
    await w.resource(NODES).patch(node, "", patch, type=MERGE_PATCH, subresource="status")
    await w.settle(1)


def _wishes(found: list[Object]) -> list[str]:
    return [wish["spec"]["nodeName"] for wish in found]


def test_a_volume_for_one_node_waits_for_the_other_to_let_go() -> None:
    volume = {"spec": {"accessModes": ["ReadWriteOnce"]}}
    shared = {"spec": {"accessModes": ["ReadWriteMany"]}}
    on_n1 = {"metadata": {"name": "a"}, "spec": {"nodeName": "n1"}}
    assert plan(volume, ["n1", "n2"], []) == (["n1"], [], ["n2"])
    assert plan(volume, ["n2"], [on_n1]) == ([], [on_n1], ["n2"])
    assert plan(shared, ["n1", "n2"], [on_n1]) == (["n2"], [], [])


def test_a_volume_is_attached_for_a_pod_and_detached_after_it() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await _prepare(w)
            await _use(w, "a", "n1")
            (wish,) = await w.all(VOLUME_ATTACHMENTS, "")
            assert wish["spec"] == {
                "attacher": "disks.example.com",
                "nodeName": "n1",
                "source": {"persistentVolumeName": "v"},
            }
            assert "volumesAttached" not in (await the_node(w, "n1"))["status"]
            await _attached(w)
            assert (await the_node(w, "n1"))["status"]["volumesAttached"] == [{"name": UNIQUE, "devicePath": ""}]
            assert await told(w, "SuccessfulAttachVolume") == ['AttachVolume.Attach succeeded for volume "v" ']
            await _in_use(w, "n1", UNIQUE)
            await w.resource(PODS).delete("a", "default", grace_period=0)
            await w.settle(30)
            assert _wishes(await w.all(VOLUME_ATTACHMENTS, "")) == ["n1"]  # its kubelet has it mounted still
            await _in_use(w, "n1")
            assert await w.all(VOLUME_ATTACHMENTS, "") == []
            assert not (await the_node(w, "n1"))["status"].get("volumesAttached")

    run_virtual(main())


def test_a_pod_elsewhere_is_told_that_the_volume_is_taken_and_gets_it_next() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await _prepare(w)
            await _use(w, "a", "n1")
            await _attached(w)
            await _use(w, "b", "n2")
            (message,) = await told(w, "FailedAttachVolume")
            assert message.startswith('Multi-Attach error for volume "v" Volume is already exclusively attached')
            await w.resource(PODS).delete("a", "default", grace_period=0)
            await w.settle(5)
            assert _wishes(await w.all(VOLUME_ATTACHMENTS, "")) == ["n2"]

    run_virtual(main())


def test_a_dead_node_is_waited_for_six_minutes() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await _prepare(w)
            await _use(w, "a", "n1")
            await _attached(w)
            await _in_use(w, "n1", UNIQUE)
            await report(w, "n1", "Unknown")
            await w.resource(PODS).delete("a", "default", grace_period=0)
            await w.settle(350)
            assert _wishes(await w.all(VOLUME_ATTACHMENTS, "")) == ["n1"]
            await w.settle(20)
            assert await w.all(VOLUME_ATTACHMENTS, "") == []

    run_virtual(main())


def test_what_the_driver_could_not_do_is_told() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await _prepare(w)
            await _use(w, "a", "n1")
            await _attached(w, attachError={"message": "no room"})
            assert await told(w, "FailedAttachVolume") == ['AttachVolume.Attach failed for volume "v" : no room']

    run_virtual(main())


def test_a_driver_that_does_not_answer_is_told_of_every_other_minute() -> None:
    async def main() -> None:
        async with pod_world(*LOOPS) as w:
            await _prepare(w)
            await _use(w, "a", "n1")
            await w.settle(118)
            assert await told(w, "FailedAttachVolume") == []
            await w.settle(2)
            (event,) = [e for e in await w.all(EVENTS) if e["reason"] == "FailedAttachVolume"]
            assert event["message"] == (
                'AttachVolume.Attach failed for volume "v" : timed out waiting for external-attacher of '
                "disks.example.com CSI driver to attach volume h"
            )
            assert (event["count"], event["involvedObject"]["name"]) == (1, "a")
            await w.settle(125)
            (event,) = [e for e in await w.all(EVENTS) if e["reason"] == "FailedAttachVolume"]
            assert event["count"] == 2
            await _attached(w)
            await w.settle(600)
            (event,) = [e for e in await w.all(EVENTS) if e["reason"] == "FailedAttachVolume"]
            assert event["count"] == 2

    run_virtual(main())
