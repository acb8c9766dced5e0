"""A container's configuration for the runtime, from its spec (upstream generateContainerConfig)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiserver.apimachinery.objects import Object, annotations_of, labels_of
from kubelet.node import facts
from kubelet.node.actions import HASH_LABEL, spec_hash
from kubelet.node.context import NodeContext
from kubelet.node.environment import Sources, environment, expand_all
from kubelet.runtime.interface import ContainerConfig, Mount, SandboxConfig

MountsOf = Callable[[Object, dict[str, Any], Mapping[str, str]], Sequence[Mount]]

LOGS = "/var/log/pods"
MAX_HOSTNAME = 63


def log_directory(pod: Object) -> str:
    meta = pod["metadata"]
    return f"{LOGS}/{meta.get('namespace', '')}_{meta['name']}_{meta.get('uid', '')}"


def hostname_of(pod: Object) -> str:
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:MAX_HOSTNAME].rstrip("-.")


def sandbox_config(pod: Object, attempt: int) -> SandboxConfig:
    meta, spec = pod["metadata"], pod["spec"]
    ports = [port for each in facts.containers(pod) for port in each.get("ports") or () if port.get("hostPort")]
    return SandboxConfig(
        pod_uid=facts.uid_of(pod),
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        attempt=attempt,
        hostname="" if facts.on_host_network(pod) else hostname_of(pod),
        host_network=facts.on_host_network(pod),
        labels=labels_of(pod),
        annotations=annotations_of(pod),
        log_directory=log_directory(pod),
        port_mappings=ports,
        security=spec.get("securityContext") or {},
    )


def _security(pod: Object, container: dict[str, Any]) -> Mapping[str, Any]:
    """The container's security context over the pod's."""
    of_pod: Mapping[str, Any] = pod["spec"].get("securityContext") or {}
    own: Mapping[str, Any] = container.get("securityContext") or {}
    return {**of_pod, **own} if of_pod and own else own or of_pod


async def container_config(
    context: NodeContext,
    pod: Object,
    container: dict[str, Any],
    sources: Sources,
    *,
    attempt: int,
    image_ref: str,
    pod_ips: Sequence[str],
    mounts: MountsOf,
) -> ContainerConfig:
    """Raises ConfigError or StatusError when a value cannot be had."""
    allocatable = ((context.node or {}).get("status") or {}).get("allocatable") or {}
    env = await environment(
        pod, container, sources, pod_ips=pod_ips, host_ips=context.host_ips, allocatable=allocatable
    )
    return ContainerConfig(
        name=container["name"],
        attempt=attempt,
        image=container.get("image") or "",
        image_ref=image_ref,
        command=expand_all(container.get("command") or (), env),
        args=expand_all(container.get("args") or (), env),
        env=env,
        working_dir=container.get("workingDir") or "",
        mounts=mounts(pod, container, env),
        resources=container.get("resources") or {},
        security=_security(pod, container),
        ports=container.get("ports") or (),
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        labels={HASH_LABEL: spec_hash(container)},
        log_path=f"{container['name']}/{attempt}.log",
        termination_message_path=container.get("terminationMessagePath") or "/dev/termination-log",
        termination_message_policy=container.get("terminationMessagePolicy") or "File",
    )
