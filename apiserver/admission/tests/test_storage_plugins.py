"""Storage, runtime classes and classes of ingresses: what admission adds and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.admission.interface import UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.plugins.defaultingressclass import DefaultIngressClass
from apiserver.admission.plugins.runtimeclass import RuntimeClass
from apiserver.admission.plugins.storage import (
    DefaultStorageClass,
    PersistentVolumeClaimResize,
    StorageObjectInUseProtection,
)
from apiserver.admission.tests.worlds import World, attributes, pod
from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError

DEFAULT_CLASS = {"storageclass.kubernetes.io/is-default-class": "true"}
DEFAULT_INGRESS_CLASS = {"ingressclass.kubernetes.io/is-default-class": "true"}


def run(world: World, kind: type[AdmissionPlugin], given: Attributes) -> Any:
    plugin = world.plugin(kind)

    async def both() -> None:
        await plugin.admit(given)
        await plugin.validate(given)

    run_virtual(both())
    return given.obj


def a_class(world: World, kind: str, name: str, annotations: dict[str, str], second: int, **more: Any) -> None:
    created = f"2026-01-01T00:00:{second:02}Z"
    world.add(kind, name, metadata={"annotations": annotations, "creationTimestamp": created}, **more)


def claim(size: str = "1Gi", **more: Any) -> dict[str, Any]:
    spec = {"resources": {"requests": {"storage": size}}, **more.pop("spec", {})}
    return {"metadata": {"name": "data"}, "spec": spec, **more}


def test_a_claim_without_a_class_gets_the_newest_default() -> None:
    world = World()
    a_class(world, "storageclasses", "old", DEFAULT_CLASS, 1)
    a_class(world, "storageclasses", "new", DEFAULT_CLASS, 2)
    a_class(world, "storageclasses", "newest", {}, 3)
    given = attributes("persistentvolumeclaims", claim())
    assert run(world, DefaultStorageClass, given)["spec"]["storageClassName"] == "new"
    given = attributes("persistentvolumeclaims", claim(spec={"storageClassName": ""}))
    assert run(world, DefaultStorageClass, given)["spec"]["storageClassName"] == ""


def test_what_is_stored_on_begins_protected() -> None:
    for kind, finalizer in (
        ("persistentvolumeclaims", "kubernetes.io/pvc-protection"),
        ("persistentvolumes", "kubernetes.io/pv-protection"),
        ("volumeattributesclasses", "kubernetes.io/vac-protection"),
    ):
        given = attributes(kind, {"metadata": {"name": "x", "finalizers": ["a.io/b"]}})
        assert run(World(), StorageObjectInUseProtection, given)["metadata"]["finalizers"] == ["a.io/b", finalizer]


@pytest.mark.parametrize(
    ("phase", "expandable", "refusal"),
    [("Bound", True, ""), ("Bound", False, "must support resize"), ("Pending", True, "Only bound")],
)
def test_a_claim_grows_where_its_class_lets_it(phase: str, expandable: bool, refusal: str) -> None:
    world = World()
    a_class(world, "storageclasses", "gold", {}, 1, allowVolumeExpansion=expandable)
    spec = {"spec": {"storageClassName": "gold"}}
    old = claim("1Gi", **spec, status={"phase": phase})
    given = attributes("persistentvolumeclaims", claim("2Gi", **spec), operation=UPDATE, old=old)
    if not refusal:
        run(world, PersistentVolumeClaimResize, given)
        return
    with pytest.raises(StatusError, match=refusal):
        run(world, PersistentVolumeClaimResize, given)


def test_a_pod_bears_the_cost_and_the_place_of_its_runtime_class() -> None:
    world = World()
    toleration = {"key": "kata", "operator": "Exists"}
    scheduling = {"nodeSelector": {"kata": "yes"}, "tolerations": [toleration]}
    world.add("runtimeclasses", "kata", overhead={"podFixed": {"cpu": "250m"}}, scheduling=scheduling)
    admitted = run(world, RuntimeClass, attributes("pods", pod({"runtimeClassName": "kata"})))
    assert admitted["spec"]["overhead"] == {"cpu": "250m"}
    assert admitted["spec"]["nodeSelector"] == {"kata": "yes"}
    assert admitted["spec"]["tolerations"] == [toleration]
    with pytest.raises(StatusError, match=r"conflict: runtimeClass\.scheduling\.nodeSelector"):
        spec = {"runtimeClassName": "kata", "nodeSelector": {"kata": "no"}}
        run(world, RuntimeClass, attributes("pods", pod(spec)))


def test_a_runtime_class_must_exist_and_nobody_makes_up_overhead() -> None:
    with pytest.raises(StatusError, match='RuntimeClass "none" not found'):
        run(World(), RuntimeClass, attributes("pods", pod({"runtimeClassName": "none"})))
    with pytest.raises(StatusError, match="without corresponding RuntimeClass"):
        run(World(), RuntimeClass, attributes("pods", pod({"overhead": {"cpu": "1"}})))


def test_an_ingress_without_a_class_gets_the_default_one() -> None:
    world = World()
    a_class(world, "ingressclasses", "nginx", DEFAULT_INGRESS_CLASS, 1)
    given = attributes("ingresses", {"metadata": {"name": "web"}, "spec": {}})
    assert run(world, DefaultIngressClass, given)["spec"]["ingressClassName"] == "nginx"
