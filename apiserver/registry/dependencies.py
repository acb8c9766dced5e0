"""What hooks and subresources with I/O are built from; `server.py` fills it in, nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.rand import Random
from apiserver.registry.listers import Listers
from apiserver.storage.interface import Storage

if TYPE_CHECKING:
    from apiserver.registry.store import Store


@dataclass
class Dependencies:
    """The server's parts, by name. `authorizer`, `tokens` and `authenticator` are typed where they are made (auth)."""

    clock: Clock
    rand: Random
    storage: Storage
    listers: Listers
    store: Callable[[GroupResource], Store]
    authorizer: Any = None  # apiserver.auth.interface.Authorizer
    authenticator: Any = None  # apiserver.auth.interface.TokenAuthenticator
    tokens: Any = None  # apiserver.auth.serviceaccount.TokenIssuer
    policy: Any = None  # apiserver.auth.authorizers.policy.Policy: RBAC's, for escalation checks
    rules: Any = None  # apiserver.auth.authorizers.resolver.RuleResolver
    dialer: Any = None  # apiserver.api.core.rest.dialing.Dialer: the way to kubelets, pods, services
    service_ip_ranges: tuple[str, ...] = ("10.96.0.0/12",)
    service_node_ports: tuple[int, int] = (30000, 32767)
    options: dict[str, Any] = field(default_factory=dict)  # flags that single parts read
