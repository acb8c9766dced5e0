"""Claims, volumes and classes of storage through a whole server."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


def claim(name: str = "data", **spec: Any) -> dict[str, Any]:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": wanted}


def volume(name: str = "disk", **spec: Any) -> dict[str, Any]:
    given = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/data"}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": given}


async def bind(api: World, name: str = "data", capacity: str = "1Gi") -> None:
    patch = {"status": {"phase": "Bound", "capacity": {"storage": capacity}}}
    merge = "application/merge-patch+json"
    code, answer = await api.ask("PATCH", f"{CLAIMS}/{name}/status", patch, Content_Type=merge)
    assert (code, answer["status"]["phase"]) == (200, "Bound")


def test_a_claim_waits_with_its_defaults_and_canonical_amounts() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, made = await api.ask("POST", CLAIMS, claim())
            assert (code, made["status"]) == (201, {"phase": "Pending"})
            assert made["spec"]["volumeMode"] == "Filesystem"
            assert made["spec"]["resources"]["requests"]["storage"] == "1Gi"

    run_virtual(scenario())


def test_a_bound_claim_may_grow_but_not_shrink_below_what_it_has() -> None:
    async def scenario() -> None:
        async with world() as api:
            body = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gold"}}
            gold = {**body, "provisioner": "example.com/p", "allowVolumeExpansion": True}
            classes = "/apis/storage.k8s.io/v1/storageclasses"
            await api.ask("POST", classes, gold)
            await api.ask("GET", classes)  # admission has heard of it then
            await api.ask("POST", CLAIMS, claim(storageClassName="gold"))
            await bind(api)
            for size, expected in (("2Gi", 200), ("1536Mi", 200), ("512Mi", 422)):
                patch = {"spec": {"resources": {"requests": {"storage": size}}}}
                merge = "application/merge-patch+json"
                code, answer = await api.ask("PATCH", f"{CLAIMS}/data", patch, Content_Type=merge)
                assert code == expected, answer
            assert "field can not be less than status.capacity" in answer["message"]

    run_virtual(scenario())


def test_a_volume_keeps_its_source_and_tells_since_when_it_is_in_its_phase() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, made = await api.ask("POST", VOLUMES, volume())
            assert code == 201
            assert (made["status"]["phase"], made["spec"]["persistentVolumeReclaimPolicy"]) == ("Pending", "Retain")
            assert made["status"]["lastPhaseTransitionTime"] == made["metadata"]["creationTimestamp"]
            made["spec"]["hostPath"]["path"] = "/elsewhere"
            code, answer = await api.ask("PUT", f"{VOLUMES}/disk", made)
            assert code == 422
            assert "spec.persistentvolumesource is immutable after creation" in answer["message"]

    run_virtual(scenario())


def test_a_volume_needs_exactly_one_source() -> None:
    async def scenario() -> None:
        async with world() as api:
            none, two = volume(), volume(nfs={"server": "s", "path": "/p"})
            del none["spec"]["hostPath"]
            _, answer = await api.ask("POST", VOLUMES, none)
            assert answer["details"]["causes"][0]["message"] == "Required value: must specify a volume type"
            _, answer = await api.ask("POST", VOLUMES, two)
            assert answer["details"]["causes"][0]["field"] == "spec.nfs"

    run_virtual(scenario())


def test_a_class_of_storage_does_not_change_its_provisioner() -> None:
    async def scenario() -> None:
        async with world() as api:
            path = "/apis/storage.k8s.io/v1/storageclasses"
            body = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}}
            code, made = await api.ask("POST", path, {**body, "provisioner": "example.com/p"})
            assert (code, made["reclaimPolicy"], made["volumeBindingMode"]) == (201, "Delete", "Immediate")
            code, answer = await api.ask("PUT", f"{path}/fast", {**made, "provisioner": "example.com/q"})
            assert (code, answer["details"]["causes"][0]["field"]) == (422, "provisioner")

    run_virtual(scenario())
