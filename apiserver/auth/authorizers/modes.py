"""The authorization modes: one line each. `--authorization-mode` takes these names, in the order they are asked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apiserver.auth.authorizers.node import NodeAuthorizer
from apiserver.auth.authorizers.rbac import RBACAuthorizer
from apiserver.auth.authorizers.simple import AlwaysAllow, AlwaysDeny
from apiserver.auth.bootstrap_policy import node_rules
from apiserver.auth.interface import Authorizer
from apiserver.registry.listers import Listers

# name → makes it, from the cluster as memory has it and from RBAC's policy, which every server has
MODES: Mapping[str, Callable[[Listers, RBACAuthorizer], Authorizer]] = {
    "AlwaysAllow": lambda listers, rbac: AlwaysAllow(),
    "AlwaysDeny": lambda listers, rbac: AlwaysDeny(),
    "Node": lambda listers, rbac: NodeAuthorizer(listers, node_rules),
    "RBAC": lambda listers, rbac: rbac,
}
