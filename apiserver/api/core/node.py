"""Node: a machine that runs pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.resources import quantity_value_errors
from apiserver.apimachinery import formats, quantity
from apiserver.apimachinery.addresses import legacy_cidr_errors, parse_cidr_sloppy
from apiserver.apimachinery.errors import FieldError, duplicate, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.objects import Object, get, labels_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"
POD_CIDR_FIXED = 'node updates may not change podCIDR except from "" to valid'
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

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["status"] = old.get("status") or {}
        if get(old, "spec", "configSource") is None:
            (obj.get("spec") or {}).pop("configSource", None)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        spec = obj.get("spec") or {}
        yield from _taints_errors(spec.get("taints") or (), "metadata.taints")
        yield from _resources_errors(obj)
        cidrs = spec.get("podCIDRs") or []
        for i, cidr in enumerate(cidrs):
            yield from legacy_cidr_errors(cidr, f"spec.podCIDRs[{i}]")
        if len(cidrs) > 1 and (len(cidrs) > 2 or len({_family(cidr) for cidr in cidrs}) < 2):
            yield invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.validate_whole(ctx, obj)
        yield from update_errors(obj, old)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterator[str]:
        if get(obj, "spec", "configSource") is not None:
            yield "spec.configSource: the feature is removed"
        if get(obj, "spec", "externalID"):
            yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        return self.warnings_on_create(ctx, obj)


class NodeStatusStrategy(KindStatusStrategy):
    """`nodes/status`: what kubelets write."""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return update_errors(obj, old)


def _sync_pod_cidrs(spec: Object) -> None:
    """podCIDR is the first of podCIDRs, whichever of them was given (upstream core/v1 conversion)."""
    cidr, cidrs = spec.get("podCIDR"), spec.get("podCIDRs")
    if cidr and (not cidrs or cidrs[0] != cidr):
        spec["podCIDRs"] = [cidr]
    elif not cidr and cidrs:
        spec["podCIDR"] = cidrs[0]


def _family(cidr: str) -> int:
    parsed = parse_cidr_sloppy(cidr)
    return 0 if parsed is None else parsed.network.version


def update_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    """Upstream ValidateNodeUpdate."""
    yield from metadata_update_errors(obj, old)
    yield from _resources_errors(obj)
    seen: list[Object] = []
    for i, address in enumerate(get(obj, "status", "addresses") or ()):
        if address in seen:
            yield duplicate(f"status.addresses[{i}]", address)
        seen.append(address)
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    if before.get("podCIDRs"):
        now = spec.get("podCIDRs") or []
        if len(now) != len(before["podCIDRs"]):
            yield field_forbidden("spec.podCIDRs", POD_CIDR_FIXED)
        else:
            for ours, theirs in zip(now, before["podCIDRs"], strict=True):
                if ours != theirs:
                    yield field_forbidden("spec.podCIDRs", POD_CIDR_FIXED)
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        change = "modified" if spec.get("providerID") else "cleared"
        yield invalid("spec.providerID", None, f"field cannot be {change} once set")
    yield from _taints_errors(spec.get("taints") or (), "metadata.taints")
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        yield field_forbidden("spec.externalID", "may not be updated")


def _resources_errors(obj: Object) -> Iterator[FieldError]:
    for side in ("capacity", "allocatable"):
        for name, amount in (get(obj, "status", side) or {}).items():
            yield from quantity_value_errors(name, quantity.parse(amount), f"status.{side}.{name}")


def _taints_errors(taints: Iterator[Object] | list[Object] | tuple[()], path: str) -> Iterator[FieldError]:
    seen: list[tuple[str, str]] = []
    for i, taint in enumerate(taints):
        here, key, effect = f"{path}[{i}]", taint.get("key") or "", taint.get("effect") or ""
        for message in formats.qualified_name(key):
            yield invalid(f"{here}.key", key, message)
        messages = list(formats.label_value(taint.get("value") or ""))
        if messages:
            yield invalid(f"{here}.value", taint["value"], ";".join(messages))
        if not effect:
            yield required(f"{here}.effect")
        elif effect not in EFFECTS:
            yield not_supported(f"{here}.effect", effect, EFFECTS)
        if (key, effect) in seen:
            text = duplicate(here, taint).text
            yield FieldError("FieldValueDuplicate", here, f"{text}: taints must be unique by key and effect pair")
        seen.append((key, effect))


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
