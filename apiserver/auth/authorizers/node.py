"""The Node authorizer: a kubelet reads what its pods need, and writes its own objects; NodeRestriction does the rest.

Mirrors upstream plugin/pkg/auth/authorizer/node/node_authorizer.go, reasons included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from apiserver.apimachinery.http import UserInfo
from apiserver.auth.authorizers.node_graph import NodeGraph
from apiserver.auth.authorizers.references import (
    ATTACHMENT,
    CLAIM,
    CONFIG_MAP,
    POD,
    POD_CERTIFICATE,
    RESOURCE_CLAIM,
    SECRET,
    SERVICE_ACCOUNT,
    SLICE,
    VOLUME,
)
from apiserver.auth.authorizers.resolver import Rules
from apiserver.auth.authorizers.rules import Rule
from apiserver.auth.interface import ALLOW, NO_OPINION, AuthorizerAttributes, Decision
from apiserver.auth.text import go_quote
from apiserver.registry.listers import Listers

NODE_PREFIX = "system:node:"
NODES_GROUP = "system:nodes"
LEASE_NAMESPACE = "kube-node-lease"

_YES = Decision(ALLOW)
_NONE = Decision(NO_OPINION)


def _no(reason: str) -> Decision:
    return Decision(NO_OPINION, reason)


def node_name(user: UserInfo) -> str | None:
    """The node a user is; None for who is no node."""
    if not user.name.startswith(NODE_PREFIX) or NODES_GROUP not in user.groups:
        return None
    return user.name[len(NODE_PREFIX) :]


class NodeAuthorizer:
    """`rules` (those of ClusterRole system:node) hold for every node and for all that is not subdivided by object."""

    def __init__(self, listers: Listers, rules: Callable[[], Sequence[Rule]]) -> None:
        self._graph = NodeGraph(listers)
        self._rules = rules
        self._by_resource: dict[tuple[str, str], Callable[[str, AuthorizerAttributes], Decision]] = {
            ("", "secrets"): lambda node, a: self._read(node, SECRET, a),
            ("", "configmaps"): lambda node, a: self._read(node, CONFIG_MAP, a),
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): lambda node, a: self._get(node, VOLUME, a),
            ("resource.k8s.io", "resourceclaims"): lambda node, a: self._get(node, RESOURCE_CLAIM, a),
            ("storage.k8s.io", "volumeattachments"): lambda node, a: self._get(node, ATTACHMENT, a),
            ("", "serviceaccounts"): self._service_account,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("certificates.k8s.io", "podcertificaterequests"): self._pod_certificate,
        }

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        node = node_name(attributes.user)
        if node is None:
            return _NONE
        if not node:
            return _no(f"unknown node for user {go_quote(attributes.user.name)}")
        if attributes.is_resource:
            special = self._by_resource.get((attributes.group, attributes.resource))
            if special is not None:
                return special(node, attributes)
        return _YES if any(_allows(rule, attributes) for rule in self._rules()) else _NONE

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        """What a node may do hangs on its pods: no list of rules says it."""
        if node_name(user) is None:
            return Rules([], False, [])
        return Rules([], True, ["node authorizer does not support user rule resolution"])

    def _related(self, node: str, kind: str, a: AuthorizerAttributes) -> Decision:
        if not a.name:
            return _no("No Object name found")
        if self._graph.reaches(node, kind, a.namespace, a.name):
            return _YES
        return _no(f"no relationship found between node '{node}' and this object")

    def _get(self, node: str, kind: str, a: AuthorizerAttributes) -> Decision:
        if a.verb != "get":
            return _no("can only get individual resources of this type")
        if a.subresource:
            return _no("cannot get subresource")
        return self._related(node, kind, a)

    def _read(self, node: str, kind: str, a: AuthorizerAttributes) -> Decision:
        if a.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if a.subresource:
            return _no("cannot read subresource")
        if not a.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, kind, a)

    def _claim(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.subresource != "status":
            return self._get(node, CLAIM, a)
        if a.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, CLAIM, a)

    def _service_account(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.verb == "get" and not a.subresource:
            return self._read(node, SERVICE_ACCOUNT, a)
        if a.verb != "create" or not a.name:
            return _no("can only create tokens for individual service accounts")
        if a.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, SERVICE_ACCOUNT, a)

    def _lease(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.verb not in ("get", "create", "update", "patch", "delete"):
            return _no("can only get, create, update, patch, or delete a node lease")
        if a.namespace != LEASE_NAMESPACE:
            return _no(f"can only access leases in the {go_quote(LEASE_NAMESPACE)} system namespace")
        # The name of what is created is not known here; NodeRestriction checks it.
        if a.verb != "create" and a.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return _YES

    def _csi_node(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.subresource == "status":
            return _no("CSINode status access requires CSIVolumeHealth feature")
        if a.subresource:
            return _no("cannot authorize CSINode subresources")
        if a.verb not in ("get", "create", "update", "patch", "delete"):
            return _no("can only get, create, update, patch, or delete a CSINode")
        if a.verb != "create" and a.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return _YES

    def _slice(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        if a.verb == "create":
            return _YES
        if a.verb in ("get", "update", "patch", "delete"):
            return self._related(node, SLICE, a)
        if a.verb in ("watch", "list", "deletecollection"):
            if _selects_node(a, node):
                return _YES
            return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        return _no(
            "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, "
            "deletecollection"
        )

    def _pod_certificate(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.subresource:
            return _no("nodes may not access the status subresource of PodCertificateRequests")
        if a.verb == "create":
            return _YES
        if a.verb == "get":
            return self._related(node, POD_CERTIFICATE, a)
        if a.verb in ("list", "watch"):
            if _selects_node(a, node):
                return _YES
            return _no("can only list/watch podcertificaterequests with nodeName field selector")
        return _no(f"nodes may not {a.verb} podcertificaterequests")

    def _node(self, node: str, a: AuthorizerAttributes) -> Decision:
        if a.subresource == "status":
            return _YES if a.verb in ("update", "patch") else _NONE
        if a.subresource:
            return _NONE
        if a.verb in ("create", "update", "patch"):
            return _YES
        if a.verb not in ("get", "list", "watch"):
            return _NONE
        if a.name == node:
            return _YES
        if not a.name:
            return _no(f"node '{node}' cannot read all nodes, only its own Node object")
        return _no(f"node '{node}' cannot read '{a.name}', only its own Node object")

    def _pod(self, node: str, a: AuthorizerAttributes) -> Decision:
        match a.subresource, a.verb:
            case "", "get":
                return self._get(node, POD, a)
            case "", "list" | "watch":
                if _selects_node(a, node):
                    return _YES
                if a.name:
                    return self._related(node, POD, a)
                return _no("can only list/watch pods with spec.nodeName field selector")
            case ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create"):
                return _YES
        return _NONE


def _selects_node(a: AuthorizerAttributes, node: str) -> bool:
    """Whether the field selector demands `spec.nodeName` to be the node."""
    wanted = (f"spec.nodeName={node}", f"spec.nodeName=={node}")
    return any(term.strip() in wanted for term in a.field_selector.split(","))


def _allows(rule: Rule, a: AuthorizerAttributes) -> bool:
    if not a.is_resource:
        return rule.allows_path(a.verb, a.path)
    named = not rule.names or a.name in rule.names
    return named and rule.allows_resource(a.verb, a.group, a.resource, a.subresource)
