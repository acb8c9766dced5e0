"""The subresources of pods that have a logic of their own: binding, eviction, log, exec, attach, portforward, proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.registry.resource import Resource, ServedVersion, Subresource
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store


def _binding(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.pod import BindingRest

    return BindingRest(lambda: store, keeps_system_fields=True)


def _legacy_binding(dependencies: Dependencies, store: Store | None) -> Any:
    from apiserver.api.core.rest.pod import PODS, BindingRest

    return BindingRest(lambda: dependencies.store(PODS), keeps_system_fields=False)


def _eviction(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.pod import EvictionRest

    return EvictionRest(dependencies, store)


def _log(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.streams import LogRest

    return LogRest(dependencies, store)


def _exec(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.streams import ContainerStreamRest

    return ContainerStreamRest(dependencies, store, "exec")


def _attach(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.streams import ContainerStreamRest

    return ContainerStreamRest(dependencies, store, "attach")


def _port_forward(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.streams import PortForwardRest

    return PortForwardRest(dependencies, store)


def _proxy(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.proxies import PodProxyRest

    return PodProxyRest(dependencies, store)


def _core(kind: str) -> GroupVersionKind:
    return GroupVersionKind("", "v1", kind)


SUBRESOURCES = (
    Subresource(name="attach", verbs=("connect",), kind=_core("PodAttachOptions"), rest=_attach),
    Subresource(name="binding", verbs=("create",), kind=_core("Binding"), rest=_binding),
    Subresource(
        name="eviction",
        verbs=("create",),
        kind=GroupVersionKind("policy", "v1", "Eviction"),
        accepts=(GroupVersion("policy", "v1beta1"),),
        rest=_eviction,
    ),
    Subresource(name="exec", verbs=("connect",), kind=_core("PodExecOptions"), rest=_exec),
    Subresource(name="log", verbs=("get",), rest=_log),
    Subresource(name="portforward", verbs=("connect",), kind=_core("PodPortForwardOptions"), rest=_port_forward),
    Subresource(name="proxy", verbs=("connect",), kind=_core("PodProxyOptions"), rest=_proxy),
)

# `bindings`: the old way to bind, a kind without storage.
BINDINGS = Resource(
    group="",
    plural="bindings",
    kind="Binding",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    verbs=("create",),
    rest=_legacy_binding,
)
