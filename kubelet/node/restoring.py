"""After a restart: what the API shows of a pod's containers, for a runtime that lives and dies with this process.

A real runtime's containers go on while their kubelet is away. Simulated ones seem to: they are taken up where their status says.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.node.actions import HASH_LABEL, spec_hash
from kubelet.node.container_config import sandbox_config
from kubelet.node.environment import expand_all
from kubelet.runtime.interface import ContainerConfig, ContainerStatus, Remains, SandboxStatus

KINDS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def remains_of(pod: Object) -> Remains | None:
    """None for a pod of which nothing runs."""
    status = pod.get("status") or {}
    if facts.is_terminal(pod) or facts.is_mirror(pod):
        return None
    found = [(each, made) for kind in KINDS for each in status.get(kind) or () if (made := _container(pod, each))]
    if not any(made.state == "running" for _, made in found):
        return None
    began = min(made.created_at for _, made in found)
    uid, config = facts.uid_of(pod), sandbox_config(pod, 0)
    ips = () if config.host_network else tuple(each["ip"] for each in status.get("podIPs") or ())
    sandbox = SandboxStatus("", uid, config.namespace, config.name, 0, True, began, ips, config.host_network)
    containers = [(made, _config(pod, each["name"], made)) for each, made in found]
    return Remains(config, sandbox, containers)


def _container(pod: Object, shown: dict[str, Any]) -> ContainerStatus | None:
    """A container that was running, or had run, in the words of the runtime."""
    state = shown.get("state") or {}
    end: dict[str, Any] = state.get("terminated") or (shown.get("lastState") or {}).get("terminated") or {}
    if "running" in state:
        container_id, began = shown.get("containerID") or "", state["running"].get("startedAt")
    elif end:
        container_id, began = end.get("containerID") or "", end.get("startedAt")
    else:
        return None
    spec = facts.container_named(pod, shown["name"])
    if spec is None or not container_id or not began:
        return None
    made = ContainerStatus(
        id=container_id.rpartition("://")[2],
        sandbox_id="",
        pod_uid=facts.uid_of(pod),
        name=shown["name"],
        attempt=shown.get("restartCount") or 0,
        state="running",
        created_at=parse_rfc3339(began),
        started_at=parse_rfc3339(began),
        image=shown.get("image") or "",
        image_ref=shown.get("imageID") or "",
        labels={HASH_LABEL: spec_hash(spec)},
        resources=shown.get("resources"),
        user=shown.get("user"),
    )
    if "running" not in state:
        made.state, made.exit_code = "exited", end.get("exitCode") or 0
        made.reason, made.message = end.get("reason") or "", end.get("message") or ""
        made.finished_at = parse_rfc3339(end.get("finishedAt") or began)
    return made


def _config(pod: Object, name: str, made: ContainerStatus) -> ContainerConfig:
    """As it was created, as far as the spec alone tells."""
    spec = facts.container_named(pod, name) or {}
    env = {each["name"]: each.get("value") or "" for each in spec.get("env") or ()}
    return ContainerConfig(
        name=name,
        attempt=made.attempt,
        image=made.image,
        image_ref=made.image_ref,
        command=expand_all(spec.get("command") or (), env),
        args=expand_all(spec.get("args") or (), env),
        env=env,
        resources=made.resources or {},
        labels=made.labels,
        stdin=bool(spec.get("stdin")),
    )
