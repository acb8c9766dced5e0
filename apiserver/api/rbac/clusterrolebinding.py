"""ClusterRoleBinding: gives the rights of a ClusterRole to subjects everywhere."""

from __future__ import annotations

from apiserver.api.rbac.columns import binding_columns
from apiserver.api.rbac.escalation import binding_hooks
from apiserver.api.rbac.policy_rules import GROUP, BindingStrategy
from apiserver.registry.resource import Resource, ServedVersion


class ClusterRoleBindingStrategy(BindingStrategy):
    """A binding outside of namespaces can only name cluster roles, and accounts with their namespace."""

    namespaced = False
    role_kinds = ("ClusterRole",)


RESOURCE = Resource(
    group=GROUP,
    plural="clusterrolebindings",
    kind="ClusterRoleBinding",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ClusterRoleBindingStrategy(),
    namespaced=False,
    empty={"roleRef": {"apiGroup": "", "kind": "", "name": ""}},
    columns=binding_columns(
        "clusterRoleBinding",
        "roleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the "
        "Authorizer must return an error.",
    ),
    hooks=binding_hooks,
)
