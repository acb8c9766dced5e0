"""NodeRestriction: a kubelet writes only its own node, and pods, leases and tokens that belong to it.

Mirrors upstream plugin/pkg/admission/noderestriction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import (
    CREATE,
    DELETE,
    UPDATE,
    AdmissionDependencies,
    AdmissionPlugin,
    Attributes,
)
from apiserver.admission.plugins.mirror_pods import api_object_of
from apiserver.admission.plugins.node_tokens import check_audience
from apiserver.admission.plugins.pod_certificates import check_request
from apiserver.admission.pods import MIRROR_ANNOTATION, PODS, is_mirror, spec_of
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery import objects
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object, labels_of, name_of

NODES = GroupResource("", "nodes")
CLAIMS = GroupResource("", "persistentvolumeclaims")
SERVICE_ACCOUNTS = GroupResource("", "serviceaccounts")
LEASES = GroupResource("coordination.k8s.io", "leases")
CSI_NODES = GroupResource("storage.k8s.io", "csinodes")
RESOURCE_SLICES = GroupResource("resource.k8s.io", "resourceslices")
POD_CERTIFICATE_REQUESTS = GroupResource("certificates.k8s.io", "podcertificaterequests")
SIGNING_REQUESTS = GroupResource("certificates.k8s.io", "certificatesigningrequests")

NODE_LEASES = "kube-node-lease"
USER_PREFIX, GROUP = "system:node:", "system:nodes"
RESTRICTED = "node-restriction.kubernetes.io"
KUBELET_SIGNERS = frozenset({"kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"})

KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")

Check = Callable[[str, Attributes], Awaitable[None]]


def node_of(user: UserInfo) -> str | None:
    """The node a user is; None for somebody else, "" for a node without a name."""
    if user.name.startswith(USER_PREFIX) and GROUP in user.groups:
        return user.name.removeprefix(USER_PREFIX)
    return None


class NodeRestriction(AdmissionPlugin):
    name = "NodeRestriction"
    operations = frozenset({CREATE, UPDATE, DELETE})

    def __init__(self, dependencies: AdmissionDependencies) -> None:
        super().__init__(dependencies)
        self._checks: dict[GroupResource, Check] = {
            PODS: self._pods,
            NODES: self._node,
            CLAIMS: self._claim,
            SERVICE_ACCOUNTS: self._token,
            LEASES: self._lease,
            CSI_NODES: self._csi_node,
            RESOURCE_SLICES: self._resource_slice,
            SIGNING_REQUESTS: self._signing_request,
            POD_CERTIFICATE_REQUESTS: self._pod_certificate,
        }

    async def admit(self, attributes: Attributes) -> None:
        node = node_of(attributes.user)
        if node is None:
            return
        if not node:
            raise forbidden(attributes, f'could not determine node from user "{attributes.user.name}"')
        check = self._checks.get(attributes.group_resource)
        if check is not None:
            await check(node, attributes)

    # Pods

    async def _pods(self, node: str, attributes: Attributes) -> None:
        if attributes.subresource == "":
            self._pod(node, attributes)
        elif attributes.subresource == "status":
            _pod_status(node, attributes)
        elif attributes.subresource == "eviction":
            self._eviction(node, attributes)
        else:
            raise forbidden(
                attributes,
                f"unexpected pod subresource \"{attributes.subresource}\", only 'status' and 'eviction' are allowed",
            )

    def _pod(self, node: str, attributes: Attributes) -> None:
        if attributes.operation == CREATE:
            self._mirror_pod(node, attributes)
        elif attributes.operation == DELETE:
            if self._node_of_pod(attributes, attributes.name) != node:
                raise forbidden(attributes, f'node "{node}" can only delete pods with spec.nodeName set to itself')
        else:
            raise forbidden(
                attributes,
                f'unexpected operation "{attributes.operation}", node "{node}" can only create and delete mirror pods',
            )

    def _mirror_pod(self, node: str, attributes: Attributes) -> None:
        pod = attributes.obj or {}
        if not is_mirror(pod):
            why = f'pod does not have "{MIRROR_ANNOTATION}" annotation, node "{node}" can only create mirror pods'
            raise forbidden(attributes, why)
        if spec_of(pod).get("nodeName") != node:
            raise forbidden(attributes, f'node "{node}" can only create pods with spec.nodeName set to itself')
        self._owner(node, attributes, (pod.get("metadata") or {}).get("ownerReferences") or [])
        if referenced := api_object_of(attributes, pod):
            raise forbidden(attributes, f'node "{node}" can not create pods that reference {referenced}')

    def _owner(self, node: str, attributes: Attributes, owners: list[dict[str, Any]]) -> None:
        can_only = f'node "{node}" can only create pods with'
        if len(owners) > 1:
            raise forbidden(attributes, f"{can_only} a single owner reference set to itself")
        owner = owners[0] if owners else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            raise forbidden(attributes, f"{can_only} an owner reference set to itself")
        if not owner.get("controller"):
            raise forbidden(attributes, f"{can_only} a controller owner reference set to itself")
        if owner.get("blockOwnerDeletion"):
            raise forbidden(attributes, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        found = lookups.cached(self.dependencies, NODES, "", node)
        if found is None:
            raise lookups.unknown(NODES, node)
        expected, uid = owner.get("uid") or "", found["metadata"].get("uid") or ""
        if expected != uid:
            raise forbidden(attributes, f"node {node} UID mismatch: expected {expected} got {uid}")

    def _eviction(self, node: str, attributes: Attributes) -> None:
        if attributes.operation != CREATE:
            raise forbidden(attributes, f"unexpected operation {attributes.operation}")
        name = attributes.name or name_of(attributes.obj or {})
        if not name:
            raise forbidden(attributes, "could not determine pod from request data")
        if self._node_of_pod(attributes, name) != node:
            raise forbidden(attributes, f"node {node} can only evict pods with spec.nodeName set to itself")

    def _node_of_pod(self, attributes: Attributes, name: str) -> str:
        pod = lookups.cached(self.dependencies, PODS, attributes.namespace, name)
        if pod is None:
            raise lookups.unknown(PODS, name)
        return (pod.get("spec") or {}).get("nodeName") or ""

    # Nodes

    async def _node(self, node: str, attributes: Attributes) -> None:
        name = attributes.name or name_of(attributes.obj or {})
        if name != node:
            raise forbidden(attributes, f'node "{node}" is not allowed to modify node "{name}"')
        if attributes.operation == CREATE:
            _new_node(node, attributes, attributes.obj or {})
        elif attributes.operation == UPDATE:
            _changed_node(node, attributes, attributes.obj or {}, attributes.old or {})

    # The rest

    async def _claim(self, node: str, attributes: Attributes) -> None:
        if attributes.subresource != "status":
            raise forbidden(attributes, "may only update PVC status")
        if attributes.operation != UPDATE:
            raise forbidden(attributes, f'unexpected operation "{attributes.operation}"')
        new, old = _comparable_claim(attributes.obj or {}), _comparable_claim(attributes.old or {})
        if new != old:
            changed = sorted(key for key in {*new, *old} if new.get(key) != old.get(key))
            raise forbidden(
                attributes,
                f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions: '
                f"{', '.join(changed)}",
            )

    async def _token(self, node: str, attributes: Attributes) -> None:
        """A token for a pod of the node, for an audience that the pod mounts or that the node may ask for."""
        if attributes.operation != CREATE or attributes.subresource != "token":
            return
        spec = (attributes.obj or {}).get("spec") or {}
        ref = spec.get("boundObjectRef") or {}
        if ref.get("apiVersion") != "v1" or ref.get("kind") != "Pod" or not ref.get("name"):
            raise forbidden(attributes, "node requested token not bound to a pod")
        if not ref.get("uid"):
            raise forbidden(attributes, "node requested token with a pod binding without a uid")
        pod = lookups.cached(self.dependencies, PODS, attributes.namespace, ref["name"])
        if pod is None:
            raise lookups.unknown(PODS, ref["name"])
        if ref["uid"] != pod["metadata"].get("uid"):
            raise forbidden(
                attributes,
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        if (pod.get("spec") or {}).get("nodeName") != node:
            raise forbidden(attributes, "node requested token bound to a pod scheduled on a different node")
        await check_audience(self.dependencies, attributes, spec.get("audiences") or [], pod)

    async def _lease(self, node: str, attributes: Attributes) -> None:
        if attributes.namespace != NODE_LEASES:
            raise forbidden(attributes, f'can only access leases in the "{NODE_LEASES}" system namespace')
        if _subject(attributes) != node:
            raise forbidden(attributes, "can only access node lease with the same name as the requesting node")

    async def _csi_node(self, node: str, attributes: Attributes) -> None:
        if _subject(attributes) != node:
            raise forbidden(attributes, "can only access CSINode with the same name as the requesting node")

    async def _resource_slice(self, node: str, attributes: Attributes) -> None:
        slices = {CREATE: (attributes.obj, "create"), DELETE: (attributes.old, "delete")}
        found, verb = slices.get(attributes.operation, (None, ""))
        if verb and ((found or {}).get("spec") or {}).get("nodeName") != node:
            raise forbidden(attributes, f"can only {verb} ResourceSlice with the same NodeName as the requesting node")

    async def _signing_request(self, node: str, attributes: Attributes) -> None:
        spec = (attributes.obj or {}).get("spec") or {}
        if attributes.operation != CREATE or spec.get("signerName") not in KUBELET_SIGNERS:
            return
        if _common_name(attributes, spec.get("request") or "") != f"{USER_PREFIX}{node}":
            raise forbidden(attributes, f"can only create a node CSR with CN={USER_PREFIX}{node}")

    async def _pod_certificate(self, node: str, attributes: Attributes) -> None:
        await check_request(self.dependencies, node, attributes)


def _subject(attributes: Attributes) -> str:
    """The object's name; on a create it stands in the object alone."""
    return name_of(attributes.obj or {}) if attributes.operation == CREATE else attributes.name


def _pod_status(node: str, attributes: Attributes) -> None:
    if attributes.operation != UPDATE:
        raise forbidden(attributes, f'unexpected operation "{attributes.operation}"')
    new, old = attributes.obj or {}, attributes.old or {}
    if (old.get("spec") or {}).get("nodeName") != node:
        why = f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
        raise forbidden(attributes, why)
    if labels_of(new) != labels_of(old):
        raise forbidden(attributes, f'node "{node}" cannot update labels through pod status')
    status, old_status = new.get("status") or {}, old.get("status") or {}
    for field, what in (
        ("resourceClaimStatuses", "resource claim statues"),
        ("extendedResourceClaimStatus", "extended resource claim status"),
        ("nodeAllocatableResourceClaimStatuses", "node allocatable resource claim statuses"),
    ):
        if (status.get(field) or None) != (old_status.get(field) or None):
            raise forbidden(attributes, f'node "{node}" cannot update {what}')


def _new_node(node: str, attributes: Attributes, new: Object) -> None:
    if (new.get("spec") or {}).get("configSource") is not None:
        raise forbidden(attributes, f'node "{node}" is not allowed to create pods with a non-nil configSource')
    if labels := forbidden_labels(labels_of(new), {}):
        why = f'node "{node}" is not allowed to set the following labels: {", ".join(labels)}'
        raise forbidden(attributes, why)


def _changed_node(node: str, attributes: Attributes, new: Object, old: Object) -> None:
    spec, old_spec = new.get("spec") or {}, old.get("spec") or {}
    source = spec.get("configSource")
    if source is not None and source != old_spec.get("configSource"):
        why = f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
        raise forbidden(attributes, why)
    if (spec.get("taints") or []) != (old_spec.get("taints") or []):
        raise forbidden(attributes, f'node "{node}" is not allowed to modify taints')
    owners, old_owners = [(o.get("metadata") or {}).get("ownerReferences") or [] for o in (new, old)]
    if owners != old_owners:
        raise forbidden(attributes, f'node "{node}" is not allowed to modify ownerReferences')
    if labels := forbidden_labels(labels_of(new), labels_of(old)):
        raise forbidden(attributes, f"is not allowed to modify labels: {', '.join(labels)}")


def forbidden_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    """Labels that changed although they are not the kubelet's."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key) or (key in new) != (key in old)}
    return sorted(filter(_is_forbidden, changed))


def _is_forbidden(label: str) -> bool:
    domain = label.partition("/")[0] if "/" in label else ""
    if _within(domain, (RESTRICTED,)):
        return True
    is_ours = _within(domain, ("kubernetes.io", "k8s.io"))
    return is_ours and label not in KUBELET_LABELS and not _within(domain, KUBELET_DOMAINS)


def _within(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == parent or domain.endswith("." + parent) for parent in parents)


def _comparable_claim(claim: Object) -> Object:
    """What a node may not change of a claim."""
    claim = objects.copy(claim)
    for field in ("resourceVersion", "managedFields"):
        (claim.get("metadata") or {}).pop(field, None)
    for field in ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"):
        (claim.get("status") or {}).pop(field, None)
    return claim


def _common_name(attributes: Attributes, request: str) -> str:
    """The CN of a base64-encoded PEM certificate request."""
    import base64
    import binascii

    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        pem = base64.b64decode(request)
        if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
            raise ValueError("PEM block type must be CERTIFICATE REQUEST")
        subject = x509.load_pem_x509_csr(pem).subject
    except (ValueError, binascii.Error) as e:
        raise forbidden(attributes, f"unable to parse csr: {e}") from e
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value) if names else ""
