"""What is valid in a Node (upstream pkg/apis/core/validation ValidateNode, ValidateNodeUpdate and their relations)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.go_json import cannot_unmarshal, read_core_list, read_object
from apiserver.api.validation.internal import internal
from apiserver.api.validation.resources import quantity_value_errors
from apiserver.apimachinery import formats, quantity
from apiserver.apimachinery.addresses import legacy_cidr_errors, parse_cidr_sloppy
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_internal_error,
    go_quote,
    invalid,
    not_supported,
    required,
)
from apiserver.apimachinery.objects import Object, annotations_of, get

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
POD_CIDR_FIXED = 'node updates may not change podCIDR except from "" to valid'
TAINTS = "scheduler.alpha.kubernetes.io/taints"
AVOID = "scheduler.alpha.kubernetes.io/preferAvoidPods"
MAX_FEATURE = 253
_FEATURE = re.compile(r"[A-Z][a-zA-Z0-9]*(?:/[a-zA-Z][a-zA-Z0-9]*)*")
FEATURE_WRONG = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
    "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)


def taints_errors(taints: Iterable[Object], path: str) -> Iterator[FieldError]:
    seen: list[tuple[str, str]] = []
    for i, taint in enumerate(taints):
        here, key, effect = f"{path}[{i}]", taint.get("key") or "", taint.get("effect") or ""
        for message in formats.qualified_name(key):
            yield invalid(f"{here}.key", key, message)
        messages = list(formats.label_value(taint.get("value") or ""))
        if messages:
            yield invalid(f"{here}.value", taint["value"], ";".join(messages))
        if not effect:
            yield required(f"{here}.effect")
        elif effect not in EFFECTS:
            yield not_supported(f"{here}.effect", effect, EFFECTS)
        if (key, effect) in seen:
            text = duplicate(here, internal(taint, "Taint")).text
            yield FieldError("FieldValueDuplicate", here, f"{text}: taints must be unique by key and effect pair")
        seen.append((key, effect))


def annotations_errors(node: Object) -> Iterator[FieldError]:
    """Two alpha annotations are JSON, and read when they are there."""
    annotations = annotations_of(node)
    if annotations.get(TAINTS):
        taints, problem = read_core_list(annotations[TAINTS], "Taint")
        if problem:
            yield invalid("metadata.annotations", TAINTS, problem)
        yield from taints_errors(taints, f"metadata.annotations.{TAINTS}")
    if annotations.get(AVOID):
        entries, problem = _entries(annotations[AVOID])
        if problem:
            yield invalid("metadata.annotations.AvoidPods", AVOID, problem)
        for i, entry in enumerate(entries):
            here = f"metadata.annotations.{AVOID}[{i}].PodSignature"
            controller = get(entry, "podsignature", "podcontroller")
            if controller is None:
                yield required(here)
            elif not controller.get("controller"):
                yield invalid(f"{here}.PodController.Controller", False, "must point to a controller")


# Where an entry of AvoidPods has its parts, and what Go calls them.
_AVOID_PARTS = (
    ("", "AvoidPods.preferAvoidPods of type v1.PreferAvoidPodsEntry"),
    ("podsignature", "PreferAvoidPodsEntry.preferAvoidPods.podSignature of type v1.PodSignature"),
    ("podcontroller", "PodSignature.preferAvoidPods.podSignature.podController of type v1.OwnerReference"),
)


def _entries(text: str) -> tuple[list[Object], str]:
    """Of an AvoidPods, which no document describes: with keys in lower case, for Go takes them in any; and why there are none."""
    avoid, problem = read_object(text, "v1.AvoidPods")
    entries = (_lowered(avoid) or {}).get("preferavoidpods")
    if entries is not None and not isinstance(entries, list):
        field = "AvoidPods.preferAvoidPods of type []v1.PreferAvoidPodsEntry"
        problem = cannot_unmarshal(entries, f"Go struct field {field}")
    for entry in entries or () if not problem else ():
        part = entry
        for key, field in _AVOID_PARTS:
            part = part.get(key) if key else part
            if part is None:
                break
            if not isinstance(part, dict):
                return [], cannot_unmarshal(part, f"Go struct field {field}")
    return ([], problem) if problem else (entries or [], "")


def _lowered(value: Any) -> Any:
    if isinstance(value, list):
        return [_lowered(item) for item in value]
    return {key.lower(): _lowered(item) for key, item in value.items()} if isinstance(value, dict) else value


def resources_errors(node: Object) -> Iterator[FieldError]:
    for side in ("capacity", "allocatable"):
        for name, amount in (get(node, "status", side) or {}).items():
            yield from quantity_value_errors(name, quantity.parse(amount), f"status.{side}.{name}")


def swap_errors(node: Object) -> Iterator[FieldError]:
    capacity = get(node, "status", "nodeInfo", "swap", "capacity")
    if capacity is not None and capacity <= 0:
        yield invalid("metadata.nodeSwapStatus.capacity", capacity, "must be greater than zero")


def declared_features_errors(node: Object) -> Iterator[FieldError]:
    """Sorted, each once."""
    features, path = get(node, "status", "declaredFeatures") or [], "status.declaredFeatures"
    for i, feature in enumerate(features):
        wrong = "" if _FEATURE.fullmatch(feature) else FEATURE_WRONG
        if len(feature.encode()) > MAX_FEATURE:
            wrong = f"must be no more than {MAX_FEATURE} characters"
        if wrong:
            yield invalid(f"{path}[{i}]", feature, f"invalid feature name {go_quote(feature)}: {wrong}")
        following = features[i + 1 : i + 2]
        if following == [feature]:
            yield duplicate(f"{path}[{i + 1}]", feature)
        elif following and feature > following[0]:
            yield invalid(f"{path}[{i + 1}]", following[0], "list must be sorted alphabetically")


def pod_cidrs_errors(cidrs: list[str]) -> Iterator[FieldError]:
    path = "spec.podCIDRs"
    for i, cidr in enumerate(cidrs):
        yield from legacy_cidr_errors(cidr, f"{path}[{i}]")
    if len(cidrs) < 2:
        return
    parsed = [parse_cidr_sloppy(cidr) for cidr in cidrs]
    if None in parsed:
        i = parsed.index(None)
        why = f"invalid CIDR[{i}]: <nil> (invalid CIDR address: {cidrs[i]})"
        yield field_internal_error(path, f"invalid PodCIDRs. failed to check with dual stack with error:{why}")
    families = {cidr.network.version for cidr in parsed if cidr is not None}
    if len(cidrs) > 2 or len(families) < 2 or None in parsed:
        yield invalid(path, cidrs, "may specify no more than one CIDR for each IP family")


def update_errors(node: Object, old: Object) -> Iterator[FieldError]:
    """Upstream ValidateNodeUpdate."""
    yield from metadata_update_errors(node, old)
    yield from annotations_errors(node)
    yield from resources_errors(node)
    yield from declared_features_errors(node)
    yield from _addresses_errors(get(node, "status", "addresses") or ())
    spec, before = node.get("spec") or {}, old.get("spec") or {}
    yield from _pod_cidrs_change_errors(spec.get("podCIDRs") or [], before.get("podCIDRs") or [])
    if before.get("providerID") and spec.get("providerID") != before["providerID"]:
        change = "modified" if spec.get("providerID") else "cleared"
        yield invalid("spec.providerID", None, f"field cannot be {change} once set")
    if spec.get("configSource") is not None:
        yield from _config_source_errors(spec["configSource"], "spec.configSource", in_status=False)
    for field in ("assigned", "active", "lastKnownGood"):
        source = get(node, "status", "config", field)
        if source is not None:
            yield from _config_source_errors(source, f"status.config.{field}", in_status=True)
    yield from taints_errors(spec.get("taints") or (), "metadata.taints")
    if (spec.get("externalID") or "") != (before.get("externalID") or ""):
        yield field_forbidden("spec.externalID", "may not be updated")


def _addresses_errors(addresses: Iterable[Object]) -> Iterator[FieldError]:
    seen: list[Object] = []
    for i, address in enumerate(addresses):
        shown = internal(address, "NodeAddress")
        if shown in seen:
            yield duplicate(f"status.addresses[{i}]", shown)
        seen.append(shown)


def _pod_cidrs_change_errors(cidrs: list[str], before: list[str]) -> Iterator[FieldError]:
    if before and len(cidrs) != len(before):
        yield field_forbidden("spec.podCIDRs", POD_CIDR_FIXED)
    elif before:
        for ours, theirs in zip(cidrs, before, strict=True):
            if ours != theirs:
                yield field_forbidden("spec.podCIDRs", POD_CIDR_FIXED)


def _config_source_errors(source: Object, path: str, *, in_status: bool) -> Iterator[FieldError]:
    """Upstream validateNodeConfigSourceSpec and validateNodeConfigSourceStatus, kept for objects that have one."""
    config_map, here = source.get("configMap"), f"{path}.configMap"
    if config_map is None:
        yield invalid(path, internal(source, "NodeConfigSource"), "exactly one reference subfield must be non-nil")
        return
    for field in ("uid", "resourceVersion"):
        if in_status and not config_map.get(field):
            yield required(f"{here}.{field}")
        elif not in_status and config_map.get(field):
            yield field_forbidden(f"{here}.{field}", f"{field} must not be set in spec")
    for field, check in (("namespace", formats.label_name), ("name", formats.subdomain_name)):
        value = config_map.get(field) or ""
        if not value:
            yield required(f"{here}.{field}")
        for message in check(value, False) if value else ():
            yield invalid(f"{here}.{field}", value, message)
    key = config_map.get("kubeletConfigKey") or ""
    if not key:
        yield required(f"{here}.kubeletConfigKey")
    for message in formats.config_map_key(key) if key else ():
        yield invalid(f"{here}.kubeletConfigKey", key, message)
