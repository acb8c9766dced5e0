"""A container's environment, and `$(NAME)` in its command (upstream makeEnvironmentVariables, third_party/forked/golang/expansion)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from apiserver.apimachinery.objects import Object, annotations_of, get, labels_of
from apiserver.apimachinery.quantity import Quantity, parse
from kubelet.node import facts

_EXPANSION = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")
_DECIMAL_DIVISOR, _ONE = "0", "1"


class ConfigError(Exception):
    """The container's configuration cannot be made; the text is upstream's."""


class Sources(Protocol):
    """Where values come from. None for an object that is not there."""

    async def config_map(self, namespace: str, name: str) -> Object | None: ...

    async def secret(self, namespace: str, name: str) -> Object | None: ...


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)`; `$$` is a dollar, an unknown name stays as written."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return "$"
        return values.get(name, match.group(0))

    return _EXPANSION.sub(replace, text) if "$" in text else text


def variables_of(text: str) -> list[str]:
    """The names that `expand` looks up."""
    return [match.group(1) for match in _EXPANSION.finditer(text) if match.group(1) is not None]


def expand_all(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    return [expand(word, values) for word in words]


async def environment(
    pod: Object,
    container: dict[str, Any],
    sources: Sources,
    *,
    pod_ips: Sequence[str],
    host_ips: Sequence[str],
    allocatable: Mapping[str, str],
    services: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Every variable of a container. Raises ConfigError for what is missing, StatusError when the API refuses."""
    values: dict[str, str] = {}
    namespace = pod["metadata"].get("namespace", "")
    services = services or {}
    for source in container.get("envFrom") or ():
        data = await _whole(source, namespace, sources)
        prefix = source.get("prefix") or ""
        values |= {prefix + key: value for key, value in data.items()}
    for variable in container.get("env") or ():
        name, value, origin = variable["name"], variable.get("value") or "", variable.get("valueFrom")
        if value:
            values[name] = expand(value, {**services, **values})
            continue
        if not origin:
            values[name] = ""
            continue
        found = await _from(origin, pod, container, sources, pod_ips, host_ips, allocatable)
        if found is not None:
            values[name] = found
    return {**services, **values}


def _text(data: Mapping[str, str], *, is_secret: bool) -> dict[str, str]:
    if not is_secret:
        return dict(data)
    return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}


async def _whole(source: dict[str, Any], namespace: str, sources: Sources) -> dict[str, str]:
    is_secret = "secretRef" in source
    reference = source.get("secretRef") or source.get("configMapRef") or {}
    name = reference.get("name") or ""
    obj = await (sources.secret if is_secret else sources.config_map)(namespace, name)
    if obj is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{"secret" if is_secret else "configmap"} "{name}" not found')
    return _text(obj.get("data") or {}, is_secret=is_secret)


async def _from(
    origin: dict[str, Any],
    pod: Object,
    container: dict[str, Any],
    sources: Sources,
    pod_ips: Sequence[str],
    host_ips: Sequence[str],
    allocatable: Mapping[str, str],
) -> str | None:
    """None: an optional value that is not there."""
    if reference := origin.get("fieldRef"):
        return field_value(pod, reference["fieldPath"], pod_ips=pod_ips, host_ips=host_ips)
    if reference := origin.get("resourceFieldRef"):
        return resource_value(pod, container, reference, allocatable)
    is_secret = "secretKeyRef" in origin
    reference = origin.get("secretKeyRef") or origin.get("configMapKeyRef")
    if reference is None:
        raise ConfigError("couldn't parse env file")
    namespace, name, key = pod["metadata"].get("namespace", ""), reference.get("name") or "", reference["key"]
    obj = await (sources.secret if is_secret else sources.config_map)(namespace, name)
    if obj is None:
        if reference.get("optional"):
            return None
        raise ConfigError(f'{"secret" if is_secret else "configmap"} "{name}" not found')
    data = _text(obj.get("data") or {}, is_secret=is_secret)
    if key not in data:
        if reference.get("optional"):
            return None
        kind = "Secret" if is_secret else "ConfigMap"
        raise ConfigError(f"couldn't find key {key} in {kind} {namespace}/{name}")
    return data[key]


def field_value(pod: Object, path: str, *, pod_ips: Sequence[str] = (), host_ips: Sequence[str] = ()) -> str:
    """A field of the pod as the downward API shows it. Raises ConfigError."""
    match = _SUBSCRIPT.fullmatch(path)
    if match is not None:
        of = labels_of(pod) if match.group(1) == "labels" else annotations_of(pod)
        return of.get(match.group(2), "")
    if path in ("metadata.labels", "metadata.annotations"):
        of = labels_of(pod) if path.endswith("labels") else annotations_of(pod)
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(of.items()))
    addresses = {
        "status.podIP": pod_ips[:1],
        "status.podIPs": pod_ips,
        "status.hostIP": host_ips[:1],
        "status.hostIPs": host_ips,
    }
    if path in addresses:
        return ",".join(addresses[path])
    if path in ("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"):
        return str(get(pod, *path.split("."), default=""))
    raise ConfigError(f"unsupported fieldPath: {path}")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def resource_value(
    pod: Object, container: dict[str, Any], reference: dict[str, Any], allocatable: Mapping[str, str]
) -> str:
    """A request or limit; a limit that is not set is what the node offers. Raises ConfigError."""
    name = reference.get("containerName")
    asked = facts.container_named(pod, name) if name else container
    if asked is None:
        raise ConfigError(f"container {name} not found")
    kind, _, resource = reference["resource"].partition(".")
    listed = (asked.get("resources") or {}).get(kind) or {}
    amount = parse(str(listed.get(resource) or "0"))
    if not amount and kind == "limits":
        amount = parse(str(allocatable.get(resource, "0")))
    divisor = str(reference.get("divisor") or _DECIMAL_DIVISOR)
    return str(_divided(amount, parse(_ONE if divisor == "0" else divisor)))


def _divided(amount: Quantity, divisor: Quantity) -> int:
    """Rounded up (upstream convertResourceCPUToString and its siblings)."""
    return -(-amount.scaled_value(-3) // divisor.scaled_value(-3))
