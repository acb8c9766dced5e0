"""A PodSpec as a whole, in upstream's order (ValidatePodSpec)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.podspec.containers import sub, with_paths
from apiserver.api.podspec.resources import aggregate
from apiserver.api.validation.pod.containers import (
    Surroundings,
    containers_errors,
    ephemeral_containers_errors,
    init_containers_errors,
)
from apiserver.api.validation.pod.environment import file_key_volumes_errors
from apiserver.api.validation.pod.names import label_errors, subdomain_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.scheduling import (
    affinity_errors,
    readiness_gates_errors,
    scheduling_gates_errors,
    tolerations_errors,
    topology_spread_errors,
)
from apiserver.api.validation.pod.security import (
    host_process_errors,
    linux_errors,
    pod_security_context_errors,
    windows_errors,
)
from apiserver.api.validation.pod.volumes import volumes_errors
from apiserver.api.validation.resources import is_huge_page, pod_resource_name_errors, requirements_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import legacy_ip_errors
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    go_value,
    invalid,
    not_supported,
    required,
    too_long,
)
from apiserver.apimachinery.faultless import Faultless
from apiserver.apimachinery.object_meta import labels_errors
from apiserver.apimachinery.objects import Object, annotations_of
from apiserver.apimachinery.quantity import parse

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")
OPERATING_SYSTEMS = ("linux", "windows")
MAX_NAMESERVERS, MAX_SEARCHES, MAX_SEARCH_CHARS = 3, 32, 2048  # libc's resolver
MAX_HOSTNAME = 64


def pod_spec_errors(spec: Object, path: str, options: PodOptions, pod: Object | None = None) -> Sequence[FieldError]:
    """`pod` is the whole pod when the spec is one's own; templates leave it out."""
    if not _stands_alone(spec):
        return list(_spec_errors(spec, path, options, pod))
    key = _FAULTLESS.key(spec, options.old, options.is_pod)
    if key in _FAULTLESS:
        return ()
    found = list(_spec_errors(spec, path, options, pod))
    if not found:
        _FAULTLESS.add(key)
    return found


_FAULTLESS = Faultless()


def _stands_alone(spec: Object) -> bool:
    """Nothing in the spec is judged by the pod's metadata: names of generated claims, annotations of static pods."""
    return not spec.get("resourceClaims") and not any("ephemeral" in volume for volume in spec.get("volumes") or ())


def _spec_errors(spec: Object, path: str, options: PodOptions, pod: Object | None) -> Iterator[FieldError]:
    if spec.get("terminationGracePeriodSeconds") is None:
        yield required(f"{path}.terminationGracePeriodSeconds")
    volumes: dict[str, Object] = {}
    if spec.get("volumes"):
        yield from volumes_errors(spec["volumes"], pod, f"{path}.volumes", options, volumes)
    claims = {claim["name"]: None for claim in spec.get("resourceClaims") or () if claim.get("name")}
    yield from _resource_claims_errors(spec.get("resourceClaims") or (), pod, f"{path}.resourceClaims")
    surroundings = Surroundings(spec, volumes, claims, options)
    yield from containers_errors(surroundings, f"{path}.containers")
    yield from init_containers_errors(surroundings, f"{path}.initContainers")
    yield from ephemeral_containers_errors(surroundings, f"{path}.ephemeralContainers")
    yield from _pod_resources_errors(spec, path, claims, options)
    yield from _host_network_errors(spec, path, options)
    yield from _policy_errors(spec.get("restartPolicy") or "", RESTART_POLICIES, f"{path}.restartPolicy")
    yield from _policy_errors(spec.get("dnsPolicy") or "", DNS_POLICIES, f"{path}.dnsPolicy")
    yield from labels_errors(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from pod_security_context_errors(spec, path, options)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, message)
    yield from affinity_errors(spec.get("affinity"), f"{path}.affinity", options)
    yield from _dns_config_errors(spec.get("dnsConfig"), spec.get("dnsPolicy"), f"{path}.dnsConfig")
    yield from readiness_gates_errors(spec.get("readinessGates") or [], f"{path}.readinessGates")
    yield from scheduling_gates_errors(spec.get("schedulingGates") or [], f"{path}.schedulingGates")
    constraints = spec.get("topologySpreadConstraints") or []
    yield from topology_spread_errors(constraints, f"{path}.topologySpreadConstraints", options)
    yield from host_process_errors(spec, path)
    yield from _host_users_errors(spec, path, options)
    yield from _hostname_override_errors(spec, f"{path}.hostnameOverride")
    yield from _names_errors(spec, path)
    if spec.get("tolerations"):
        yield from tolerations_errors(spec["tolerations"], f"{path}.tolerations", options)
    yield from _rest_errors(spec, path, options)
    yield from file_key_volumes_errors(spec, path)


def _policy_errors(policy: str, supported: tuple[str, ...], path: str) -> Iterator[FieldError]:
    if not policy:
        yield required(path)
    elif policy not in supported:
        yield not_supported(path, policy, supported)


def _resource_claims_errors(claims: Sequence[Object], pod: Object | None, path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        here, name = f"{path}[{i}]", claim.get("name") or ""
        if pod is not None and MIRROR_ANNOTATION in annotations_of(pod):
            yield field_forbidden("[]", "static pods do not support resource claims")
            continue
        if not name:
            yield required(f"{here}.name")
        elif name in seen:
            yield duplicate(f"{here}.name", name)
        else:
            yield from label_errors(name, f"{here}.name")
            seen.add(name)
        yield from _claim_source_errors(claim, here)


def _claim_source_errors(claim: Object, path: str) -> Iterator[FieldError]:
    fields = ("resourceClaimName", "resourceClaimTemplateName")
    given = [field for field in fields if claim.get(field) is not None]
    shown = {
        "Name": claim.get("name") or "",
        "ResourceClaimName": claim.get(fields[0]),
        "ResourceClaimTemplateName": claim.get(fields[1]),
    }
    if len(given) == 2:
        message = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
        yield invalid(path, shown, message)
    elif not given:
        yield invalid(path, shown, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
    for field in given:
        yield from subdomain_errors(claim[field], f"{path}.{field}")


def _pod_resources_errors(
    spec: Object, path: str, claims: dict[str, None], options: PodOptions
) -> Iterator[FieldError]:
    resources, here = spec.get("resources"), f"{path}.resources"
    if resources is None:
        return
    if sub(spec, "os").get("name") == "windows":
        yield field_forbidden(here, "may not be set for a windows pod")
        return
    if resources.get("claims") is not None:
        yield field_forbidden(f"{here}.claims", "claims may not be set for Resources at pod-level")
    yield from requirements_errors(
        resources, here, claims, names=pod_resource_name_errors, any_huge_pages=options.any_huge_pages
    )
    yield from _consistency_errors(spec, resources, here)


def _consistency_errors(spec: Object, resources: Object, path: str) -> Iterator[FieldError]:
    """Containers together stay within what the pod has."""
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    for name, total in aggregate(spec, "requests").items():
        if name in requests and total > parse(requests[name]):
            message = f"must be greater than or equal to aggregate container requests of {total}"
            yield invalid(f"{path}.requests[{name}]", str(parse(requests[name])), message)
    for name, total in aggregate(spec, "limits").items():
        if is_huge_page(name) and name in limits and total > parse(limits[name]):
            message = f"must be greater than or equal to aggregate container limits of {total}"
            yield invalid(f"{path}.limits[{name}]", str(parse(limits[name])), message)
    for i, container in enumerate(spec.get("containers") or ()):
        for name, text in sub(container, "resources", "limits").items():
            if name in limits and parse(text) > parse(limits[name]):
                message = f"must be less than or equal to pod limits of {parse(limits[name])}"
                yield invalid(f"{path}.containers[{i}][{name}].limits", str(parse(text)), message)


def _host_network_errors(spec: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not spec.get("hostNetwork"):
        return
    for i, container in enumerate(spec.get("containers") or ()):
        for j, port in enumerate(container.get("ports") or ()):
            host, own = port.get("hostPort") or 0, port.get("containerPort") or 0
            if (options.is_pod or host) and host != own:
                message = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{path}.containers[{i}].ports[{j}].hostPort", host, message)


def _dns_config_errors(config: Object | None, policy: str | None, path: str) -> Iterator[FieldError]:
    servers = (config or {}).get("nameservers") or []
    if policy == "None" and config is None:
        yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    if policy == "None" and not servers:
        message = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{path}.nameservers", message)
        return
    if config is None:
        return
    if len(servers) > MAX_NAMESERVERS:
        yield invalid(f"{path}.nameservers", servers, f"must not have more than {MAX_NAMESERVERS} nameservers")
    for i, server in enumerate(servers):
        yield from legacy_ip_errors(server, f"{path}.nameservers[{i}]")
    yield from _searches_errors(config.get("searches") or [], f"{path}.searches")
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield required(f"{path}.options[{i}]", "must not be empty")


def _searches_errors(searches: list[str], path: str) -> Iterator[FieldError]:
    if len(searches) > MAX_SEARCHES:
        yield invalid(path, searches, f"must not have more than {MAX_SEARCHES} search paths")
    if formats.byte_length(" ".join(searches)) > MAX_SEARCH_CHARS:
        message = f"must not have more than {MAX_SEARCH_CHARS} characters (including spaces) in the search list"
        yield invalid(path, searches, message)
    for i, search in enumerate(searches):
        if search != ".":
            plain = search.removesuffix(".")
            for message in formats.dns1123_subdomain_underscore(plain):
                yield invalid(f"{path}[{i}]", plain, message)


def _host_users_errors(spec: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if spec.get("hostUsers") is not False:
        return
    message = "when `hostUsers` is false"
    if spec.get("hostNetwork") and not options.host_network_with_user_namespace:
        yield field_forbidden(f"{path}.hostNetwork", message)
    if spec.get("hostPID"):
        yield field_forbidden(f"{path}.HostPID", message)
    if spec.get("hostIPC"):
        yield field_forbidden(f"{path}.HostIPC", message)
    if not options.devices_with_user_namespace:
        for container, here in with_paths(spec, path):
            if container.get("volumeDevices"):
                yield field_forbidden(f"{here}.volumeDevices", message)


def _hostname_override_errors(spec: Object, path: str) -> Iterator[FieldError]:
    override = spec.get("hostnameOverride")
    if override is None:
        return
    if spec.get("setHostnameAsFQDN"):
        yield field_forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork"):
        yield field_forbidden(path, "may not be specified when hostNetwork is true")
    if formats.byte_length(override) > MAX_HOSTNAME:
        yield too_long(path, MAX_HOSTNAME)
    yield from subdomain_errors(override, path)


def _names_errors(spec: Object, path: str) -> Iterator[FieldError]:
    account = spec.get("serviceAccountName") or ""
    if account:
        yield from subdomain_errors(account, f"{path}.serviceAccountName")
    old_account = spec.get("serviceAccount") or ""
    if old_account != account:
        message = f"must be the same as serviceAccountName: {go_value(account)}"
        yield invalid(f"{path}.deprecatedServiceAccount", old_account, message)
    if spec.get("nodeName"):
        yield from subdomain_errors(spec["nodeName"], f"{path}.nodeName")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= formats.MAX_INT32:
        yield invalid(f"{path}.activeDeadlineSeconds", deadline, formats.range_error(1, formats.MAX_INT32))
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from label_errors(spec[field], f"{path}.{field}")


def _rest_errors(spec: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        here = f"{path}.hostAliases[{i}]"
        yield from legacy_ip_errors(alias.get("ip") or "", f"{here}.ip")
        for j, hostname in enumerate(alias.get("hostnames") or ()):
            yield from subdomain_errors(hostname, f"{here}.hostnames[{j}]")
    if spec.get("priorityClassName"):
        yield from subdomain_errors(spec["priorityClassName"], f"{path}.priorityClassName")
    if spec.get("runtimeClassName") is not None:
        yield from subdomain_errors(spec["runtimeClassName"], f"{path}.runtimeClassName")
    if spec.get("preemptionPolicy") is not None:
        yield from _policy_errors(spec["preemptionPolicy"], PREEMPTION_POLICIES, f"{path}.preemptionPolicy")
    if spec.get("overhead") is not None:
        overhead = {"limits": spec["overhead"]}
        yield from requirements_errors(overhead, f"{path}.overhead", (), any_huge_pages=options.any_huge_pages)
    yield from _os_errors(spec, path)
    if spec.get("schedulingGroup") is not None:
        yield from _scheduling_group_errors(spec, f"{path}.schedulingGroup")


def _os_errors(spec: Object, path: str) -> Iterator[FieldError]:
    if spec.get("os") is None:
        return
    name = spec["os"].get("name") or ""
    if not name:
        yield required(f"{path}.os.name")
    elif name not in OPERATING_SYSTEMS:
        yield not_supported(f"{path}.os", name, OPERATING_SYSTEMS)
    elif name == "linux":
        yield from linux_errors(spec, path)
    else:
        yield from windows_errors(spec, path)


def _scheduling_group_errors(spec: Object, path: str) -> Iterator[FieldError]:
    name = spec["schedulingGroup"].get("podGroupName")
    if name is None:
        yield invalid(f"{path}.podGroupName", None, "must specify one of: `podGroupName`")
    else:
        yield from subdomain_errors(name, f"{path}.podGroupName")
    if spec.get("evictionResponders"):
        yield field_forbidden(path, "may not be set when evictionResponders is set")
