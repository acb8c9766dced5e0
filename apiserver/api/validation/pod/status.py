"""A pod's status as a kubelet writes it (upstream ValidatePodStatusUpdate)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from apiserver.api.podspec.containers import sub
from apiserver.api.podspec.quantities import ZERO, quantity
from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.pod.annotations import annotations_update_errors
from apiserver.api.validation.pod.names import label_errors, qualified_errors, subdomain_errors, user_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import are_dual_stack, legacy_ip_errors, parse_sloppy
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_internal_error,
    invalid,
    not_supported,
    required,
    too_long,
)
from apiserver.apimachinery.object_meta import immutable
from apiserver.apimachinery.objects import Object

SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
HEALTH = ("Healthy", "Unhealthy", "Unknown")
MAX_HEALTH_MESSAGE = 1024
MAX_UINT32 = 2**32 - 1
NO_RESTART = "may not be transitioned to non-terminated state"
NOT_NEGATIVE_INTEGER = "must be a non-negative integer"
CLAIM = "claim:"


def pod_status_update_errors(pod: Object, old: Object, options: PodOptions) -> Iterator[FieldError]:
    yield from metadata_update_errors(pod, old)
    yield from annotations_update_errors(pod, old, "metadata.annotations", options)
    status, before, spec = pod.get("status") or {}, old.get("status") or {}, pod["spec"]
    yield from _conditions_errors(status.get("conditions") or [], "status.conditions")
    yield from _nominated_errors(status, before, old["spec"])
    observed = status.get("observedGeneration") or 0
    if observed < 0:
        yield invalid("status.observedGeneration", observed, NOT_NEGATIVE_INTEGER)
    yield from immutable(status.get("qosClass") or "", before.get("qosClass") or "", "status.qosClass")
    yield from _transitions_errors(status, before, old["spec"])
    yield from _claim_statuses_errors(status, spec)
    yield from _ips_errors(status, before, "podIP", "podIPs")
    yield from _ips_errors(status, before, "hostIP", "hostIPs")
    os = sub(spec, "os").get("name") or "linux"
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        yield from _users_errors(status.get(field) or [], f"status.{field}", os)
    for field, containers in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        yield from _allocated_errors(status, field, spec.get(containers) or [])
    for i, container in enumerate(status.get("ephemeralContainerStatuses") or ()):
        if container.get("allocatedResourcesStatus"):
            path = f"status.ephemeralContainerStatuses[{i}].allocatedResourcesStatus"
            yield field_forbidden(path, "must not be specified in container status")


def _conditions_errors(conditions: list[Object], path: str) -> Iterator[FieldError]:
    for i, condition in enumerate(conditions):
        observed = condition.get("observedGeneration") or 0
        if observed < 0:
            yield invalid(f"{path}[{i}].observedGeneration", observed, NOT_NEGATIVE_INTEGER)
        kind = condition.get("type") or ""
        if kind not in SYSTEM_CONDITIONS:
            yield from qualified_errors(kind, f"{path}[{i}].Type")


def _nominated_errors(status: Object, before: Object, old_spec: Object) -> Iterator[FieldError]:
    name = status.get("nominatedNodeName") or ""
    if not name or name == before.get("nominatedNodeName"):
        return
    yield from subdomain_errors(name, "status.nominatedNodeName")
    if old_spec.get("nodeName"):
        yield field_forbidden("status.nominatedNodeName", "may not be set on pods that are already bound to a node")


def _transitions_errors(status: Object, before: Object, spec: Object) -> Iterator[FieldError]:
    """What has ended starts again only where a restart is possible."""
    for field, containers in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        if _all_may_restart(spec):
            break
        yield from _state_errors(status, before, field, partial(_may_restart, spec, containers))
    yield from _state_errors(status, before, "ephemeralContainerStatuses", lambda name, code: False)


def _state_errors(
    status: Object, before: Object, field: str, may_restart: Callable[[str, int], bool]
) -> Iterator[FieldError]:
    for i, old in enumerate(before.get(field) or ()):
        terminated = sub(old, "state").get("terminated")
        if terminated is None:
            continue
        name = old.get("name") or ""
        for container in status.get(field) or ():
            if container.get("name") != old.get("name") or sub(container, "state").get("terminated") is not None:
                continue
            if not may_restart(name, terminated.get("exitCode") or 0):
                yield field_forbidden(f"status.{field}[{i}].state", NO_RESTART)
            if field != "ephemeralContainerStatuses":
                break


def _all_may_restart(spec: Object) -> bool:
    return any(
        rule.get("action") == "RestartAllContainers"
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
        for rule in container.get("restartPolicyRules") or ()
    )


def _may_restart(spec: Object, field: str, name: str, exit_code: int) -> bool:
    """Upstream ContainerShouldRestart; containers the spec does not know never restart."""
    container = next((c for c in spec.get(field) or () if c.get("name") == name), None)
    if container is None:
        return False
    policy = container.get("restartPolicy")
    if policy is not None:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            matches = exit_code in (codes.get("values") or ())
            if matches == (codes.get("operator") == "In") and codes:
                if rule.get("action") in ("Restart", "RestartAllContainers"):
                    return True
                break
    for choice in (policy, spec.get("restartPolicy")):
        if choice in ("Always", "OnFailure", "Never"):
            return choice == "Always" or (choice == "OnFailure" and exit_code != 0)
    return True


def _claim_statuses_errors(status: Object, spec: Object) -> Iterator[FieldError]:
    known = {claim.get("name") or "" for claim in spec.get("resourceClaims") or ()}
    seen: set[str] = set()
    for i, claim in enumerate(status.get("resourceClaimStatuses") or ()):
        here, name = f"status.resourceClaimStatuses[{i}]", claim.get("name") or ""
        if name not in known:
            yield invalid(f"{here}.name", name, "must match the name of an entry in `spec.resourceClaims`")
        if name in seen:
            yield duplicate(f"{here}.name", name)
        seen.add(name)
        if claim.get("resourceClaimName") is not None:
            yield from subdomain_errors(claim["resourceClaimName"], f"{here}.resourceClaimName")
    extended = status.get("extendedResourceClaimStatus")
    if extended is not None:
        yield from _extended_errors(extended, spec, "status.extendedResourceClaimStatus")


def _extended_errors(extended: Object, spec: Object, path: str) -> Iterator[FieldError]:
    containers = {
        c.get("name") or "": sub(c, "resources", "requests")
        for field in ("initContainers", "containers")
        for c in spec.get(field) or ()
    }
    mappings = extended.get("requestMappings") or ()
    if not mappings:
        yield required(f"{path}.requestMappings", "at least one request mapping is required")
    seen: set[tuple[str, str, str]] = set()
    for i, mapping in enumerate(mappings):
        here = f"{path}.requestMappings[{i}]"
        container, resource, request = (mapping.get(f) or "" for f in ("containerName", "resourceName", "requestName"))
        if container not in containers:
            message = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
            yield invalid(f"{here}.containerName", container, message)
        elif resource not in containers[container]:
            message = (
                "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
                "spec.containers.resources.requests"
            )
            yield invalid(f"{here}.resourceName", resource, message)
        yield from label_errors(request, f"{path}.requestName")
        if (container, resource, request) in seen:
            yield duplicate(f"{here}.containerName", container)
            yield duplicate(f"{here}.resourceName", resource)
            yield duplicate(f"{here}.requestName", request)
        seen.add((container, resource, request))
    name = extended.get("resourceClaimName") or ""
    if not name:
        yield required(f"{path}.resourceClaimName")
    else:
        yield from subdomain_errors(name, f"{path}.resourceClaimName")


def _ips_errors(status: Object, before: Object, single: str, field: str) -> Iterator[FieldError]:
    path = f"status.{field}"
    entries, first = status.get(field) or [], status.get(single) or ""
    texts = [entry.get("ip") or "" for entry in entries]
    matches = not texts or texts[0] == first
    if field == "hostIPs" and texts and not matches:
        yield invalid(f"{path}[0].ip", texts[0], "must be equal to `hostIP`")
    known = [entry.get("ip") or "" for entry in before.get(field) or ()]
    for i, text in enumerate(texts):
        yield from legacy_ip_errors(text, f"{path}[{i}]", known)
    yield from _families_errors(texts, path)
    if field == "hostIPs":
        return
    if bool(first) != bool(texts):
        message = "podIP and podIPs must either both be set or both be unset"
        yield invalid(path, _shown_ips(texts) or None, message)
    elif not matches:
        yield invalid(f"{path}[0].ip", texts[0], "must be equal to `podIP`")


def _shown_ips(texts: list[str]) -> list[Object]:
    return [{"IP": text} for text in texts]


def _families_errors(texts: list[str], path: str) -> Iterator[FieldError]:
    if len(texts) < 2:
        return
    addresses = [parse_sloppy(text) for text in texts]
    bad = addresses.index(None) if None in addresses else None
    if bad is not None:
        yield field_internal_error(path, f"failed to check for dual stack with error:invalid IP[{bad}]: {texts[bad]}")
    if bad is not None or len(texts) > 2 or not are_dual_stack([a for a in addresses if a is not None]):
        yield invalid(path, _shown_ips(texts), "may specify no more than one IP for each IP family")


def _users_errors(statuses: list[Object], path: str, os: str) -> Iterator[FieldError]:
    for i, status in enumerate(statuses):
        user = sub(status, "user").get("linux")
        if user is None:
            continue
        here = f"{path}[{i}].user.linux"
        if os == "windows":
            yield field_forbidden(here, "cannot be set for a windows pod")
        elif os == "linux":
            uid = user.get("uid") or 0
            if not 0 <= uid <= MAX_UINT32:
                yield invalid(f"{here}.uid", uid, formats.range_error(0, MAX_UINT32))
            yield from user_errors(user.get("gid"), f"{here}.gid")
            for j, group in enumerate(user.get("supplementalGroups") or ()):
                yield from user_errors(group, f"{here}.supplementalGroups[{j}]")


def _allocated_errors(status: Object, field: str, containers: list[Object]) -> Iterator[FieldError]:
    extended = status.get("extendedResourceClaimStatus")
    for i, container_status in enumerate(status.get(field) or ()):
        container = next((c for c in containers if c.get("name") == container_status.get("name")), None)
        for j, allocated in enumerate(container_status.get("allocatedResourcesStatus") or ()):
            here, name = f"status.{field}[{i}].allocatedResourcesStatus[{j}]", allocated.get("name") or ""
            if container is not None:
                message = _unknown_resource(name, container, extended)
                if message:
                    yield invalid(f"{here}.name", name, message)
            yield from _health_errors(allocated.get("resources") or [], f"{here}.resources")


def _unknown_resource(name: str, container: Object, extended: Object | None) -> str:
    """Why the container has no such resource; "" when it has."""
    resources = container.get("resources") or {}
    if not name.startswith(CLAIM):
        known = name in (resources.get("requests") or ())
        return "" if known else "must match one of the container's resource requests"
    for claim in resources.get("claims") or ():
        request = claim.get("request") or ""
        if name == CLAIM + (claim.get("name") or "") + (f"/{request}" if request else ""):
            return ""
    if _is_extended_claim(name.removeprefix(CLAIM), container, extended):
        return ""
    return (
        "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when "
        "container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty"
    )


def _is_extended_claim(reference: str, container: Object, extended: Object | None) -> bool:
    claim, _, request = reference.partition("/")
    if extended is None or not request or claim != extended.get("resourceClaimName"):
        return False
    requests = sub(container, "resources", "requests")
    return any(
        mapping.get("containerName") == container.get("name")
        and mapping.get("requestName") == request
        and quantity(requests, mapping.get("resourceName") or "") != ZERO
        for mapping in extended.get("requestMappings") or ()
    )


def _health_errors(resources: list[Object], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, resource in enumerate(resources):
        here, identity = f"{path}[{i}]", resource.get("resourceID") or ""
        if (resource.get("health") or "") not in HEALTH:
            yield not_supported(f"{here}.health", resource.get("health") or "", HEALTH)
        message = resource.get("message")
        if message == "":
            yield required(f"{here}.message", "must be non-empty if specified")
        elif message is not None and formats.byte_length(message) > MAX_HEALTH_MESSAGE:
            yield too_long(f"{here}.message", MAX_HEALTH_MESSAGE)
        if identity in seen:
            yield duplicate(f"{here}.resourceID", identity)
        seen.add(identity)
