"""Evaluators: for one resource, which names of a quota it uses up, and how much of each one object uses.

Mirrors upstream pkg/quota/v1/evaluator/core, but for the extended resources that device classes stand for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from apiserver.apimachinery import quantity
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, annotations_of, get
from apiserver.apimachinery.quantity import Quantity
from apiserver.apimachinery.quota import scopes
from apiserver.apimachinery.quota.amounts import ONE, ZERO, Amounts, add_to
from apiserver.apimachinery.quota.names import HUGE_PAGES, POD_COMPUTE, object_count_name
from apiserver.apimachinery.quota.pod_resources import has_pod_level_resources, pod_limits, pod_requests

CREATE, UPDATE = "CREATE", "UPDATE"
PODS = GroupResource("", "pods")
SERVICES = GroupResource("", "services")
CLAIMS = GroupResource("", "persistentvolumeclaims")
DEVICE_CLAIMS = GroupResource("resource.k8s.io", "resourceclaims")
DEVICES_SUFFIX = ".deviceclass.resource.k8s.io/devices"
ALL_DEVICES = 32  # an allocation's largest size: what "All" may come to
ALIASES = ("configmaps", "resourcequotas", "replicationcontrollers", "secrets")  # counted before count/ was
COMPUTE = ("cpu", "memory", "ephemeral-storage")
CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
NATIVE = "kubernetes.io/"
DEVICE_CLASS = "requests.deviceclass.resource.kubernetes.io/"
# Resources that are not stored, and events: nothing counts them.
IGNORED = frozenset(
    {
        GroupResource("", "bindings"),
        GroupResource("", "componentstatuses"),
        GroupResource("authentication.k8s.io", "tokenreviews"),
        GroupResource("authentication.k8s.io", "selfsubjectreviews"),
        GroupResource("authorization.k8s.io", "subjectaccessreviews"),
        GroupResource("authorization.k8s.io", "selfsubjectaccessreviews"),
        GroupResource("authorization.k8s.io", "localsubjectaccessreviews"),
        GroupResource("authorization.k8s.io", "selfsubjectrulesreviews"),
        GroupResource("", "events"),
        GroupResource("events.k8s.io", "events"),
    }
)


class Evaluator:
    """Counts objects; the base is any resource without measures of its own."""

    def __init__(self, resource: GroupResource, *aliases: str) -> None:
        self.resource = resource
        self.names = (object_count_name(resource), *aliases)

    def matching(self, names: Iterable[str]) -> list[str]:
        """Those of a quota's names that objects of this resource use up."""
        return sorted({name for name in names if self.measures(name)})

    def measures(self, name: str) -> bool:
        return name in self.names

    def handles(self, operation: str, subresource: str, obj: Object | None, old: Object | None) -> bool:
        """Whether the operation can change what is used."""
        return operation == CREATE and not subresource

    def in_scope(self, requirement: Object, obj: Object) -> bool:
        return False

    def unmet(self, required: Collection[str], obj: Object) -> str:
        """What the object has to say for the quota to be measured: "must specify …", or nothing."""
        return ""

    def usage(self, obj: Object, now: float) -> dict[str, Quantity]:
        return dict.fromkeys(self.names, ONE)

    def in_scopes(self, spec: Object, obj: Object) -> bool:
        """Whether a quota with this spec counts the object, as far as scopes go."""
        return all(self.in_scope(requirement, obj) for requirement in scopes.requirements(spec))


class PodEvaluator(Evaluator):
    """Pods: their number, and what they ask for, as long as they are not finished."""

    def __init__(self) -> None:
        super().__init__(PODS)
        compute = [f"{side}{name}" for side in ("", "requests.", "limits.") for name in COMPUTE]
        self.names = (*self.names, "pods", *compute)

    def measures(self, name: str) -> bool:
        return name in self.names or name.startswith(HUGE_PAGES) or _is_extended_request(name)

    def handles(self, operation: str, subresource: str, obj: Object | None, old: Object | None) -> bool:
        if subresource == "resize":
            return operation == UPDATE
        if subresource or operation != UPDATE or obj is None or old is None:
            return operation == CREATE and not subresource
        return scopes.is_terminating(obj) != scopes.is_terminating(old)

    def in_scope(self, requirement: Object, obj: Object) -> bool:
        return scopes.pod_matches(requirement, obj)

    def unmet(self, required: Collection[str], obj: Object) -> str:
        if has_pod_level_resources(obj):
            return ""
        missing: dict[str, set[str]] = {}
        for field in ("containers", "initContainers"):
            for container in get(obj, "spec", field, default=()):
                resources = container.get("resources") or {}
                given = _compute_usage(resources.get("requests") or {}, resources.get("limits") or {})
                for name in sorted(POD_COMPUTE & set(required) - set(given)):
                    missing.setdefault(name, set()).add(container.get("name") or "")
        if not missing:
            return ""
        return "must specify " + "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))

    def usage(self, obj: Object, now: float) -> dict[str, Quantity]:
        used = {self.names[0]: ONE}
        if counts(obj, now):
            add_to(used, _compute_usage(pod_requests(obj), pod_limits(obj)))
        return used


def counts(pod: Object, now: float) -> bool:
    """Whether a pod uses anything still (upstream QuotaV1Pod): not when it is finished, or its grace is over."""
    if get(pod, "status", "phase") in ("Failed", "Succeeded"):
        return False
    meta = pod.get("metadata") or {}
    deleted, grace = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")
    if deleted is None or grace is None:
        return True
    return bool(now <= datetime.fromisoformat(deleted.replace("Z", "+00:00")).timestamp() + grace)


def _compute_usage(requests: Any, limits: Any) -> dict[str, Any]:
    """What a quota sees of requests and limits; amounts in the form they come in (podComputeUsageHelper)."""
    used: dict[str, Any] = {"pods": ONE}
    for name in COMPUTE:
        if name in requests:
            used[name] = used[f"requests.{name}"] = requests[name]
        if name in limits:
            used[f"limits.{name}"] = limits[name]
    for name in requests:
        if name.startswith("hugepages-"):
            used[name] = used[f"requests.{name}"] = requests[name]
        elif _is_extended_request(f"requests.{name}"):
            used[f"requests.{name}"] = requests[name]
    return used


def _is_extended_request(name: str) -> bool:
    """`requests.example.com/gpu`: a resource of somebody else's."""
    if not name.startswith("requests."):
        return False
    return ("/" in name and NATIVE not in name) or name.startswith(DEVICE_CLASS)


class ServiceEvaluator(Evaluator):
    """Services: their number, and their ports on nodes and balancers."""

    def __init__(self) -> None:
        super().__init__(SERVICES, "services", "services.nodeports", "services.loadbalancers")

    def handles(self, operation: str, subresource: str, obj: Object | None, old: Object | None) -> bool:
        return operation in (CREATE, UPDATE) and not subresource

    def usage(self, obj: Object, now: float) -> dict[str, Quantity]:
        spec = obj.get("spec") or {}
        ports, kind = spec.get("ports") or (), spec.get("type")
        node_ports = len(ports) if kind in ("NodePort", "LoadBalancer") else 0
        if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            node_ports = sum(1 for port in ports if port.get("nodePort"))
        return {
            self.names[0]: ONE,
            "services": ONE,
            "services.nodeports": quantity.of(node_ports),
            "services.loadbalancers": ONE if kind == "LoadBalancer" else ZERO,
        }


class ClaimEvaluator(Evaluator):
    """Claims: their number and size, altogether and by class."""

    _measures = ("persistentvolumeclaims", "requests.storage")

    def __init__(self) -> None:
        super().__init__(CLAIMS, *self._measures)

    def measures(self, name: str) -> bool:
        return name in self.names or name.endswith(tuple(CLASS_SUFFIX + each for each in self._measures))

    def handles(self, operation: str, subresource: str, obj: Object | None, old: Object | None) -> bool:
        if subresource == "status":
            return obj is not None and old is not None and claim_use_changed(obj, old)
        return operation in (CREATE, UPDATE) and not subresource

    def in_scope(self, requirement: Object, obj: Object) -> bool:
        return scopes.claim_matches(requirement, obj)

    def usage(self, obj: Object, now: float) -> dict[str, Quantity]:
        used = {self.names[0]: ONE, "persistentvolumeclaims": ONE}
        size = _claimed(obj)
        if size is not None:
            used["requests.storage"] = size
        name = annotations_of(obj).get(CLASS_ANNOTATION, get(obj, "spec", "storageClassName"))
        if name:
            used.update({f"{name}{CLASS_SUFFIX}{each}": used[each] for each in self._measures if each in used})
        return used


def claim_use_changed(claim: Object, old: Object) -> bool:
    """Whether a claim's status says that it uses more, or something else, now (upstream RequiresQuotaReplenish)."""
    allocated = [get(one, "status", "allocatedResources", "storage") for one in (claim, old)]
    return allocated[0] != allocated[1] or scopes.attributes_classes(claim) != scopes.attributes_classes(old)


def _claimed(claim: Object) -> Quantity | None:
    """The size asked for, or what is allocated already where that is more; in whole bytes."""
    asked = get(claim, "spec", "resources", "requests", "storage")
    if asked is None:
        return None
    size = quantity.parse(str(asked))
    allocated = get(claim, "status", "allocatedResources", "storage")
    if allocated is not None and quantity.parse(str(allocated)) > size:
        size = quantity.parse(str(allocated))
    return size.round_up(0)


class DeviceClaimEvaluator(Evaluator):
    """Claims of devices: their number, and the most devices of each class that they may get."""

    def __init__(self) -> None:
        super().__init__(DEVICE_CLAIMS)

    def measures(self, name: str) -> bool:
        return name in self.names or name.endswith(DEVICES_SUFFIX)

    def handles(self, operation: str, subresource: str, obj: Object | None, old: Object | None) -> bool:
        return operation in (CREATE, UPDATE) and not subresource

    def usage(self, obj: Object, now: float) -> dict[str, Quantity]:
        devices: dict[str, int] = {}
        for request in get(obj, "spec", "devices", "requests", default=()):
            for name, count in _most_devices(request).items():
                devices[name] = devices.get(name, 0) + count
        by_class = {f"{name}{DEVICES_SUFFIX}": quantity.of(count) for name, count in devices.items()}
        return {self.names[0]: ONE, **by_class}


def _most_devices(request: Object) -> dict[str, int]:
    """By class, the most devices that a request may get: of its alternatives, the one that asks for most."""
    most: dict[str, int] = {}
    for ask in request.get("firstAvailable") or [request.get("exactly") or {}]:
        name, count = ask.get("deviceClassName"), _devices(ask)
        if name and count:
            most[name] = max(most.get(name, 0), count)
    return most


def _devices(ask: Object) -> int:
    if ask.get("allocationMode") == "All":
        return ALL_DEVICES
    return ask.get("count") or 0 if ask.get("allocationMode") == "ExactCount" else 0


_OWN = {
    PODS: PodEvaluator(),
    SERVICES: ServiceEvaluator(),
    CLAIMS: ClaimEvaluator(),
    DEVICE_CLAIMS: DeviceClaimEvaluator(),
    **{GroupResource("", alias): Evaluator(GroupResource("", alias), alias) for alias in ALIASES},
}


@lru_cache(maxsize=1024)
def evaluator_for(resource: GroupResource) -> Evaluator | None:
    """How a resource is measured; None where nothing counts it."""
    if resource in IGNORED:
        return None
    return _OWN.get(resource) or Evaluator(resource)


def usage_of(evaluator: Evaluator, objects: Iterable[Object], spec: Object, now: float) -> Amounts:
    """What those of the objects use that a quota with this spec counts."""
    total: dict[str, Quantity] = {}
    for obj in objects:
        if evaluator.in_scopes(spec, obj):
            add_to(total, evaluator.usage(obj, now))
    return total
