"""Volumes that are directories of this machine: made for claims, deleted after them, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import PERSISTENT_VOLUME_CLAIMS as CLAIMS
from controllers.framework.kinds import PERSISTENT_VOLUMES as VOLUMES
from controllers.framework.kinds import STORAGE_CLASSES
from controllers.loops.tests.builders import make_node, pod_world, told
from controllers.loops.volume_binder.provisioning import due_finalizers
from controllers.tests.worlds import LoopWorld

BINDER = "persistentvolume-binder-controller"
HOST_PATH = "kubernetes.io/host-path"


def _settings(directory: Path, enabled: bool = True) -> dict[str, Any]:
    return {"enable_hostpath_provisioner": enabled, "hostpath_directory": str(directory)}


async def _claim(w: LoopWorld, **spec: Any) -> None:
    """A class of our own, and a claim `c` of it."""
    more: dict[str, Any] = {
        key: spec.pop(key) for key in ("volumeBindingMode", "mountOptions", "reclaimPolicy") if key in spec
    }
    await w.resource(STORAGE_CLASSES).create({"metadata": {"name": "standard"}, "provisioner": HOST_PATH, **more})
    resources = {"requests": {"storage": "2Gi"}}
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": "standard", **spec}
    await w.resource(CLAIMS).create({"metadata": {"name": "c"}, "spec": wanted}, "default")


async def _drop_claim(w: LoopWorld) -> None:
    await w.resource(CLAIMS).patch("c", "default", {"metadata": {"finalizers": None}}, type=MERGE_PATCH)
    await w.resource(CLAIMS).delete("c", "default")


def test_a_claim_gets_a_directory_and_leaves_none_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with pod_world(BINDER, settings=_settings(tmp_path / "volumes")) as w:
            await _claim(w)
            await w.settle(2)
            (volume,) = await w.all(VOLUMES, "")
            uid = (await w.resource(CLAIMS).get("c", "default"))["metadata"]["uid"]
            assert volume["metadata"]["name"] == f"pvc-{uid}"
            assert volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == HOST_PATH
            assert "kubernetes.io/pv-controller" in volume["metadata"]["finalizers"]
            assert volume["spec"]["capacity"] == {"storage": "2Gi"} and volume["status"]["phase"] == "Bound"
            path = Path(volume["spec"]["hostPath"]["path"])
            assert list((tmp_path / "volumes").iterdir()) == [path]
            assert await told(w, "ProvisioningSucceeded") == [
                f"Successfully provisioned volume pvc-{uid} using {HOST_PATH}"
            ]
            (path / "sub" / "deep").mkdir(parents=True)
            (path / "data").write_text("kept as long as the claim")
            (path / "sub" / "link").symlink_to(tmp_path)
            await w.resource(VOLUMES).patch(f"pvc-{uid}", "", {"metadata": {"labels": {"a": "b"}}}, type=MERGE_PATCH)
            await w.settle(20)
            assert (path / "data").exists()
            await _drop_claim(w)
            await w.eventually(lambda: _gone(w), within=60)
            assert not path.exists() and tmp_path.is_dir()

    run_virtual(main())


async def _gone(w: LoopWorld) -> bool:
    """Nothing left but what the volume's protection keeps, which does not run here."""
    kept = await w.all(VOLUMES, "")
    return all(v["metadata"].get("finalizers") == ["kubernetes.io/pv-protection"] for v in kept)


def test_a_retained_volume_keeps_its_directory(tmp_path: Path) -> None:
    async def main() -> None:
        async with pod_world(BINDER, settings=_settings(tmp_path)) as w:
            await _claim(w, reclaimPolicy="Retain")
            await w.settle(2)
            await _drop_claim(w)
            await w.settle(20)
            (volume,) = await w.all(VOLUMES, "")
            assert volume["status"]["phase"] == "Released"
            assert "kubernetes.io/pv-controller" not in volume["metadata"].get("finalizers", [])
            assert Path(volume["spec"]["hostPath"]["path"]).is_dir()

    run_virtual(main())


def test_nothing_is_made_where_it_was_not_allowed(tmp_path: Path) -> None:
    async def main() -> None:
        async with pod_world(BINDER, settings=_settings(tmp_path, enabled=False)) as w:
            await _claim(w)
            await w.settle(2)
            why = f'Failed to create provisioner: provisioning in volume plugin "{HOST_PATH}" is disabled'
            assert await told(w, "ProvisioningFailed") == [why]
            assert await w.all(VOLUMES, "") == [] and list(tmp_path.iterdir()) == []

    run_virtual(main())


def test_what_the_plugin_cannot_do_is_told(tmp_path: Path) -> None:
    async def said(**spec: Any) -> list[str]:
        async with pod_world(BINDER, settings=_settings(tmp_path)) as w:
            await make_node(w, "n1")
            await _claim(w, **spec)
            await w.settle(2)
            assert await w.all(VOLUMES, "") == []
            return await told(w, "ProvisioningFailed")

    block = f'Failed to provision volume with StorageClass "standard": {HOST_PATH} does not support block volume provisioning'
    assert run_virtual(said(volumeMode="Block")) == [block]
    source = {"kind": "PersistentVolumeClaim", "name": "other"}
    plugin = f'plugin "{HOST_PATH}" is not a CSI plugin. Only CSI plugin can provision a claim with a datasource'
    assert run_virtual(said(dataSource=source)) == [plugin]
    options = (
        'Mount options are not supported by the provisioner but StorageClass "standard" has mount options [ro noatime]'
    )
    assert run_virtual(said(mountOptions=["ro", "noatime"])) == [options]


def test_directories_of_others_are_never_removed(tmp_path: Path) -> None:
    """Upstream removes whatever lies under /tmp; the object goes here as well, the data stays."""
    mine = tmp_path / "mine"
    mine.mkdir()
    assert str(mine).startswith("/tmp/"), "pytest's directories lie in /tmp"

    async def main() -> None:
        async with pod_world(BINDER, settings=_settings(tmp_path / "volumes")) as w:
            for name, path in (("in-tmp", str(mine)), ("elsewhere", "/srv/data")):
                size, policy = {"storage": "2Gi"}, "Delete"
                spec = {"hostPath": {"path": path}, "capacity": size, "accessModes": ["ReadWriteOnce"]}
                claim = {"namespace": "default", "name": name, "uid": "gone"}
                spec |= {"persistentVolumeReclaimPolicy": policy, "claimRef": claim}
                await w.resource(VOLUMES).create({"metadata": {"name": name}, "spec": spec})
            await w.settle(20)
            left = {v["metadata"]["name"]: v for v in await w.all(VOLUMES, "")}
            assert "deletionTimestamp" in left["in-tmp"]["metadata"]
            assert left["elsewhere"]["status"]["phase"] == "Failed"
            why = "host_path deleter only supports /tmp/.+ but received provided /srv/data"
            assert await told(w, "VolumeFailedDelete") == [why]

    run_virtual(main())
    assert mine.is_dir()


def _made_by(maker: str, policy: str, *finalizers: str) -> Object:
    meta = {"annotations": {"pv.kubernetes.io/provisioned-by": maker}, "finalizers": list(finalizers)}
    return {"metadata": meta, "spec": {"persistentVolumeReclaimPolicy": policy}}


def test_the_finalizer_of_in_tree_volumes_follows_their_policy() -> None:
    ours, theirs = "kubernetes.io/pv-controller", "external-provisioner.volume.kubernetes.io/finalizer"
    assert due_finalizers(_made_by(HOST_PATH, "Delete", "x")) == ["x", ours]
    assert due_finalizers(_made_by(HOST_PATH, "Retain", "x", ours)) == ["x"]
    assert due_finalizers(_made_by(HOST_PATH, "Delete", ours, theirs)) == [ours]
    assert due_finalizers(_made_by("kubernetes.io/aws-ebs", "Delete", ours, theirs)) == [theirs]
    assert due_finalizers(_made_by("disks.example.com", "Delete", theirs)) == [theirs]
    assert due_finalizers({"metadata": {}, "spec": {"persistentVolumeReclaimPolicy": "Delete"}}) == []
