"""Node: a machine that runs pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.node_validation import (
    annotations_errors,
    declared_features_errors,
    pod_cidrs_errors,
    resources_errors,
    swap_errors,
    taints_errors,
    update_errors,
)
from apiserver.api.strategy import KindStatusStrategy, KindStrategy
from apiserver.apimachinery.addresses import cidr_warnings
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.objects import Object, get, labels_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"
ADDRESSES_DESCRIPTION = (
    "List of addresses reachable to the node. Queried from cloud provider, if available. More info: "
    "https://kubernetes.io/docs/reference/node/node-status/#addresses Note: This field is declared as mergeable, but the merge "
    "key is not sufficiently unique, which can cause data corruption when it is merged. Callers should instead use a "
    "full-replacement patch. See https://pr.k8s.io/79391 for an example. Consumers should assume that addresses can change "
    "during the lifetime of a Node. However, there are some exceptions where this may not be possible, such as Pods that "
    "inherit a Node's address in its own status or consumers of the downward API (status.hostIP)."
)


class NodeStrategy(KindStrategy):
    """Mirrors upstream registry/core/node: status may be set on create, never by an update of the node itself."""

    namespaced = False

    def default(self, obj: Object) -> None:
        status, spec = obj.setdefault("status", {}), obj.setdefault("spec", {})
        if status.get("allocatable") is None and status.get("capacity") is not None:
            status["allocatable"] = dict(status["capacity"])
        _sync_pod_cidrs(spec)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("status",),)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        (obj.get("spec") or {}).pop("configSource", None)
        (obj.get("status") or {}).pop("config", None)
        (obj.get("spec") or {}).pop("podPreemptionPolicy", None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        """The gate InPlacePodVerticalScalingSchedulerPreemption is off, and spec.configSource is gone."""
        obj["status"] = old.get("status") or {}
        for field in ("configSource", "podPreemptionPolicy"):
            if get(old, "spec", field) is None:
                (obj.get("spec") or {}).pop(field, None)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from annotations_errors(obj)
        yield from taints_errors(get(obj, "spec", "taints") or (), "metadata.taints")
        yield from resources_errors(obj)
        yield from swap_errors(obj)
        yield from declared_features_errors(obj)
        yield from pod_cidrs_errors(get(obj, "spec", "podCIDRs") or [])

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.validate_whole(ctx, obj)
        yield from update_errors(obj, old)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterator[str]:
        if get(obj, "spec", "configSource") is not None:
            yield "spec.configSource: the feature is removed"
        if get(obj, "spec", "externalID"):
            yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
        for i, cidr in enumerate(get(obj, "spec", "podCIDRs") or ()):
            yield from cidr_warnings(f"spec.podCIDRs[{i}]", cidr)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        return self.warnings_on_create(ctx, obj)


class NodeStatusStrategy(KindStatusStrategy):
    """`nodes/status`: what kubelets write."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        if get(old, "status", "config") is None:
            (obj.get("status") or {}).pop("config", None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return update_errors(obj, old)


def _sync_pod_cidrs(spec: Object) -> None:
    """podCIDR is the first of podCIDRs, whichever of them was given (upstream core/v1 conversion)."""
    cidr, cidrs = spec.get("podCIDR"), spec.get("podCIDRs")
    if cidr and (not cidrs or cidrs[0] != cidr):
        spec["podCIDRs"] = [cidr]
    elif not cidr and cidrs:
        spec["podCIDR"] = cidrs[0]


def _status_cell(obj: Object, now: float) -> str:
    shown = "Unknown"
    for condition in get(obj, "status", "conditions") or ():
        if condition.get("type") == "Ready":
            shown = "Ready" if condition.get("status") == "True" else "NotReady"
    return f"{shown},SchedulingDisabled" if get(obj, "spec", "unschedulable") else shown


def _roles_cell(obj: Object, now: float) -> str:
    roles = set()
    for key, value in labels_of(obj).items():
        if key.startswith(ROLE_PREFIX):
            roles.add(key.removeprefix(ROLE_PREFIX))
        elif key == ROLE_LABEL:
            roles.add(value)
    return ",".join(sorted(filter(None, roles))) or "<none>"


def _address(obj: Object, kind: str) -> str:
    for address in get(obj, "status", "addresses") or ():
        if address.get("type") == kind:
            return address.get("address") or ""
    return "<none>"


def _info(obj: Object, field: str) -> str:
    return get(obj, "status", "nodeInfo", field) or "<unknown>"


def _kernel_cell(obj: Object, now: float) -> str:
    architecture = get(obj, "status", "nodeInfo", "architecture")
    kernel = _info(obj, "kernelVersion")
    return f"{kernel} ({architecture})" if architecture else kernel


COLUMNS = (
    NAME,
    Column("Status", _status_cell, description="The status of the node"),
    Column("Roles", _roles_cell, description="The roles of the node"),
    AGE,
    Column(
        "Version",
        lambda obj, now: get(obj, "status", "nodeInfo", "kubeletVersion", default=""),
        description="Kubelet Version reported by the node.",
    ),
    Column(
        "Internal-IP",
        lambda obj, now: _address(obj, "InternalIP"),
        priority=1,
        description=ADDRESSES_DESCRIPTION,
    ),
    Column(
        "External-IP",
        lambda obj, now: _address(obj, "ExternalIP"),
        priority=1,
        description=ADDRESSES_DESCRIPTION,
    ),
    Column(
        "OS-Image",
        lambda obj, now: _info(obj, "osImage"),
        priority=1,
        description="OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).",
    ),
    Column(
        "Kernel-Version",
        _kernel_cell,
        priority=1,
        description="Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
    ),
    Column(
        "Container-Runtime",
        lambda obj, now: _info(obj, "containerRuntimeVersion"),
        priority=1,
        description="ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).",
    ),
)


def _proxy_rest(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.core.rest.proxies import NodeProxyRest

    return NodeProxyRest(dependencies, store)


EMPTY_STATUS = {
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    "nodeInfo": dict.fromkeys(
        (
            "machineID",
            "systemUUID",
            "bootID",
            "kernelVersion",
            "osImage",
            "containerRuntimeVersion",
            "kubeletVersion",
            "kubeProxyVersion",
            "operatingSystem",
            "architecture",
        ),
        "",
    ),
}
STRATEGY = NodeStrategy()
RESOURCE = Resource(
    group="",
    plural="nodes",
    kind="Node",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    storage_prefix="/registry/minions",
    short_names=("no",),
    strategy=STRATEGY,
    selectable={"spec.unschedulable": lambda obj: "true" if get(obj, "spec", "unschedulable") else "false"},
    subresources=(
        Subresource(
            name="proxy", verbs=("connect",), kind=GroupVersionKind("", "v1", "NodeProxyOptions"), rest=_proxy_rest
        ),
        Subresource(name="status", strategy=NodeStatusStrategy(STRATEGY)),
    ),
    empty={"spec": {}, "status": EMPTY_STATUS},
    columns=COLUMNS,
)
