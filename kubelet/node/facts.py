"""What a pod's own fields say: its containers, restart rules, quality of service, where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.apimachinery.objects import Object, annotations_of
from apiserver.apimachinery.quantity import parse

SOURCE_ANNOTATION = "kubernetes.io/config.source"
HASH_ANNOTATION = "kubernetes.io/config.hash"
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
TERMINAL = ("Succeeded", "Failed")
_QOS_RESOURCES = ("cpu", "memory")


def uid_of(pod: Object) -> str:
    uid: str = pod["metadata"].get("uid") or ""
    return uid


def full_name(pod: Object) -> str:
    """As upstream prints a pod in messages (format.Pod)."""
    meta = pod["metadata"]
    return f"{meta['name']}_{meta.get('namespace', '')}({meta.get('uid', '')})"


def phase_of(pod: Object) -> str:
    phase: str = (pod.get("status") or {}).get("phase") or "Pending"
    return phase


def is_terminal(pod: Object) -> bool:
    return phase_of(pod) in TERMINAL


def is_deleted(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_static(pod: Object) -> bool:
    """A pod of a file: its source is not the API."""
    return annotations_of(pod).get(SOURCE_ANNOTATION, "api") != "api"


def is_mirror(pod: Object) -> bool:
    return MIRROR_ANNOTATION in annotations_of(pod)


def on_host_network(pod: Object) -> bool:
    return bool(pod["spec"].get("hostNetwork"))


def containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("containers") or []


def init_containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("initContainers") or []


def ephemeral_containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("ephemeralContainers") or []


def every_container(pod: Object) -> Iterator[dict[str, Any]]:
    yield from init_containers(pod)
    yield from containers(pod)
    yield from ephemeral_containers(pod)


def container_named(pod: Object, name: str) -> dict[str, Any] | None:
    return next((each for each in every_container(pod) if each["name"] == name), None)


def field_path(pod: Object, name: str) -> str:
    """The fieldPath of an event about a container."""
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        if any(each["name"] == name for each in pod["spec"].get(kind) or ()):
            return f"spec.{kind}{{{name}}}"
    return ""


def is_sidecar(container: dict[str, Any]) -> bool:
    """An init container that keeps running."""
    return container.get("restartPolicy") == "Always"


def matching_rule(container: dict[str, Any], exit_code: int) -> dict[str, Any] | None:
    """The first restart rule whose exit codes fit."""
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes")
        if codes is None:
            continue
        listed = exit_code in (codes.get("values") or ())
        if listed == (codes.get("operator") == "In"):
            return rule  # type: ignore[no-any-return]
    return None


def should_restart(container: dict[str, Any], spec: Object, exit_code: int) -> bool:
    """Whether a container that ended with `exit_code` runs again (upstream podutil.ContainerShouldRestart)."""
    policy = container.get("restartPolicy")
    if policy:
        rule = matching_rule(container, exit_code)
        if rule is not None and rule.get("action") in ("Restart", "RestartAllContainers"):
            return True
    policy = policy or spec.get("restartPolicy") or "Always"
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def may_restart_all(pod: Object) -> bool:
    """Whether some container's rule restarts the whole pod in place."""
    return any(
        rule.get("action") == "RestartAllContainers"
        for container in (*init_containers(pod), *containers(pod))
        for rule in container.get("restartPolicyRules") or ()
    )


def qos_of(pod: Object) -> str:
    given: str = (pod.get("status") or {}).get("qosClass") or ""
    return given or compute_qos(pod)


def compute_qos(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort (upstream apis/core/v1/helper/qos)."""
    own = pod["spec"].get("resources")
    if own and (own.get("requests") or own.get("limits")):
        return _requirements_qos(own)
    found = {_requirements_qos(c.get("resources") or {}): None for c in (*init_containers(pod), *containers(pod))}
    if not found:
        return "BestEffort"
    return next(iter(found)) if len(found) == 1 else "Burstable"


def _requirements_qos(resources: dict[str, Any]) -> str:
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    if not requests and not limits:
        return "BestEffort"
    found = {_resource_qos(requests.get(name), limits.get(name)): None for name in _QOS_RESOURCES}
    return next(iter(found)) if len(found) == 1 else "Burstable"


def _resource_qos(request: str | None, limit: str | None) -> str:
    asked, most = parse(str(request or "0")), parse(str(limit or "0"))
    if asked != most:
        return "Burstable"
    return "Guaranteed" if asked else "BestEffort"
