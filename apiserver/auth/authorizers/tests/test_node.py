"""The Node authorizer: a kubelet reads what its pods need, as long as they are its pods."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.auth.build import build_authorizer
from apiserver.auth.interface import ALLOW, AuthorizerAttributes, Decision
from apiserver.auth.tests.worlds import World, meta

NODE = UserInfo("system:node:n1", ("system:nodes",))
ABSENT = (GroupResource("resource.k8s.io", "resourceslices"),)


def pod(name: str = "web", node: str = "n1", **spec: Any) -> Object:
    return {"metadata": meta(name, "shop", uid=name), "spec": {"nodeName": node, **spec}}


FULL = pod(
    serviceAccountName="robot",
    imagePullSecrets=[{"name": "pull"}],
    initContainers=[{"envFrom": [{"secretRef": {"name": "env"}}, {"configMapRef": {"name": "settings"}}]}],
    containers=[
        {
            "env": [
                {"valueFrom": {"secretKeyRef": {"name": "key"}}},
                {"valueFrom": {"configMapKeyRef": {"name": "value"}}},
                {"value": "x"},
            ]
        }
    ],
    volumes=[
        {"name": "a", "secret": {"secretName": "mounted"}},
        {"name": "b", "configMap": {"name": "files"}},
        {
            "name": "c",
            "projected": {"sources": [{"secret": {"name": "part"}}, {"configMap": {"name": "kube-root-ca.crt"}}]},
        },
        {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "e", "ephemeral": {}},
        {"name": "f", "csi": {"nodePublishSecretRef": {"name": "publish"}}},
    ],
    resourceClaims=[{"name": "gpu", "resourceClaimName": "big"}],
)


class Kubelet:
    """Asks as node n1, and says the verdict or the reason."""

    def __init__(self, world: World) -> None:
        self._authorizer = build_authorizer(("Node",), world).authorizer

    async def may(self, verb: str, resource: str, name: str = "", **more: Any) -> bool:
        return (await self._decide(verb, resource, name, **more)).verdict == ALLOW

    async def reason(self, verb: str, resource: str, name: str = "", **more: Any) -> str:
        return (await self._decide(verb, resource, name, **more)).reason.removeprefix("node: ")

    async def _decide(self, verb: str, resource: str, name: str, namespace: str = "shop", **more: Any) -> Decision:
        plural, _, group = resource.partition(".")
        plural, _, subresource = plural.partition("/")
        user = more.pop("user", NODE)
        attributes = AuthorizerAttributes(
            user,
            verb,
            True,
            group=group,
            resource=plural,
            subresource=subresource,
            namespace=namespace,
            name=name,
            **more,
        )
        return await self._authorizer.authorize(attributes)


REFERENCED = [
    *[("secrets", n) for n in ("pull", "env", "key", "mounted", "part", "publish")],
    *[("configmaps", n) for n in ("settings", "value", "files", "kube-root-ca.crt")],
    ("persistentvolumeclaims", "data"),
    ("persistentvolumeclaims", "web-e"),
    ("serviceaccounts", "robot"),
    ("resourceclaims.resource.k8s.io", "big"),
    ("pods", "web"),
]


@pytest.mark.parametrize(("resource", "name"), REFERENCED)
async def test_a_node_reads_what_its_pods_name(resource: str, name: str) -> None:
    world = World(ABSENT)
    kubelet = Kubelet(world)
    assert not await kubelet.may("get", resource, name)
    world.add("pods", FULL)
    assert await kubelet.may("get", resource, name)
    assert not await kubelet.may("get", resource, name, namespace="bank")
    world.remove("pods", "shop", "web")
    assert not await kubelet.may("get", resource, name)


async def test_of_two_pods_that_share_an_object_the_last_one_counts() -> None:
    world = World(ABSENT)
    kubelet = Kubelet(world)
    for name in ("a", "b"):
        world.add("pods", pod(name, imagePullSecrets=[{"name": "pull"}]))
    assert await kubelet.may("get", "secrets", "pull")
    world.remove("pods", "shop", "a")
    assert await kubelet.may("get", "secrets", "pull")
    world.remove("pods", "shop", "b")
    assert not await kubelet.may("get", "secrets", "pull")


async def test_pods_of_others_and_unbound_ones_do_not_count() -> None:
    world = World(ABSENT)
    world.add("pods", pod("a", "n2", imagePullSecrets=[{"name": "pull"}]))
    world.add("pods", pod("b", "", imagePullSecrets=[{"name": "pull"}]))
    kubelet = Kubelet(world)
    assert await kubelet.reason("get", "secrets", "pull") == "no relationship found between node 'n1' and this object"
    world.add("pods", pod("b", "n1", imagePullSecrets=[{"name": "pull"}]))
    assert await kubelet.may("get", "secrets", "pull")


async def test_a_mirror_pod_gives_its_node_nothing() -> None:
    world = World(ABSENT)
    mirror = pod("a", imagePullSecrets=[{"name": "pull"}])
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    world.add("pods", mirror)
    assert not await Kubelet(world).may("get", "secrets", "pull")


async def test_ephemeral_containers_add_references() -> None:
    world = World(ABSENT)
    kubelet = Kubelet(world)
    world.add("pods", pod())
    assert not await kubelet.may("get", "secrets", "late")
    world.add("pods", pod(ephemeralContainers=[{"envFrom": [{"secretRef": {"name": "late"}}]}]))
    assert await kubelet.may("get", "secrets", "late")


async def test_volumes_lead_from_the_claim_to_the_volume_and_its_secrets() -> None:
    world = World(ABSENT)
    kubelet = Kubelet(world)
    volume = {
        "metadata": meta("pv"),
        "spec": {
            "claimRef": {"namespace": "shop", "name": "data"},
            "csi": {
                "nodeStageSecretRef": {"namespace": "vault", "name": "stage"},
                "controllerPublishSecretRef": {"namespace": "vault", "name": "controller"},
            },
        },
    }
    world.add("persistentvolumes", volume)
    assert not await kubelet.may("get", "persistentvolumes", "pv", namespace="")
    world.add("pods", FULL)
    assert await kubelet.may("get", "persistentvolumes", "pv", namespace="")
    assert await kubelet.may("get", "secrets", "stage", namespace="vault")
    assert not await kubelet.may("get", "secrets", "controller", namespace="vault")
    world.remove("persistentvolumes", "", "pv")
    assert not await kubelet.may("get", "secrets", "stage", namespace="vault")


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more", "why"),
    [
        ("create", "secrets", "x", {}, "can only read resources of this type"),
        ("get", "secrets/x", "x", {}, "cannot read subresource"),
        ("list", "secrets", "", {"namespace": ""}, "can only read namespaced object of this type"),
        ("list", "secrets", "", {}, "No Object name found"),
        ("list", "persistentvolumes", "x", {}, "can only get individual resources of this type"),
        ("create", "serviceaccounts", "x", {}, "can only create token subresource of serviceaccount"),
        ("create", "serviceaccounts/token", "", {}, "can only create tokens for individual service accounts"),
        ("list", "leases.coordination.k8s.io", "", {}, "can only get, create, update, patch, or delete a node lease"),
        (
            "get",
            "leases.coordination.k8s.io",
            "n1",
            {},
            'can only access leases in the "kube-node-lease" system namespace',
        ),
        (
            "get",
            "leases.coordination.k8s.io",
            "n2",
            {"namespace": "kube-node-lease"},
            "can only access node lease with the same name as the requesting node",
        ),
        (
            "get",
            "csinodes.storage.k8s.io",
            "n2",
            {},
            "can only access CSINode with the same name as the requesting node",
        ),
        ("list", "nodes", "", {}, "node 'n1' cannot read all nodes, only its own Node object"),
        ("get", "nodes", "n2", {}, "node 'n1' cannot read 'n2', only its own Node object"),
        ("list", "pods", "", {}, "can only list/watch pods with spec.nodeName field selector"),
        (
            "list",
            "resourceslices.resource.k8s.io",
            "",
            {},
            "can only list/watch/deletecollection resourceslices with nodeName field selector",
        ),
    ],
)
async def test_refusals_say_why(verb: str, resource: str, name: str, more: dict[str, Any], why: str) -> None:
    assert await Kubelet(World()).reason(verb, resource, name, **more) == why


@pytest.mark.parametrize(
    ("verb", "resource", "name", "more"),
    [
        ("list", "pods", "", {"namespace": "", "field_selector": "spec.nodeName=n1"}),
        ("watch", "pods", "", {"namespace": "", "field_selector": "status.phase!=Failed,spec.nodeName=n1"}),
        ("create", "pods", "", {}),
        ("delete", "pods", "x", {}),
        ("patch", "pods/status", "x", {}),
        ("create", "pods/eviction", "x", {}),
        ("create", "nodes", "", {"namespace": ""}),
        ("get", "nodes", "n1", {"namespace": ""}),
        ("update", "nodes/status", "n1", {"namespace": ""}),
        ("update", "leases.coordination.k8s.io", "n1", {"namespace": "kube-node-lease"}),
        ("get", "csinodes.storage.k8s.io", "n1", {"namespace": ""}),
        ("list", "services", "", {"namespace": ""}),
        ("create", "events", "", {}),
    ],
)
async def test_what_every_node_may(verb: str, resource: str, name: str, more: dict[str, Any]) -> None:
    assert await Kubelet(World()).may(verb, resource, name, **more)


@pytest.mark.parametrize(
    "selector", ["spec.nodeName=n2", "spec.nodeName!=n1", "metadata.name=n1", "spec.nodeName=n1x", ""]
)
async def test_another_selector_is_not_enough(selector: str) -> None:
    assert not await Kubelet(World()).may("list", "pods", field_selector=selector)


async def test_who_is_no_node_gets_nothing() -> None:
    world = World(ABSENT)
    world.add("pods", FULL)
    for user in (UserInfo("system:node:n1"), UserInfo("n1", ("system:nodes",))):
        assert not await Kubelet(world).may("get", "secrets", "pull", user=user)
    nameless = UserInfo("system:node:", ("system:nodes",))
    assert await Kubelet(world).reason("get", "pods", user=nameless) == 'unknown node for user "system:node:"'
