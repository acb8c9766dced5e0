"""Claims are bound, provisioned for, lost and released; what is in use is not deleted; ephemeral volumes have claims."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import PERSISTENT_VOLUME_CLAIMS as CLAIMS
from controllers.framework.kinds import PERSISTENT_VOLUMES as VOLUMES
from controllers.framework.kinds import PODS, STORAGE_CLASSES, VOLUME_ATTRIBUTES_CLASSES
from controllers.loops.tests.builders import make_node, pod, pod_world, tell, told
from controllers.loops.volume_binder.matching import find, mismatch
from controllers.tests.worlds import LoopWorld

BINDER = "persistentvolume-binder-controller"
PROTECTION = ("persistentvolumeclaim-protection-controller", "persistentvolume-protection-controller")


def claim(name: str, size: str = "1Gi", **spec: Any) -> Object:
    resources = {"requests": {"storage": size}}
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": "", **spec}
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"}, "spec": wanted}


def volume(name: str, size: str = "1Gi", **spec: Any) -> Object:
    source = {} if "csi" in spec else {"hostPath": {"path": f"/srv/{name}"}}
    given = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}, **source, **spec}
    return {"metadata": {"name": name}, "spec": given, "status": {"phase": "Available"}}


def storage_class(name: str, **more: Any) -> Object:
    default = {"storageclass.kubernetes.io/is-default-class": "true"} if more.pop("default", False) else {}
    return {"metadata": {"name": name, "annotations": default}, "provisioner": "disks.example.com", **more}


async def _make_claim(w: LoopWorld, name: str, size: str = "1Gi", **spec: Any) -> None:
    made = claim(name, size, **spec)
    made["metadata"] = {"name": name}
    await w.resource(CLAIMS).create(made, "default")


async def _make_volume(w: LoopWorld, name: str, size: str = "1Gi", **spec: Any) -> None:
    await w.resource(VOLUMES).create({k: v for k, v in volume(name, size, **spec).items() if k != "status"})


async def _claim(w: LoopWorld, name: str) -> Object:
    return await w.resource(CLAIMS).get(name, "default")


async def _volume(w: LoopWorld, name: str) -> Object:
    return await w.resource(VOLUMES).get(name)


async def _phases(w: LoopWorld) -> dict[str, str]:
    found = [*await w.all(CLAIMS), *await w.all(VOLUMES, "")]
    return {obj["metadata"]["name"]: (obj.get("status") or {}).get("phase", "") for obj in found}


def test_the_smallest_volume_that_will_do_is_found_and_one_meant_for_the_claim_before_it() -> None:
    small, large = volume("small", "1Gi"), volume("large", "9Gi")
    many = volume("many", "1Gi", accessModes=["ReadWriteOnce", "ReadWriteMany"])
    meant = volume("meant", "9Gi", claimRef={"namespace": "default", "name": "c"})
    taken = volume("taken", "1Gi", claimRef={"namespace": "default", "name": "other"})
    wanted = claim("c")
    assert find(wanted, [large, small, many, taken], delayed=False) == small
    assert find(wanted, [large, small, meant], delayed=False) == meant
    assert find(wanted, [large, small, meant], delayed=True) == meant
    assert find(wanted, [large, small], delayed=True) is None
    assert find(claim("c", "2Gi"), [small, large], delayed=False) == large
    assert find(claim("c", volumeMode="Block"), [small], delayed=False) is None
    assert find(claim("c", storageClassName="fast"), [small], delayed=False) is None
    assert find(claim("c", selector={"matchLabels": {"a": "b"}}), [small], delayed=False) is None


def test_why_a_volume_asked_for_by_name_does_not_do() -> None:
    assert mismatch(volume("v"), claim("c")) == ""
    assert mismatch(volume("v"), claim("c", "2Gi")) == "requested PV is too small"
    assert mismatch(volume("v"), claim("c", storageClassName="x")) == "storageClassName does not match"
    assert mismatch(volume("v"), claim("c", volumeMode="Block")) == "incompatible volumeMode"
    assert mismatch(volume("v"), claim("c", accessModes=["ReadWriteMany"])) == "incompatible accessMode"


def test_a_claim_and_a_volume_are_bound_to_each_other() -> None:
    async def main() -> None:
        async with pod_world(BINDER) as w:
            await _make_volume(w, "v", "2Gi")
            await w.settle(1)
            assert await _phases(w) == {"v": "Available"}
            await _make_claim(w, "c")
            await w.settle(1)
            assert await _phases(w) == {"c": "Bound", "v": "Bound"}
            bound, taken = await _claim(w, "c"), await _volume(w, "v")
            assert bound["spec"]["volumeName"] == "v"
            assert bound["status"]["capacity"] == {"storage": "2Gi"}
            assert bound["status"]["accessModes"] == ["ReadWriteOnce"]
            assert bound["metadata"]["annotations"] == {
                "pv.kubernetes.io/bind-completed": "yes",
                "pv.kubernetes.io/bound-by-controller": "yes",
            }
            assert taken["metadata"]["annotations"] == {"pv.kubernetes.io/bound-by-controller": "yes"}
            assert taken["spec"]["claimRef"]["uid"] == bound["metadata"]["uid"]

    run_virtual(main())


def test_two_claims_never_get_one_volume() -> None:
    async def main() -> None:
        async with pod_world(BINDER) as w:
            for i in range(3):
                await _make_claim(w, f"c{i}")
            for i in range(2):
                await _make_volume(w, f"v{i}")
            await w.settle(40)
            names = [(await _claim(w, f"c{i}"))["spec"].get("volumeName") for i in range(3)]
            assert sorted(n or "" for n in names) == ["", "v0", "v1"]
            message = "no persistent volumes available for this claim and no storage class is set"
            assert message in await told(w, "FailedBinding")

    run_virtual(main())


def test_a_claim_with_a_class_waits_for_its_driver_and_takes_what_that_made() -> None:
    async def main() -> None:
        async with pod_world(BINDER) as w:
            await w.resource(STORAGE_CLASSES).create(storage_class("fast"))
            await _make_claim(w, "c", storageClassName="fast")
            await w.settle(1)
            waiting = await _claim(w, "c")
            key = "volume.kubernetes.io/storage-provisioner"
            assert waiting["metadata"]["annotations"][key] == "disks.example.com"
            (message,) = await told(w, "ExternalProvisioning")
            assert message.startswith(
                "Waiting for a volume to be created either by the external provisioner 'disks.example.com' or manually"
            )
            reference = {"namespace": "default", "name": "c", "uid": waiting["metadata"]["uid"]}
            made = volume("pvc-1", storageClassName="fast", claimRef=reference, csi=_csi())
            made["spec"]["persistentVolumeReclaimPolicy"] = "Delete"
            made["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "disks.example.com"}
            await w.resource(VOLUMES).create({"metadata": made["metadata"], "spec": made["spec"]})
            await w.settle(1)
            assert await _phases(w) == {"c": "Bound", "pvc-1": "Bound"}
            await w.resource(CLAIMS).patch("c", "default", {"metadata": {"finalizers": None}}, type=MERGE_PATCH)
            await w.resource(CLAIMS).delete("c", "default")
            await w.settle(20)
            assert await _phases(w) == {"pvc-1": "Released"}  # its driver deletes it

    run_virtual(main())


def _csi() -> dict[str, str]:
    return {"driver": "disks.example.com", "volumeHandle": "h"}


def test_a_delayed_class_waits_for_a_pod_and_says_for_which() -> None:
    async def main() -> None:
        async with pod_world(BINDER) as w:
            await w.resource(STORAGE_CLASSES).create(storage_class("late", volumeBindingMode="WaitForFirstConsumer"))
            await _make_volume(w, "v", storageClassName="late")
            await _make_claim(w, "c", storageClassName="late")
            await w.settle(1)
            assert await told(w, "WaitForFirstConsumer") == ["waiting for first consumer to be created before binding"]
            mount = {"name": "m", "persistentVolumeClaim": {"claimName": "c"}}
            await w.resource(PODS).create(pod("a", volumes=[mount]), "default")
            await w.settle(16)
            assert await told(w, "WaitForPodScheduled") == ["waiting for pod a to be scheduled"]
            assert (await _phases(w))["c"] == "Pending"
            chosen = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}}
            await w.resource(CLAIMS).patch("c", "default", chosen, type=MERGE_PATCH)
            await w.settle(1)
            assert len(await told(w, "ExternalProvisioning")) == 1

    run_virtual(main())


def test_a_claim_without_a_class_gets_the_default_that_came_later() -> None:
    async def main() -> None:
        async with pod_world(BINDER) as w:
            made = claim("c")
            del made["spec"]["storageClassName"]
            await w.resource(CLAIMS).create({"metadata": {"name": "c"}, "spec": made["spec"]}, "default")
            await w.settle(1)
            await w.resource(STORAGE_CLASSES).create(storage_class("fast", default=True))
            await w.settle(20)
            assert (await _claim(w, "c"))["spec"]["storageClassName"] == "fast"

    run_virtual(main())


def test_a_retained_volume_is_released_a_lost_one_is_told() -> None:
    async def main() -> None:
        async with pod_world(BINDER) as w:
            await _make_volume(w, "v", persistentVolumeReclaimPolicy="Retain")
            await _make_volume(w, "w", "5Gi", persistentVolumeReclaimPolicy="Recycle")
            await _make_claim(w, "c")
            await _make_claim(w, "d", "5Gi")
            await w.settle(20)
            await w.resource(CLAIMS).patch("c", "default", {"metadata": {"finalizers": None}}, type=MERGE_PATCH)
            await w.resource(CLAIMS).delete("c", "default")
            await w.settle(1)
            assert (await _phases(w))["v"] == "Released"
            await w.resource(VOLUMES).patch("w", "", {"metadata": {"finalizers": None}}, type=MERGE_PATCH)
            await w.resource(VOLUMES).delete("w")
            await w.settle(1)
            assert (await _phases(w))["d"] == "Lost"
            assert await told(w, "ClaimLost") == [
                "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            ]

    run_virtual(main())


def test_what_is_in_use_is_not_deleted_until_it_is_not() -> None:
    async def main() -> None:
        async with pod_world(BINDER, *PROTECTION) as w:
            await make_node(w, "n1")
            await _make_volume(w, "v")
            await _make_claim(w, "c")
            mount = {"name": "m", "persistentVolumeClaim": {"claimName": "c"}}
            user = await w.resource(PODS).create(pod("a", node="n1", volumes=[mount]), "default")
            await tell(w, user)
            await w.settle(20)
            unused = pod_facts.condition(await _claim(w, "c"), "Unused")
            assert unused is not None and (unused["status"], unused["reason"]) == ("False", "PodUsingPVC")
            await w.resource(CLAIMS).delete("c", "default")
            await w.resource(VOLUMES).delete("v")
            await w.settle(20)
            assert (await _claim(w, "c"))["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
            assert (await _volume(w, "v"))["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
            await w.resource(PODS).delete("a", "default", grace_period=0)
            await w.settle(20)
            assert await _phases(w) == {}

    run_virtual(main())


def test_a_claim_nobody_uses_says_so() -> None:
    async def main() -> None:
        async with pod_world(BINDER, *PROTECTION) as w:
            await _make_volume(w, "v")
            await _make_claim(w, "c")
            await w.settle(20)
            unused = pod_facts.condition(await _claim(w, "c"), "Unused")
            assert unused is not None and (unused["status"], unused["reason"]) == ("True", "NoPodsUsingPVC")

    run_virtual(main())


def test_an_attributes_class_goes_when_nothing_refers_to_it() -> None:
    async def main() -> None:
        async with pod_world("volumeattributesclass-protection-controller") as w:
            classes = w.resource(VOLUME_ATTRIBUTES_CLASSES)
            parameters = {"metadata": {"name": "gold"}, "driverName": "disks.example.com", "parameters": {"iops": "9"}}
            await classes.create(parameters)
            await _make_claim(w, "c", volumeAttributesClassName="gold")
            await w.settle(1)
            assert (await classes.get("gold"))["metadata"]["finalizers"] == ["kubernetes.io/vac-protection"]
            await classes.delete("gold")
            await w.settle(1)
            assert await w.find(VOLUME_ATTRIBUTES_CLASSES, "gold", "") is not None
            await w.resource(CLAIMS).patch("c", "default", {"metadata": {"finalizers": None}}, type=MERGE_PATCH)
            await w.resource(CLAIMS).delete("c", "default")
            await w.settle(1)
            assert await w.find(VOLUME_ATTRIBUTES_CLASSES, "gold", "") is None

    run_virtual(main())


def test_an_ephemeral_volume_has_a_claim_of_its_pod_and_a_foreign_one_is_told() -> None:
    async def main() -> None:
        async with pod_world("ephemeral-volume-controller") as w:
            template = {"metadata": {"labels": {"l": "1"}}, "spec": claim("x")["spec"]}
            scratch = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}
            owner = await w.resource(PODS).create(pod("a", volumes=[scratch]), "default")
            await _make_claim(w, "b-scratch")
            await w.resource(PODS).create(pod("b", volumes=[scratch]), "default")
            await w.settle(1)
            made = await _claim(w, "a-scratch")
            assert made["metadata"]["labels"] == {"l": "1"}
            assert made["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
            assert await told(w, "FailedBinding") == [
                "ephemeral volume scratch: PVC default/b-scratch was not created for pod default/b (pod is not owner)"
            ]

    run_virtual(main())


def test_a_claim_that_wants_more_waits_for_its_resizer() -> None:
    async def main() -> None:
        async with pod_world(BINDER, "persistentvolume-expander-controller") as w:
            await w.resource(STORAGE_CLASSES).create(storage_class("fast", allowVolumeExpansion=True))
            await _make_volume(w, "v", storageClassName="fast")
            await _make_claim(w, "c", storageClassName="fast")
            await w.settle(20)
            larger = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
            await w.resource(CLAIMS).patch("c", "default", larger, type=MERGE_PATCH)
            await w.settle(1)
            assert await told(w, "ExternalExpanding") == ["waiting for an external controller to expand this PVC"]

    run_virtual(main())
