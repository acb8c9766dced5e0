"""What is not wrong with a pod, but worth a warning (upstream pkg/api/pod/warnings.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from apiserver.api.podspec.containers import sub, with_paths
from apiserver.api.podspec.quantities import quantity
from apiserver.api.validation.pod.profiles import (
    APP_ARMOR_ANNOTATION,
    SECCOMP_CONTAINER_ANNOTATION,
    SECCOMP_POD_ANNOTATION,
    app_armor_field,
)
from apiserver.api.validation.pod.scheduling import PREFERRED, REQUIRED
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import ip_warnings
from apiserver.apimachinery.errors import go_value
from apiserver.apimachinery.faultless import Faultless
from apiserver.apimachinery.objects import Object

DEPRECATED_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
DEPRECATED_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
DEPRECATED_VOLUMES = {
    "photonPersistentDisk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "gitRepo": ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    "scaleIO": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "flocker": ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "quobyte": ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
}
NULL_SELECTOR = "a null labelSelector results in matching no pod"


def pod_warnings(pod: Object) -> Sequence[str]:
    return spec_warnings(pod["spec"], pod["metadata"], "")


def template_warnings(template: Object, path: str) -> Sequence[str]:
    """Of a pod template at `path`."""
    return spec_warnings(template.get("spec") or {}, template.get("metadata") or {}, path + ".")


def spec_warnings(spec: Object, meta: Object, prefix: str) -> Sequence[str]:
    """`prefix` is "" for a pod, the template's path and a dot for a template."""
    annotations = meta.get("annotations") or {}
    key = _FAULTLESS.key(spec, annotations, bool(prefix))
    if key in _FAULTLESS:
        return ()
    found = list(_spec_warnings(spec, annotations, prefix))
    if not found:
        _FAULTLESS.add(key)
    return found


_FAULTLESS = Faultless()


def _spec_warnings(spec: Object, annotations: Mapping[str, str], prefix: str) -> Iterator[str]:
    path = f"{prefix}spec"
    yield from _label_warnings(spec, path)
    for key, message in DEPRECATED_ANNOTATIONS.items():
        if key in annotations:
            yield f"{prefix}metadata.annotations[{key}]: {message}"
    yield from _volume_warnings(spec.get("volumes") or (), f"{path}.volumes")
    yield from _overlap_warnings(spec.get("volumes") or ())
    yield from _duplicate_warnings(spec, path)
    yield from _fraction_warnings(spec.get("overhead") or {}, f"{path}.overhead")
    if sub(spec, "securityContext").get("seccompProfile") is None and SECCOMP_POD_ANNOTATION in annotations:
        yield _seccomp_warning(prefix, SECCOMP_POD_ANNOTATION)
    for container, here in with_paths(spec, path):
        yield from _container_warnings(spec, container, here, annotations, prefix)
    yield from _port_warnings(spec, path)
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        yield f"{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
    yield from _affinity_warnings(spec, path)
    for i, server in enumerate(sub(spec, "dnsConfig").get("nameservers") or ()):
        yield from ip_warnings(f"{path}.dnsConfig.nameservers[{i}]", server)
    for i, alias in enumerate(spec.get("hostAliases") or ()):
        yield from ip_warnings(f"{path}.hostAliases[{i}].ip", alias.get("ip") or "")


def _label_warnings(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in DEPRECATED_LABELS:
            yield f"{path}.nodeSelector[{key}]: {DEPRECATED_LABELS[key]}"
    affinity = sub(spec, "affinity", "nodeAffinity")
    for i, term in enumerate(sub(affinity, REQUIRED).get("nodeSelectorTerms") or ()):
        here = f"{path}.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms[{i}]"
        yield from node_term_warnings(term, here, values=False)
    for i, term in enumerate(affinity.get(PREFERRED) or ()):
        here = f"{path}.affinity.nodeAffinity.{PREFERRED}[{i}].preference"
        yield from node_term_warnings(term.get("preference") or {}, here, values=True)
    for i, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        here, key = f"{path}.topologySpreadConstraints[{i}]", constraint.get("topologyKey") or ""
        if key in DEPRECATED_LABELS:
            yield f"{here}.topologyKey: {key} is {DEPRECATED_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{here}.labelSelector: {NULL_SELECTOR}"


def node_term_warnings(term: Object, path: str, *, values: bool) -> Iterator[str]:
    for i, expression in enumerate(term.get("matchExpressions") or ()):
        here, key = f"{path}.matchExpressions[{i}]", expression.get("key") or ""
        if key in DEPRECATED_LABELS:
            yield f"{here}.key: {key} is {DEPRECATED_LABELS[key]}"
        for j, value in enumerate(expression.get("values") or () if values else ()):
            for message in formats.label_value(value):
                yield f"{here}.values[{j}]: {value} is invalid, {message}"


def _volume_warnings(volumes: Sequence[Object], path: str) -> Iterator[str]:
    for i, volume in enumerate(volumes):
        for field, (shown, message) in DEPRECATED_VOLUMES.items():
            if field == "cephfs":
                yield from _claim_warnings(volume, f"{path}[{i}]")
            if volume.get(field) is not None:
                yield f"{path}[{i}].{shown}: {message}"


def _claim_warnings(volume: Object, path: str) -> Iterator[str]:
    resources = sub(volume, "ephemeral", "volumeClaimTemplate", "spec", "resources")
    for side in ("requests", "limits"):
        amounts = resources.get(side) or {}
        if _is_fraction(amounts, "storage"):
            here = f"{path}.ephemeral.volumeClaimTemplate.spec.resources.{side}[storage]"
            yield _fraction(here, amounts["storage"])


def _is_fraction(amounts: Object, name: str) -> bool:
    return name in amounts and quantity(amounts, name).milli_value % 1000 != 0


def _fraction(path: str, text: str) -> str:
    return f"{path}: fractional byte value {go_value(text)} is invalid, must be an integer"


def _fraction_warnings(amounts: Object, path: str) -> Iterator[str]:
    for name in ("memory", "ephemeral-storage"):
        if _is_fraction(amounts, name):
            yield _fraction(f"{path}[{name}]", amounts[name])


def _duplicate_warnings(spec: Object, path: str) -> Iterator[str]:
    for field, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for i, item in enumerate(spec.get(field) or ()):
            value = item.get(key) or ""
            if value in seen:
                yield f"{path}.{field}[{i}].{key}: duplicate {key} {go_value(value)}"
            seen.add(value)
    for i, item in enumerate(spec.get("imagePullSecrets") or ()):
        if not item.get("name"):
            yield f'{path}.imagePullSecrets[{i}].name: invalid empty name ""'


def _seccomp_warning(prefix: str, key: str) -> str:
    return f'{prefix}metadata.annotations[{key}]: non-functional in v1.27+; use the "seccompProfile" field instead'


def _container_warnings(
    spec: Object, container: Object, path: str, annotations: Mapping[str, str], prefix: str
) -> Iterator[str]:
    name, context = container.get("name") or "", sub(container, "securityContext")
    if context.get("seccompProfile") is None and SECCOMP_CONTAINER_ANNOTATION + name in annotations:
        yield _seccomp_warning(prefix, SECCOMP_CONTAINER_ANNOTATION + name)
    key = APP_ARMOR_ANNOTATION + name
    if prefix and key in annotations and context.get("appArmorProfile") is None:
        profile = sub(spec, "securityContext").get("appArmorProfile")
        if profile is None or profile != app_armor_field(annotations[key]):
            yield f'{prefix}metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'
    for resource in ("memory", "ephemeral-storage"):
        for side in ("limits", "requests"):
            amounts = sub(container, "resources", side)
            if _is_fraction(amounts, resource):
                yield _fraction(f"{path}.resources.{side}[{resource}]", amounts[resource])
    yield from _env_warnings(container.get("env") or (), f"{path}.env")


def _env_warnings(variables: Sequence[Object], path: str) -> Iterator[str]:
    seen: set[str] = set()
    for i, variable in enumerate(variables):
        name, value = variable.get("name") or "", variable.get("value") or ""
        reference = f"$({name})"
        if name in seen and (variable.get("valueFrom") is not None or value == reference or reference not in value):
            yield f"{path}[{i}]: hides previous definition of {go_value(name)}, which may be dropped when using apply"
        seen.add(name)


def _port_warnings(spec: Object, path: str) -> Iterator[str]:
    ports = [
        (f"{here}.ports[{i}]", port)
        for container, here in with_paths(spec, path)
        for i, port in enumerate(container.get("ports") or ())
    ]
    by_number: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    for here, port in ports:
        if port.get("hostIP") and not port.get("hostPort"):
            yield f"{here}: hostIP set without hostPort: {_go_port(port)}"
        others = by_number.setdefault((port.get("containerPort") or 0, port.get("protocol") or ""), [])
        for other_path, other in others:
            if problem := _port_problem(port, other):
                yield f"{here}: {problem} port definition with {other_path}"
        others.append((here, port))
    by_name: dict[str, str] = {}
    for here, port in ports:
        name = port.get("name")
        if name and name in by_name:
            first = by_name[name]
            yield (
                f"{here}: duplicate port name {go_value(name)} with {first}, services and probes that select ports by "
                f"name will use {first}"
            )
        elif name:
            by_name[name] = here


def _go_port(port: Object) -> str:
    """As Go's %+v prints the internal type."""
    return (
        f"{{Name:{port.get('name') or ''} HostPort:{port.get('hostPort') or 0} "
        f"ContainerPort:{port.get('containerPort') or 0} Protocol:{port.get('protocol') or ''} "
        f"HostIP:{port.get('hostIP') or ''}}}"
    )


def _port_problem(port: Object, other: Object) -> str:
    host, other_host = port.get("hostPort") or 0, other.get("hostPort") or 0
    ip, other_ip = port.get("hostIP") or "", other.get("hostIP") or ""
    if (ip, host) == (other_ip, other_host):
        return "duplicate"
    if not host or not other_host:
        return "overlapping"
    return "dangerously ambiguous" if host == other_host and bool(ip) != bool(other_ip) else ""


def _affinity_warnings(spec: Object, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity, here = sub(spec, "affinity", kind), f"{path}.affinity.{kind}"
        for i, term in enumerate(affinity.get(REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{here}.{REQUIRED}[{i}].labelSelector: {NULL_SELECTOR}"
        for i, weighted in enumerate(affinity.get(PREFERRED) or ()):
            if sub(weighted, "podAffinityTerm").get("labelSelector") is None:
                yield f"{here}.{PREFERRED}[{i}].podAffinityTerm.labelSelector: {NULL_SELECTOR}"


class _Target(NamedTuple):
    """A file in a volume, and what it comes from."""

    path: str
    source: str

    def __str__(self) -> str:
        return f"{go_value(self.path)} ({self.source})" if self.source else go_value(self.path)


def _overlap_warnings(volumes: Sequence[Object]) -> Iterator[str]:
    for volume in volumes:
        for field, shown, name_field in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
            source = volume.get(field) or {}
            if source.get("items"):
                described = f"{shown} {go_value(source.get(name_field) or '')}"
                yield from _overlaps(volume, described, _targets(source["items"], ""))
        if sub(volume, "downwardAPI").get("items"):
            yield from _overlaps(volume, "DownwardAPI", _targets(volume["downwardAPI"]["items"], ""))
        if volume.get("projected") is not None:
            yield from _projected_overlaps(volume)


def _targets(items: Sequence[Object], source: str) -> list[_Target]:
    return [_Target(item.get("path") or "", source) for item in items]


def _projected_overlaps(volume: Object) -> Iterator[str]:
    targets: list[_Target] = []
    for part in volume["projected"].get("sources") or ():
        if not any(value is not None for value in part.values()):
            yield f"volume {go_value(volume.get('name') or '')} (Projected) has no sources provided"
            continue
        for target in _part_targets(part):
            yield from _collisions(volume, "Projected", targets, target)
            targets.append(target._replace(path=target.path.rstrip("/")))


def _part_targets(part: Object) -> list[_Target]:
    for field, shown in (("configMap", "ConfigMap"), ("secret", "Secret")):
        if sub(part, field).get("items"):
            return _targets(part[field]["items"], f"{shown} {go_value(part[field].get('name') or '')}")
    if sub(part, "downwardAPI").get("items"):
        return _targets(part["downwardAPI"]["items"], "DownwardAPI")
    if part.get("serviceAccountToken") is not None:
        return [_Target(part["serviceAccountToken"].get("path") or "", "ServiceAccountToken")]
    bundle, certificate = part.get("clusterTrustBundle"), part.get("podCertificate") or {}
    if bundle is not None:
        name = bundle["name"] if bundle.get("name") is not None else bundle.get("signerName") or ""
        return [_Target(bundle.get("path") or "", f"ClusterTrustBundle {go_value(name)}")]
    fields = {"certificateChainPath": "chain", "keyPath": "key", "credentialBundlePath": "credential bundle"}
    return [_Target(certificate[f], f"PodCertificate {word}") for f, word in fields.items() if certificate.get(f)]


def _overlaps(volume: Object, described: str, targets: Sequence[_Target]) -> Iterator[str]:
    seen: list[_Target] = []
    for target in targets:
        yield from _collisions(volume, described, seen, target)
        seen.append(target._replace(path=target.path.rstrip("/")))


def _collisions(volume: Object, described: str, seen: Sequence[_Target], target: _Target) -> Iterator[str]:
    target = target._replace(path=target.path.rstrip("/"))
    if not target.path:
        return
    for other in seen:
        below = f"{other.path}/".startswith(f"{target.path}/") or f"{target.path}/".startswith(f"{other.path}/")
        if other.path and below:
            yield f"volume {go_value(volume.get('name') or '')} ({described}): overlapping paths: {target} with {other}"
