"""RoleBinding: gives the rights of a Role, or of a ClusterRole, to subjects inside one namespace."""

from __future__ import annotations

from apiserver.api.rbac.columns import binding_columns
from apiserver.api.rbac.escalation import binding_hooks
from apiserver.api.rbac.policy_rules import GROUP, BindingStrategy
from apiserver.registry.resource import Resource, ServedVersion

RESOURCE = Resource(
    group=GROUP,
    plural="rolebindings",
    kind="RoleBinding",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=BindingStrategy(),
    empty={"roleRef": {"apiGroup": "", "kind": "", "name": ""}},
    columns=binding_columns(
        "roleBinding",
        "roleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef "
        "cannot be resolved, the Authorizer must return an error.",
    ),
    hooks=binding_hooks,
)
