"""Zones of volumes and limits of drivers, plugin by plugin; which volume a claim gets."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.objects import Object
from controllers.framework import kinds
from controllers.scheduler.framework import listers
from controllers.scheduler.plugins.tests.made import Bench, bound, node, pod
from controllers.scheduler.plugins.volume_matching import bind_volume, find_match

ZONE, BETA_ZONE = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"


def claim(name: str, volume: str = "", **more: Any) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **more}
    if volume:
        spec["volumeName"] = volume
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": meta, "spec": spec}


def volume(name: str, *, size: str = "1Gi", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    given = {"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], **spec}
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": given, "status": {"phase": "Available"}}


def uses(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in names]


NO_ZONE = "node(s) had no available volume zone"


@pytest.mark.parametrize(
    ("labels", "turned_down"),
    [
        ({}, []),
        ({ZONE: "a"}, ["b"]),
        ({BETA_ZONE: "b"}, ["a"]),  # an old volume's label holds for a new node's
        ({ZONE: "a__b"}, []),
        ({ZONE: "c"}, ["a", "b"]),
        ({ZONE: "a__"}, []),  # what cannot be read is not looked at
    ],
)
def test_zones_of_volumes(labels: dict[str, str], turned_down: list[str]) -> None:
    bench = Bench([node("a", labels={ZONE: "a"}), node("b", labels={ZONE: "b"}), node("bare")])
    bench.know(kinds.PERSISTENT_VOLUME_CLAIMS, claim("c", "v"))
    bench.know(kinds.PERSISTENT_VOLUMES, volume("v", labels=labels))
    verdicts = bench.verdicts("VolumeZone", pod(volumes=uses("c")))
    assert [name for name, why in verdicts.items() if why == NO_ZONE] == turned_down


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (None, 'persistentvolumeclaim "c" not found'),
        (claim("c", "v"), 'persistentvolume "v" not found'),
        (claim("c"), "PersistentVolumeClaim had no pv name and storageClass name"),
        (claim("c", storageClassName="no"), 'storageclass.storage.k8s.io "no" not found'),
        (claim("c", storageClassName="now"), "PersistentVolume had no name"),
        (claim("c", storageClassName="later"), None),
    ],
)
def test_zones_need_a_volume_or_a_class_that_waits(given: Object | None, verdict: str | None) -> None:
    bench = Bench([node("a")])
    bench.know(kinds.PERSISTENT_VOLUME_CLAIMS, *([given] if given else []))
    modes = (("now", "Immediate"), ("later", "WaitForFirstConsumer"))
    bench.know(kinds.STORAGE_CLASSES, *({"metadata": {"name": n}, "volumeBindingMode": mode} for n, mode in modes))
    assert bench.verdicts("VolumeZone", pod(volumes=uses("c"))) == ({"a": ""} if verdict is None else {"": verdict})


def csi_node(name: str, driver: str, count: int | None) -> Object:
    allocatable = {"count": count} if count is not None else {}
    return {"metadata": {"name": name}, "spec": {"drivers": [{"name": driver, "allocatable": allocatable}]}}


def csi(name: str, handle: str) -> Object:
    return volume(name, csi={"driver": "d", "volumeHandle": handle})


@pytest.mark.parametrize(
    ("limit", "wanted", "verdict"),
    [
        (2, ["c3"], "node(s) exceed max volume count"),  # two are attached
        (3, ["c3"], ""),
        (3, ["c3", "c4"], "node(s) exceed max volume count"),
        (2, ["c1"], ""),  # attached already
        (None, ["c3", "c4"], ""),
        (0, [], ""),
    ],
)
def test_a_drivers_limit(limit: int | None, wanted: list[str], verdict: str) -> None:
    bench = Bench([node("n")], [bound(pod("u", volumes=uses("c1", "c2")), "n")])
    bench.know(listers.CSI_NODES, csi_node("n", "d", limit))
    bench.know(kinds.PERSISTENT_VOLUME_CLAIMS, *(claim(f"c{i}", f"v{i}") for i in (1, 2, 3, 4)))
    bench.know(kinds.PERSISTENT_VOLUMES, *(csi(f"v{i}", f"h{i}") for i in (1, 2, 3, 4)))
    assert bench.verdicts("NodeVolumeLimits", pod(volumes=uses(*wanted))) == {"n": verdict}


def test_attachments_without_a_pod_count_and_volumes_to_be_made_too() -> None:
    bench = Bench([node("n")])
    bench.know(listers.CSI_NODES, csi_node("n", "d", 2))
    attached = {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v1"}}
    attachment = {"metadata": {"name": "x"}, "spec": attached}
    bench.know(listers.VOLUME_ATTACHMENTS, attachment)
    bench.know(kinds.PERSISTENT_VOLUMES, csi("v1", "h1"))
    bench.know(kinds.STORAGE_CLASSES, {"metadata": {"name": "s"}, "provisioner": "d"})
    bench.know(kinds.PERSISTENT_VOLUME_CLAIMS, *(claim(name, storageClassName="s") for name in ("a", "b")))
    assert bench.verdicts("NodeVolumeLimits", pod(volumes=uses("a"))) == {"n": ""}
    assert bench.verdicts("NodeVolumeLimits", pod(volumes=uses("a", "b"))) == {"n": "node(s) exceed max volume count"}


def test_a_driver_that_must_be_there_must_be_there() -> None:
    bench = Bench([node("n"), node("m")])
    bench.know(listers.CSI_NODES, csi_node("n", "d", None))
    bench.know(listers.CSI_DRIVERS, {"metadata": {"name": "d"}, "spec": {"preventPodSchedulingIfMissing": True}})
    bench.know(kinds.PERSISTENT_VOLUME_CLAIMS, claim("c", "v"))
    bench.know(kinds.PERSISTENT_VOLUMES, csi("v", "h"))
    verdicts = bench.verdicts("NodeVolumeLimits", pod(volumes=uses("c")))
    assert verdicts == {"n": "", "m": "d CSI driver is not installed on the node"}


def taken_by(name: str) -> dict[str, Any]:
    return {"claimRef": {"name": name, "namespace": "default"}}


@pytest.mark.parametrize(
    ("volumes", "found"),
    [
        ([volume("small", size="500Mi"), volume("right", size="2Gi"), volume("large", size="9Gi")], "right"),
        ([volume("other", **taken_by("other")), volume("free", size="3Gi")], "free"),
        ([volume("free"), volume("mine", size="5Gi", **taken_by("c"))], "mine"),
        ([volume("block", volumeMode="Block")], None),
        ([volume("class", storageClassName="x")], None),
        ([{**volume("used"), "status": {"phase": "Bound"}}], None),
        ([volume("many", accessModes=["ReadOnlyMany"])], None),
        ([volume("attributes", volumeAttributesClassName="gold")], None),
    ],
)
def test_which_volume_a_claim_gets(volumes: list[Object], found: str | None) -> None:
    match = find_match(claim("c"), volumes, {}, {})
    assert (match["metadata"]["name"] if match else None) == found


def test_a_reserved_volume_out_of_reach_leaves_nothing() -> None:
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}
    mine = volume("mine", nodeAffinity={"required": required}, **taken_by("c"))
    assert find_match(claim("c"), [volume("free"), mine], {"zone": "b"}, {}) is None
    assert find_match(claim("c"), [volume("free"), mine], {"zone": "a"}, {}) == mine


def test_binding_marks_a_volume_once() -> None:
    bound_volume, changed = bind_volume(volume("v"), claim("c"))
    assert changed and bound_volume["spec"]["claimRef"]["uid"] == "uid-c"
    assert bound_volume["metadata"]["annotations"] == {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert bind_volume(bound_volume, claim("c")) == (bound_volume, False)


@pytest.mark.parametrize(
    ("capacity", "verdict"),
    [
        ([], "node(s) did not have enough free storage"),
        ([{"capacity": "500Mi"}], "node(s) did not have enough free storage"),
        ([{"capacity": "5Gi"}], ""),
        ([{"capacity": "5Gi", "maximumVolumeSize": "500Mi"}], "node(s) did not have enough free storage"),
        ([{"capacity": "5Gi", "storageClassName": "other"}], "node(s) did not have enough free storage"),
        (
            [{"capacity": "5Gi", "nodeTopology": {"matchLabels": {"zone": "b"}}}],
            "node(s) did not have enough free storage",
        ),
    ],
)
def test_drivers_that_tell_their_capacity_must_have_enough(capacity: list[dict[str, Any]], verdict: str) -> None:
    bench = Bench([node("n", labels={"zone": "a"})])
    bench.know(kinds.PERSISTENT_VOLUME_CLAIMS, claim("c", storageClassName="s"))
    waiting = {"metadata": {"name": "s"}, "provisioner": "d", "volumeBindingMode": "WaitForFirstConsumer"}
    bench.know(kinds.STORAGE_CLASSES, waiting)
    bench.know(listers.CSI_DRIVERS, {"metadata": {"name": "d"}, "spec": {"storageCapacity": True}})
    spaces = [
        {"metadata": {"name": str(i), "namespace": "x"}, "storageClassName": "s", "nodeTopology": {}, **given}
        for i, given in enumerate(capacity)
    ]
    bench.know(listers.CSI_STORAGE_CAPACITIES, *spaces)
    assert bench.verdicts("VolumeBinding", pod(volumes=uses("c"))) == {"n": verdict}
