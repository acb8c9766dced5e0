"""NodeRestriction; refusals in the words of a real kube-apiserver v1.37."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apiserver.admission.interface import DELETE, UPDATE, Attributes
from apiserver.admission.plugins.noderestriction import NodeRestriction
from apiserver.admission.tests.worlds import SOMEBODY, Allowing, World, attributes, pod
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object

N1 = UserInfo("system:node:n1", ("system:nodes", "system:authenticated"))
MIRROR = {"kubernetes.io/config.mirror": "x"}
OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "uid-n1", "controller": True}


@pytest.fixture
def world() -> World:
    world = World()
    world.add("nodes", "n1", metadata={"uid": "uid-n1"})
    world.add("pods", "p1", "default", metadata={"uid": "uid-p1"}, spec={"nodeName": "n1"})
    world.add("pods", "p2", "default", metadata={"uid": "uid-p2"}, spec={"nodeName": "n2"})
    return world


async def answer(world: World, seen: Attributes) -> str:
    """What the plugin says: nothing, or its refusal."""
    seen.user = N1 if seen.user is SOMEBODY else seen.user
    try:
        await world.plugin(NodeRestriction).admit(seen)
    except StatusError as e:
        return e.message.rpartition(" is forbidden: ")[2] if e.code == 403 else f"{e.code} {e.message}"
    return ""


async def test_others_are_not_restricted(world: World) -> None:
    plugin = world.plugin(NodeRestriction)
    await plugin.admit(attributes("nodes", {"metadata": {"name": "n2"}}))
    await plugin.admit(attributes("nodes", {"metadata": {"name": "n2"}}, user=UserInfo("system:node:n1", ())))


async def test_a_node_without_a_name_may_do_nothing(world: World) -> None:
    user = UserInfo("system:node:", ("system:nodes",))
    message = await answer(world, attributes("configmaps", {}, user=user))
    assert message == 'could not determine node from user "system:node:"'


def node(labels: dict[str, str] | None = None, **more: Any) -> Object:
    return {"metadata": {"name": "n1", "labels": labels or {}, **more.pop("metadata", {})}, **more}


async def test_a_node_makes_only_itself_with_labels_of_its_own(world: World) -> None:
    assert await answer(world, attributes("nodes", node({"kubernetes.io/hostname": "n1", "mine": "1"}))) == ""
    assert await answer(world, attributes("nodes", {"metadata": {"name": "n2"}})) == (
        'node "n1" is not allowed to modify node "n2"'
    )
    labels = {
        "node-restriction.kubernetes.io/x": "y",
        "foo.kubernetes.io/x": "a",
        "k8s.io/a": "b",
        "x.node.kubernetes.io/q": "1",
    }
    assert await answer(world, attributes("nodes", node(labels))) == (
        'node "n1" is not allowed to set the following labels: foo.kubernetes.io/x, k8s.io/a, node-restriction.kubernetes.io/x'
    )
    assert await answer(world, attributes("nodes", node(spec={"configSource": {}}))) == (
        'node "n1" is not allowed to create pods with a non-nil configSource'
    )


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (node(status={"phase": "x"}), ""),
        (node(spec={"taints": [{"key": "a"}]}), 'node "n1" is not allowed to modify taints'),
        (
            node({"node-restriction.kubernetes.io/x": "y", "k8s.io/a": "b"}),
            "is not allowed to modify labels: k8s.io/a, node-restriction.kubernetes.io/x",
        ),
        (
            node(metadata={"ownerReferences": [{"uid": "u"}]}),
            'node "n1" is not allowed to modify ownerReferences',
        ),
        (
            node(spec={"configSource": {}}),
            'node "n1" is not allowed to update configSource to a new non-nil configSource',
        ),
    ],
)
async def test_a_node_changes_little_of_itself(world: World, new: Object, message: str) -> None:
    assert await answer(world, attributes("nodes", new, old=node(), operation=UPDATE)) == message


def mirror(owners: list[dict[str, Any]] | None = None, **spec: Any) -> Object:
    owners = [OWNER] if owners is None else owners
    return pod({"nodeName": "n1", **spec}, annotations=MIRROR, ownerReferences=owners)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (mirror(), ""),
        (
            pod(),
            'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
        ),
        (mirror(nodeName="n2"), 'node "n1" can only create pods with spec.nodeName set to itself'),
        (mirror([]), 'node "n1" can only create pods with an owner reference set to itself'),
        (mirror([OWNER, OWNER]), 'node "n1" can only create pods with a single owner reference set to itself'),
        (mirror([{**OWNER, "name": "n2"}]), 'node "n1" can only create pods with an owner reference set to itself'),
        (
            mirror([{**OWNER, "controller": None}]),
            'node "n1" can only create pods with a controller owner reference set to itself',
        ),
        (
            mirror([{**OWNER, "blockOwnerDeletion": True}]),
            'node "n1" must not set blockOwnerDeletion on an owner reference',
        ),
        (mirror([{**OWNER, "uid": "bad"}]), "node n1 UID mismatch: expected bad got uid-n1"),
    ],
)
async def test_a_node_makes_only_mirror_pods_that_it_owns(world: World, obj: Object, message: str) -> None:
    assert await answer(world, attributes("pods", obj)) == message


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"serviceAccountName": "default"}, "serviceaccounts"),
        ({"imagePullSecrets": [{"name": "x"}]}, "secrets"),
        ({"volumes": [{"name": "v", "configMap": {"name": "x"}}]}, "configmaps"),
        ({"volumes": [{"name": "v", "csi": {"driver": "x"}}]}, "csidrivers (via CSI volumes)"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}, "persistentvolumeclaims"),
        ({"resourceClaims": [{"name": "x"}]}, "resourceclaims"),
        (
            {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]},
            "serviceaccounts (via projected volumes)",
        ),
    ],
)
async def test_mirror_pods_refer_to_nothing(world: World, spec: dict[str, Any], what: str) -> None:
    assert await answer(world, attributes("pods", mirror(**spec))) == (
        f'node "n1" can not create pods that reference {what}'
    )


async def test_mirror_pods_may_use_volumes_without_the_api(world: World) -> None:
    sources: list[Any] = [{"downwardAPI": {"items": []}}]
    volumes = [{"name": "a", "hostPath": {"path": "/"}}, {"name": "b", "projected": {"sources": sources}}]
    assert await answer(world, attributes("pods", mirror(volumes=volumes))) == ""


async def test_pods_of_others_are_out_of_reach(world: World) -> None:
    def delete(name: str) -> Attributes:
        return attributes("pods", name=name, operation=DELETE)

    assert await answer(world, delete("p1")) == ""
    assert await answer(world, delete("p2")) == 'node "n1" can only delete pods with spec.nodeName set to itself'
    assert await answer(world, delete("nope")) == '404 pod "nope" not found'
    assert await answer(world, attributes("pods", pod(), old=pod(), operation=UPDATE)) == (
        'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods'
    )
    assert await answer(world, attributes("pods", {}, name="p2", subresource="eviction")) == (
        "node n1 can only evict pods with spec.nodeName set to itself"
    )
    assert await answer(world, attributes("pods", {}, name="p1", subresource="binding")) == (
        "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed"
    )


async def test_a_node_writes_the_status_of_its_pods_and_nothing_else(world: World) -> None:
    old = pod({"nodeName": "n1"})

    def status(new: Object, old: Object = old) -> Attributes:
        return attributes("pods", new, old=old, operation=UPDATE, subresource="status")

    assert await answer(world, status({**old, "status": {"phase": "Running"}})) == ""
    assert await answer(world, status(pod(labels={"a": "b"}))) == 'node "n1" cannot update labels through pod status'
    assert await answer(world, status({**old, "status": {"resourceClaimStatuses": [{"name": "a"}]}})) == (
        'node "n1" cannot update resource claim statues'
    )
    assert await answer(world, status(pod(), pod({"nodeName": "n2"}))) == (
        'node "n1" can only update pod status for pods with spec.nodeName set to itself'
    )


async def test_leases_csi_nodes_and_slices_are_a_nodes_own(world: World) -> None:
    def lease(name: str, namespace: str = "kube-node-lease") -> Attributes:
        return attributes("leases", {"metadata": {"name": name}}, namespace=namespace)

    assert await answer(world, lease("n1")) == ""
    assert await answer(world, lease("n2")) == "can only access node lease with the same name as the requesting node"
    assert await answer(world, lease("n1", "default")) == (
        'can only access leases in the "kube-node-lease" system namespace'
    )
    assert await answer(world, attributes("csinodes", {"metadata": {"name": "n2"}})) == (
        "can only access CSINode with the same name as the requesting node"
    )
    assert await answer(world, attributes("resourceslices", {"spec": {"nodeName": "n2"}})) == (
        "can only create ResourceSlice with the same NodeName as the requesting node"
    )


async def test_of_claims_a_node_writes_size_and_conditions(world: World) -> None:
    old = {"metadata": {"name": "c", "resourceVersion": "1"}, "status": {"phase": "Bound"}}
    grown = {"metadata": {"name": "c"}, "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}

    def status(new: Object) -> Attributes:
        return attributes("persistentvolumeclaims", new, old=old, operation=UPDATE, subresource="status")

    assert await answer(world, status(grown)) == ""
    assert (await answer(world, status({**grown, "spec": {"volumeName": "x"}}))).startswith(
        'node "n1" is not allowed to update fields other than status.quantity and status.conditions: '
    )
    assert (
        await answer(world, attributes("persistentvolumeclaims", {}, operation=UPDATE)) == "may only update PVC status"
    )


def token(ref: dict[str, Any] | None, *audiences: str) -> Attributes:
    spec: dict[str, Any] = {"audiences": list(audiences)}
    if ref is not None:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", **ref}
    return attributes("serviceaccounts", {"spec": spec}, name="default", subresource="token")


P1 = {"name": "p1", "uid": "uid-p1"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (token(None), "node requested token not bound to a pod"),
        (token({"name": "p1"}), "node requested token with a pod binding without a uid"),
        (token({"name": "nope", "uid": "x"}), '404 pod "nope" not found'),
        (
            token({"name": "p1", "uid": "x"}),
            "the UID in the bound object reference (x) does not match the UID in record. "
            "The object might have been deleted and then recreated",
        ),
        (token({"name": "p2", "uid": "uid-p2"}), "node requested token bound to a pod scheduled on a different node"),
        (token(P1, "foo"), 'system:node:n1 is not authorized to request tokens for audience "foo"'),
        (token(P1, "foo", "bar"), "node may only request 0 or 1 audiences"),
    ],
)
async def test_tokens_are_for_pods_of_the_node(world: World, asked: Attributes, message: str) -> None:
    assert await answer(world, asked) == message


async def test_audiences_come_from_projections_csi_drivers_or_the_authorizer(world: World) -> None:
    sources = [{"serviceAccountToken": {"path": "t", "audience": "vault"}}, {"serviceAccountToken": {"path": "u"}}]
    volumes = [
        {"name": "a", "projected": {"sources": sources}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "c", "csi": {"driver": "inline"}},
    ]
    world.add("pods", "p1", "default", metadata={"uid": "uid-p1"}, spec={"nodeName": "n1", "volumes": volumes})
    world.add("persistentvolumeclaims", "claim", "default", spec={"volumeName": "pv"})
    world.add("persistentvolumes", "pv", spec={"csi": {"driver": "disk"}})
    for driver in ("inline", "disk"):
        requests = {"tokenRequests": [{"audience": f"for-{driver}"}]}
        world.add("csidrivers", driver, group="storage.k8s.io", spec=requests)
    for audience in ((), ("vault",), ("for-inline",), ("for-disk",)):
        assert await answer(world, token(P1, *audience)) == ""
    assert "is not authorized" in await answer(world, token(P1, "foo"))
    world.authorizer = Allowing(("request-serviceaccounts-token-audience", "foo", "default"))
    assert await answer(world, token(P1, "foo")) == ""


async def test_a_volume_that_leads_nowhere_is_told(world: World) -> None:
    volumes = [{"name": "b", "persistentVolumeClaim": {"claimName": "gone"}}]
    world.add("pods", "p1", "default", metadata={"uid": "uid-p1"}, spec={"nodeName": "n1", "volumes": volumes})
    assert await answer(world, token(P1, "foo")) == (
        'error validating audience "foo": persistentvolumeclaim "gone" not found'
    )


def request_for(common_name: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


async def test_certificates_are_requested_in_the_nodes_own_name(world: World) -> None:
    def asked(request: str, signer: str = "kubernetes.io/kubelet-serving") -> Attributes:
        spec = {"signerName": signer, "request": request}
        return attributes("certificatesigningrequests", {"metadata": {"name": "x"}, "spec": spec})

    assert await answer(world, asked(request_for("system:node:n1"))) == ""
    assert await answer(world, asked(request_for("system:node:n2"))) == (
        "can only create a node CSR with CN=system:node:n1"
    )
    assert await answer(world, asked(request_for("system:node:n2"), "example.com/mine")) == ""
    assert await answer(world, asked("AAAA")) == "unable to parse csr: PEM block type must be CERTIFICATE REQUEST"


ASKED = {
    "signerName": "example.com/s",
    "podName": "p1",
    "podUID": "uid-p1",
    "serviceAccountName": "robot",
    "serviceAccountUID": "uid-robot",
    "nodeName": "n1",
    "nodeUID": "uid-n1",
}


def with_account(world: World, **pod_spec: Any) -> World:
    world.add("serviceaccounts", "robot", "default", metadata={"uid": "uid-robot"})
    spec = {"nodeName": "n1", "serviceAccountName": "robot", **pod_spec}
    world.add("pods", "p1", "default", metadata={"uid": "uid-p1"}, spec=spec)
    return world


async def certificate(world: World, **changed: str) -> str:
    asked = {"metadata": {"name": "x"}, "spec": {**ASKED, **changed}}
    return await answer(world, attributes("podcertificaterequests", asked))


async def test_a_node_asks_certificates_for_the_signers_its_pods_mount(world: World) -> None:
    sources = [{"podCertificate": {"signerName": "example.com/s"}}]
    mounting = with_account(world, volumes=[{"name": "v", "projected": {"sources": sources}}])
    assert await certificate(mounting) == ""
    assert await certificate(mounting, signerName="example.com/t") == (
        'pod "default/p1" does not mount a podCertificate projected volume for signer "example.com/t"'
    )


async def test_a_node_asks_no_certificates_for_other_nodes_pods_and_accounts(world: World) -> None:
    with_account(world)
    assert await certificate(world, nodeName="n2") == (
        'PodCertificateRequest.Spec.NodeName="n2", which is not the requesting node "n1"'
    )
    assert await certificate(world, podName="p2", podUID="uid-p2") == (
        'pod "default/p2" is not running on node "n1" named in the PodCertificateRequest'
    )
    assert (await certificate(world, podUID="other")).startswith(
        '500 PodCertificateRequest for pod "default/p1" contains'
    )
    assert (await certificate(world, serviceAccountName="else")).endswith('that differs from running pod ("robot")')
