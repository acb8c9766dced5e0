"""Containers: regular, init, sidecar and ephemeral ones (upstream validateContainers and its siblings)."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from apiserver.api.podspec.containers import is_sidecar
from apiserver.api.validation.pod.environment import env_errors, env_from_errors
from apiserver.api.validation.pod.mounts import devices_errors, mounts_errors
from apiserver.api.validation.pod.names import label_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.probes import lifecycle_errors, probes_errors
from apiserver.api.validation.pod.security import security_context_errors
from apiserver.api.validation.pod.volumes import pull_policy_errors
from apiserver.api.validation.resources import requirements_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_not_found,
    invalid,
    not_supported,
    required,
    too_many,
)
from apiserver.apimachinery.objects import Object

PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESIZABLE = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RESTART_ACTIONS = ("Restart", "RestartAllContainers")
EXIT_CODE_OPERATORS = ("In", "NotIn")
MAX_RESTART_RULES, MAX_EXIT_CODES = 20, 255
ONLY_SIDECARS = "may not be set for init containers without restartPolicy=Always"
NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"
# What an ephemeral container may not have, in the order of Go's struct.
EPHEMERAL_FORBIDDEN = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
_NEVER_NIL = ("ports", "resources", "resizePolicy", "restartPolicyRules")  # in Go's struct: empty is not set


class Surroundings(NamedTuple):
    """What a container's rules need to know of its pod."""

    spec: Object
    volumes: Mapping[str, Object]
    claims: Collection[str]
    options: PodOptions

    @property
    def grace(self) -> int | None:
        return self.spec.get("terminationGracePeriodSeconds")

    @property
    def host_users(self) -> bool:
        return self.spec.get("hostUsers") is not False


def containers_errors(pod: Surroundings, path: str) -> Iterator[FieldError]:
    containers = pod.spec.get("containers") or ()
    if not containers:
        yield required(path)
        return
    names: set[str] = set()
    for i, container in enumerate(containers):
        here, name = f"{path}[{i}]", container.get("name") or ""
        yield from _common_errors(container, pod, here)
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        if container.get("lifecycle") is not None:
            yield from lifecycle_errors(container["lifecycle"], pod.grace, f"{here}.lifecycle", pod.spec.get("os"))
        yield from probes_errors(container, pod.grace, here)
        yield from _restart_errors(container, here)
    yield from _host_port_errors(containers, path)


def init_containers_errors(pod: Surroundings, path: str) -> Iterator[FieldError]:
    names = {container.get("name") or "" for container in pod.spec.get("containers") or ()}
    for i, container in enumerate(pod.spec.get("initContainers") or ()):
        here, name = f"{path}[{i}]", container.get("name") or ""
        yield from _common_errors(container, pod, here)
        yield from _init_restart_errors(container, here)
        if name in names:
            yield duplicate(f"{here}.name", name)
        elif name:
            names.add(name)
        yield from _host_port_errors([container], path)
        if is_sidecar(container):
            if container.get("lifecycle") is not None:
                yield from lifecycle_errors(container["lifecycle"], pod.grace, f"{here}.lifecycle", pod.spec.get("os"))
            yield from probes_errors(container, pod.grace, here)
        else:
            yield from _only_sidecar_errors(container, pod, here)


def _only_sidecar_errors(container: Object, pod: Surroundings, path: str) -> Iterator[FieldError]:
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            yield field_forbidden(f"{path}.{field}", ONLY_SIDECARS)
    if pod.options.restart_in_init_resize:
        return
    for i, policy in enumerate(container.get("resizePolicy") or ()):
        if policy.get("restartPolicy") == "RestartContainer":
            message = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            yield invalid(f"{path}.resizePolicy[{i}].restartPolicy", "RestartContainer", message)


def ephemeral_containers_errors(pod: Surroundings, path: str) -> Iterator[FieldError]:
    ephemeral = pod.spec.get("ephemeralContainers") or ()
    if not ephemeral:
        return
    others = {c.get("name") or "" for field in ("containers", "initContainers") for c in pod.spec.get(field) or ()}
    names = set(others)
    for i, container in enumerate(ephemeral):
        here, name = f"{path}[{i}]", container.get("name") or ""
        yield from _common_errors(container, pod, here)
        yield from image_padding_errors(container, here)
        if name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        target = container.get("targetContainerName") or ""
        if target and target not in others:
            yield field_not_found(f"{here}.targetContainerName", target)
        for field in EPHEMERAL_FORBIDDEN:
            value = container.get(field)
            if value is not None and (value or field not in _NEVER_NIL):
                yield field_forbidden(f"{here}.{field}", NOT_EPHEMERAL)
        for j, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    yield field_forbidden(f"{here}.volumeMounts[{j}].{field}", NOT_EPHEMERAL)


def image_padding_errors(container: Object, path: str) -> Iterator[FieldError]:
    """In a pod; templates are not held to it."""
    image = container.get("image") or ""
    if image != image.strip():
        yield invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _common_errors(container: Object, pod: Surroundings, path: str) -> Iterator[FieldError]:
    name = container.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        yield from label_errors(name, f"{path}.name")
    if not container.get("image"):
        yield required(f"{path}.image")
    policy = container.get("terminationMessagePolicy") or ""
    if not policy:
        yield required(f"{path}.terminationMessagePolicy")
    elif policy not in MESSAGE_POLICIES:
        yield not_supported(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES)
    if container.get("ports"):
        yield from _ports_errors(container["ports"], f"{path}.ports")
    if container.get("env"):
        yield from env_errors(container["env"], f"{path}.env")
    if container.get("envFrom"):
        yield from env_from_errors(container["envFrom"], f"{path}.envFrom")
    if container.get("volumeMounts"):
        yield from mounts_errors(container, pod.volumes, f"{path}.volumeMounts")
    if container.get("volumeDevices"):
        yield from devices_errors(container, pod.volumes, f"{path}.volumeDevices")
    yield from pull_policy_errors(container.get("imagePullPolicy") or "", f"{path}.imagePullPolicy")
    if container.get("resources"):
        yield from requirements_errors(
            container["resources"], f"{path}.resources", pod.claims, any_huge_pages=pod.options.any_huge_pages
        )
    if container.get("resizePolicy"):
        restart = pod.spec.get("restartPolicy") or ""
        yield from _resize_policy_errors(container["resizePolicy"], f"{path}.resizePolicy", restart)
    if container.get("securityContext") is not None:
        yield from security_context_errors(
            container["securityContext"], f"{path}.securityContext", pod.host_users, pod.options
        )


def _ports_errors(ports: list[Object], path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for i, port in enumerate(ports):
        here, name = f"{path}[{i}]", port.get("name") or ""
        if name:
            messages = formats.port_name(name)
            for message in messages:
                yield invalid(f"{here}.name", name, message)
            if not messages and name in names:
                yield duplicate(f"{here}.name", name)
            elif not messages:
                names.add(name)
        number, host = port.get("containerPort") or 0, port.get("hostPort") or 0
        if not number:
            yield required(f"{here}.containerPort")
        else:
            for message in formats.port_number(number):
                yield invalid(f"{here}.containerPort", number, message)
        if host:
            for message in formats.port_number(host):
                yield invalid(f"{here}.hostPort", host, message)
        protocol = port.get("protocol") or ""
        if not protocol:
            yield required(f"{here}.protocol")
        elif protocol not in PROTOCOLS:
            yield not_supported(f"{here}.protocol", protocol, PROTOCOLS)


def _host_port_errors(containers: Iterable[Object], path: str) -> Iterator[FieldError]:
    taken: set[str] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            shown = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if shown in taken:
                yield duplicate(f"{path}[{i}].ports[{j}].hostPort", shown)
            taken.add(shown)


def _resize_policy_errors(policies: list[Object], path: str, pod_restart: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, policy in enumerate(policies):
        name, restart = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            yield duplicate(f"{path}[{i}]", name)
        seen.add(name)
        if not name:
            yield required(path)
        elif name not in RESIZABLE:
            yield not_supported(path, name, RESIZABLE)
        if not restart:
            yield required(path)
        elif restart not in RESIZE_POLICIES:
            yield not_supported(path, restart, RESIZE_POLICIES)
        if pod_restart == "Never" and restart != "NotRequired":
            yield invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")


def _init_restart_errors(container: Object, path: str) -> Iterator[FieldError]:
    """As those of other containers, but rules without a policy are not looked at."""
    errors = _restart_errors(container, path)
    return errors if container.get("restartPolicy") is not None else itertools.islice(errors, 1)


def _restart_errors(container: Object, path: str) -> Iterator[FieldError]:
    """The container's own restart policy and its rules."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        if rules:
            yield required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used")
        else:
            return
    elif policy not in RESTART_POLICIES:
        yield not_supported(f"{path}.restartPolicy", policy, RESTART_POLICIES)
    if len(rules) > MAX_RESTART_RULES:
        yield too_many(f"{path}.restartPolicyRules", len(rules), MAX_RESTART_RULES)
    for i, rule in enumerate(rules):
        yield from _restart_rule_errors(rule, f"{path}.restartPolicyRules[{i}]")


def _restart_rule_errors(rule: Object, path: str) -> Iterator[FieldError]:
    if rule.get("action") not in RESTART_ACTIONS:
        yield not_supported(f"{path}.action", rule.get("action") or "", RESTART_ACTIONS)
    codes = rule.get("exitCodes")
    if codes is None:
        yield required(f"{path}.exitCodes", "must be specified")
        return
    if codes.get("operator") not in EXIT_CODE_OPERATORS:
        yield not_supported(f"{path}.exitCodes.operator", codes.get("operator") or "", EXIT_CODE_OPERATORS)
    if len(codes.get("values") or ()) > MAX_EXIT_CODES:
        yield too_many(f"{path}.exitCodes.values", len(codes["values"]), MAX_EXIT_CODES)
