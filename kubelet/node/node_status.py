"""The Node object: registered at once, looked at every ten seconds, reported every five minutes (upstream kubelet_node_status.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import of, parse
from apiserver.client.resources import STRATEGIC_PATCH
from kubelet.node.context import NORMAL, NodeContext
from kubelet.node.identity import ARCH, KERNEL, OS, VERSION, NodeIdentity
from kubelet.runtime.interface import Image, RuntimeStatus

log = logging.getLogger(__name__)

NODES = GroupVersionResource("", "v1", "nodes")
CHECK = 10.0  # seconds (upstream nodeStatusUpdateFrequency)
REPORT = 300.0  # seconds (upstream nodeStatusReportFrequency)
REGISTER_RETRY, REGISTER_LONGEST = 0.1, 7.0
MAX_IMAGES = 50
ATTACH_ANNOTATION = "volumes.kubernetes.io/controller-managed-attach-detach"
_PREFIXES = ("kubernetes.io", "beta.kubernetes.io")
DEFAULT_LABELS = ("kubernetes.io/hostname", *(f"{prefix}/{name}" for prefix in _PREFIXES for name in ("os", "arch")))

# type → (reason and message when fine, reason and message when not, events)
PRESSURES: dict[str, tuple[str, str, str, str]] = {
    "MemoryPressure": (
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
        "KubeletHasInsufficientMemory",
        "kubelet has insufficient memory available",
    ),
    "DiskPressure": (
        "KubeletHasNoDiskPressure",
        "kubelet has no disk pressure",
        "KubeletHasDiskPressure",
        "kubelet has disk pressure",
    ),
    "PIDPressure": (
        "KubeletHasSufficientPID",
        "kubelet has sufficient PID available",
        "KubeletHasInsufficientPID",
        "kubelet has insufficient PID available",
    ),
}
EVENTS = {
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
}

Pressures = Callable[[], frozenset[str]]


def initial_node(identity: NodeIdentity) -> Object:
    """The object as it is created, without its status."""
    labels = {
        "kubernetes.io/hostname": identity.name,
        "kubernetes.io/os": OS,
        "kubernetes.io/arch": ARCH,
        "beta.kubernetes.io/os": OS,
        "beta.kubernetes.io/arch": ARCH,
        **identity.labels,
    }
    spec: Object = {}
    if identity.taints:
        spec["taints"] = [dict(taint) for taint in identity.taints]
    if identity.provider_id:
        spec["providerID"] = identity.provider_id
    meta = {"name": identity.name, "labels": labels, "annotations": {ATTACH_ANNOTATION: "true"}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": spec}


def node_status(
    identity: NodeIdentity,
    old: Object,
    now: str,
    runtime: RuntimeStatus,
    runtime_version: str,
    images: list[Image],
    pressures: frozenset[str] = frozenset(),
) -> Object:
    """The status as it should be; what others have put into it stays."""
    status: Object = {
        **old,
        "addresses": _addresses(identity),
        "capacity": {**(old.get("capacity") or {}), **identity.capacity},
        "nodeInfo": _node_info(identity, runtime_version),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": identity.server_port}},
        "conditions": _conditions(old.get("conditions") or [], now, runtime, pressures),
    }
    status["allocatable"] = _allocatable(identity, status["capacity"])
    if images:
        largest = sorted(images, key=lambda image: -image.size)[:MAX_IMAGES]
        status["images"] = [{"names": [i.ref, *i.names][:5], "sizeBytes": i.size} for i in largest]
    if runtime.handlers:
        status["runtimeHandlers"] = [dict(each) for each in runtime.handlers]
    if runtime.features:
        status["features"] = dict(runtime.features)
    return status


def _addresses(identity: NodeIdentity) -> list[Object]:
    found = [{"type": "InternalIP", "address": address} for address in identity.addresses]
    found.append({"type": "Hostname", "address": identity.name})
    if identity.server_name:
        found.append({"type": "ExternalDNS", "address": identity.server_name})
    return found


def _allocatable(identity: NodeIdentity, capacity: dict[str, str]) -> dict[str, str]:
    found = {}
    for name, amount in capacity.items():
        left = parse(str(amount)) - parse(identity.reserved[name]) if name in identity.reserved else parse(str(amount))
        found[name] = str(left) if left.unscaled > 0 else str(of(0))
    return found


def _node_info(identity: NodeIdentity, runtime_version: str) -> Object:
    return {
        "machineID": identity.fingerprint("machine"),
        "systemUUID": _uuid(identity.fingerprint("system")),
        "bootID": _uuid(identity.fingerprint("boot")),
        "kernelVersion": KERNEL,
        "osImage": "pocketkube simulated node" if runtime_version.startswith("simulated") else "Linux",
        "containerRuntimeVersion": runtime_version,
        "kubeletVersion": VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": OS,
        "architecture": ARCH,
    }


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _conditions(old: list[Object], now: str, runtime: RuntimeStatus, pressures: frozenset[str]) -> list[Object]:
    """The kubelet's own in upstream's order, Ready last; conditions of others stay in front."""
    known = {each["type"]: each for each in old}
    made: list[Object] = [each for each in old if each["type"] not in PRESSURES and each["type"] != "Ready"]
    for kind, (fine, fine_message, bad, bad_message) in PRESSURES.items():
        pressed = kind in pressures
        reason, message = (bad, bad_message) if pressed else (fine, fine_message)
        made.append(_condition(kind, pressed, reason, message, known.get(kind), now))
    if problems := _problems(runtime):
        made.append(_condition("Ready", False, "KubeletNotReady", problems, known.get("Ready"), now))
    else:
        message = "kubelet is posting ready status"
        made.append(_condition("Ready", True, "KubeletReady", message, known.get("Ready"), now))
    return made


def _problems(runtime: RuntimeStatus) -> str:
    if not runtime.runtime_ready:
        return f"container runtime is down: {runtime.message}" if runtime.message else "container runtime is down"
    if not runtime.network_ready:
        return f"container runtime network not ready: {runtime.message}"
    return ""


def _condition(kind: str, status: bool, reason: str, message: str, old: Object | None, now: str) -> Object:
    shown = "True" if status else "False"
    kept = old is not None and old["status"] == shown
    return {
        "type": kind,
        "status": shown,
        "lastHeartbeatTime": now,
        "lastTransitionTime": (old or {}).get("lastTransitionTime") or now if kept else now,
        "reason": reason,
        "message": message,
    }


def has_changed(old: Object, new: Object) -> bool:
    """Whether there is more to report than a heartbeat."""
    return _without_heartbeats(old) != _without_heartbeats(new)


def _without_heartbeats(status: Object) -> Object:
    conditions = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status.get("conditions") or ()]
    return {**{k: v for k, v in status.items() if v}, "conditions": conditions}


class NodeStatus:
    """Registers the node and keeps its status true. It is the sink of the node's watch of itself."""

    def __init__(
        self, context: NodeContext, identity: NodeIdentity, pressures: Pressures, on_change: Callable[[], None]
    ) -> None:
        self._context = context
        self._identity = identity
        self._client = context.client.resource(NODES)
        self._pressures = pressures
        self._on_change = on_change
        self._reported = 0.0
        self._report_after = REPORT
        self._unschedulable = False
        self._runtime_version = ""
        self._changed = asyncio.Event()

    # The reflector's sink

    def replace(self, found: list[Object]) -> None:
        for node in found:
            self.changed(node)

    def changed(self, node: Object) -> None:
        before, self._context.node = self._context.node, node
        unschedulable = bool(node["spec"].get("unschedulable"))
        if before is not None and unschedulable != self._unschedulable:
            self._event("NodeNotSchedulable" if unschedulable else "NodeSchedulable")
        self._unschedulable = unschedulable
        self._on_change()
        if (
            before is None
            or before["spec"].get("podCIDRs") != node["spec"].get("podCIDRs")
            or objects.annotations_of(before) != objects.annotations_of(node)
        ):
            self._changed.set()

    def deleted(self, node: Object) -> None:
        """Gone: not made again before the next start, as upstream."""

    def _event(self, reason: str) -> None:
        self._context.node_event(NORMAL, reason, f"Node {self._context.name} status is now: {reason}")

    async def register(self) -> None:
        """Create the node, or take the one that is there; goes on until it succeeds."""
        wait = REGISTER_RETRY
        while not await self._try_register():
            await asyncio.sleep(wait)
            wait = min(wait * 2, REGISTER_LONGEST)
        cidr = ((self._context.node or {}).get("spec") or {}).get("podCIDR")
        if cidr:
            await self._context.runtime.set_pod_cidr(cidr)
        log.info("node registered", extra={"node": self._context.name})

    async def _try_register(self) -> bool:
        node = initial_node(self._identity)
        node["status"] = await self._status({})
        try:
            try:
                self._context.node = await self._client.create(node)
                self._reported = self._context.clock.now()
                for kind in EVENTS:
                    self._event(EVENTS[kind][0])
            except StatusError as error:
                if error.code != 409:
                    raise
                await self._reconcile(node)
        except (StatusError, ConnectionError, TimeoutError, OSError) as error:
            log.warning("node not registered", extra={"node": self._context.name, "error": str(error)})
            return False
        return True

    async def _reconcile(self, wanted: Object) -> None:
        """A node of that name was there before: labels and annotations the kubelet owns are put right."""
        found = await self._client.get(self._context.name)
        self._context.node = found
        self._unschedulable = bool(found["spec"].get("unschedulable"))
        labels = {
            key: wanted["metadata"]["labels"][key]
            for key in DEFAULT_LABELS
            if (found["metadata"].get("labels") or {}).get(key) != wanted["metadata"]["labels"].get(key)
        }
        annotations = {} if ATTACH_ANNOTATION in objects.annotations_of(found) else wanted["metadata"]["annotations"]
        if labels or annotations:
            patch = {"metadata": {"labels": labels, "annotations": annotations}}
            self._context.node = await self._client.patch(self._context.name, "", patch, type=STRATEGIC_PATCH)

    async def run(self) -> None:
        """Look every ten seconds, and at once when the pod CIDR has come; report what changed, or that five minutes passed."""
        while True:
            try:
                await self.sync()
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.info("node status not updated", extra={"node": self._context.name, "error": str(error)})
            self._changed.clear()
            try:
                async with asyncio.timeout(CHECK):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def sync(self) -> None:
        node = self._context.node
        if node is None:
            return
        if cidr := node["spec"].get("podCIDR"):
            await self._context.runtime.set_pod_cidr(cidr)
        old = node.get("status") or {}
        status = await self._status(old)
        now, changed = self._context.clock.now(), has_changed(old, status)
        if not changed and now - self._reported < self._report_after:
            return
        # Another wait after a change, so that nodes that changed together do not report together for ever.
        again = changed or not self._reported
        self._report_after = REPORT * (0.5 + self._context.rand.random()) if again else REPORT
        self._tell(old, status)
        patch = {"status": _changes(old, status)}
        self._context.node = await self._client.patch(
            self._context.name, "", patch, type=STRATEGIC_PATCH, subresource="status"
        )
        self._reported = now

    async def _status(self, old: Object) -> Object:
        if not self._runtime_version:
            version = await self._context.runtime.version()
            self._runtime_version = f"{version.name}://{version.version}"
        runtime = self._context.runtime
        now = rfc3339(self._context.clock.now())
        return node_status(
            self._identity,
            old,
            now,
            await runtime.status(),
            self._runtime_version,
            await runtime.images(),
            self._pressures(),
        )

    def _tell(self, old: Object, new: Object) -> None:
        """Events for conditions that turned."""
        before = {each["type"]: each["status"] for each in old.get("conditions") or ()}
        for each in new["conditions"]:
            kind = each["type"]
            if before.get(kind) == each["status"]:
                continue
            if kind in EVENTS:
                self._event(EVENTS[kind][each["status"] == "True"])
            elif kind == "Ready" and kind in before:
                self._event("NodeReady" if each["status"] == "True" else "NodeNotReady")


def _changes(old: Object, new: Object) -> dict[str, Any]:
    """Addresses and conditions are merged by type; the other lists and all maps as strategic merge has it."""
    changes: dict[str, Any] = {"conditions": new["conditions"]}
    changes["$setElementOrder/conditions"] = [{"type": each["type"]} for each in new["conditions"]]
    for key in new:
        if key != "conditions" and old.get(key) != new[key]:
            changes[key] = new[key]
    if "addresses" in changes:
        gone = [
            each for each in old.get("addresses") or () if each["type"] not in {a["type"] for a in new["addresses"]}
        ]
        changes["addresses"] = [*new["addresses"], *({"type": each["type"], "$patch": "delete"} for each in gone)]
    return changes
