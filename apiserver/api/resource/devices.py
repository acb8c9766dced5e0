"""What a ResourceSlice offers: devices, what they have, and counters that several devices draw on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from apiserver.api.resource.capacities import capacity_errors
from apiserver.api.resource.names import (
    MAX_CONSUMPTIONS,
    MAX_COUNTER_SETS,
    MAX_KEY,
    driver_errors,
    items_errors,
    label_errors,
    map_errors,
    no_errors,
    pool_errors,
    qualified_name_errors,
    set_errors,
    slice_errors,
)
from apiserver.api.resource.taints import binding_conditions_errors, taint_errors
from apiserver.api.validation.internal import internal
from apiserver.api.validation.pod.names import subdomain_errors
from apiserver.api.validation.pod.scheduling import node_selector_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, required, too_long
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get

MAX_DEVICES, MAX_ADVANCED_DEVICES = 128, 64
MAX_COUNTERS = 32
MAX_ATTRIBUTES, MAX_ATTRIBUTE_VALUES, MAX_VALUE = 32, 48, 64
MAX_TAINTS = 16
TRUE_OR_UNSET = "must be either unset or set to true"
SELECTIONS = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
ONE_SELECTION = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
ONE_DEVICE_SELECTION = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
NO_DEVICE_SELECTION = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)

_NUMBER = r"(0|[1-9]\d*)"
_PRE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD = "[0-9a-zA-Z-]+"
_semver = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+{_BUILD}(\.{_BUILD})*)?", re.ASCII
).fullmatch


def spec_errors(spec: Object, old: Object | None, path: str = "spec") -> Iterator[FieldError]:
    """Upstream validateResourceSliceSpec."""
    pool = spec.get("pool") or {}
    yield from driver_errors(spec.get("driver") or "", f"{path}.driver")
    yield from _pool_errors(pool, f"{path}.pool")
    if old is not None:
        for field in (("pool", "name"), ("driver",), ("nodeName",)):
            if get(spec, *field) != get(old, *field):
                yield invalid(f"{path}.{'.'.join(field)}", get(spec, *field), IMMUTABLE)
    yield from _selection_errors(spec, path)
    devices, counters = spec.get("devices"), spec.get("sharedCounters")
    if devices is not None and counters is not None:
        yield invalid(path, "", "only one of `sharedCounters` or `devices` is allowed")
    yield from _devices_errors(spec, old, f"{path}.devices")
    yield from items_errors(counters or [], MAX_COUNTER_SETS, _counters_errors, f"{path}.sharedCounters")


def _name(item: Object) -> str:
    return item.get("name") or ""


def _pool_errors(pool: Object, path: str) -> Iterator[FieldError]:
    yield from pool_errors(_name(pool), f"{path}.name")
    count, generation = pool.get("resourceSliceCount") or 0, pool.get("generation") or 0
    if count <= 0:
        yield invalid(f"{path}.resourceSliceCount", count, "must be greater than zero")
    if generation < 0:
        yield invalid(f"{path}.generation", generation, "must be greater than or equal to zero")


def _selection_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """On which nodes the devices are: said once."""
    node, selector = spec.get("nodeName"), spec.get("nodeSelector")
    if node == "":
        yield invalid(f"{path}.nodeName", node, "must be either unset or set to a non-empty string")
    elif node is not None:
        yield from subdomain_errors(node, f"{path}.nodeName")
    if selector is not None:
        yield from node_selector_errors(selector, f"{path}.nodeSelector")
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            here = f"{path}.nodeSelector.nodeSelectorTerms"
            yield invalid(
                here, internal(terms or None, "[]NodeSelectorTerm"), "must have exactly one node selector term"
            )
    for field in SELECTIONS[2:]:
        if spec.get(field) is False:
            yield invalid(f"{path}.{field}", False, TRUE_OR_UNSET)
    chosen = [f"`{field}`" for field in SELECTIONS if spec.get(field) not in (None, "", False)]
    if not chosen:
        yield required(path, ONE_SELECTION)
    elif len(chosen) > 1:
        yield invalid(path, f"{{{', '.join(chosen)}}}", f"{ONE_SELECTION}, but multiple fields are set")


def _devices_errors(spec: Object, old: Object | None, path: str) -> Iterator[FieldError]:
    devices, before = spec.get("devices") or [], get(old or {}, "devices", default=())
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    known: dict[str, Object] = {}
    for device in before:
        known.setdefault(_name(device), device)

    def check(device: Object, here: str) -> Iterator[FieldError]:
        return _device_errors(device, known.get(_name(device)), here, bool(spec.get("perDeviceNodeSelection")))

    yield from set_errors(devices, MAX_ADVANCED_DEVICES if advanced else MAX_DEVICES, check, _name, path, shown=_name)


def _counters_errors(counters: Object, path: str) -> Iterator[FieldError]:
    items = counters.get("counters") or {}
    yield from map_errors(items, MAX_COUNTERS, no_errors, no_errors, f"{path}.counters", formats.LABEL_MAX)


def _device_errors(device: Object, old: Object | None, path: str, chooses_nodes: bool) -> Iterator[FieldError]:
    yield from label_errors(_name(device), f"{path}.name")
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if (count := len(attributes) + len(capacity)) > MAX_ATTRIBUTES:
        yield invalid(path, count, f"the total number of attributes and capacities must not exceed {MAX_ATTRIBUTES}")
    if len(attributes) > MAX_ATTRIBUTE_VALUES:
        detail = f"the total number of attribute values must not exceed {MAX_ATTRIBUTE_VALUES}"
        yield invalid(path, len(attributes), detail)
    name_errors, longest = qualified_name_errors, MAX_KEY
    yield from map_errors(attributes, None, name_errors, _attribute_errors, f"{path}.attributes", longest)
    if old is None or (old.get("capacity") or {}) != capacity:
        check = partial(capacity_errors, shared=bool(device.get("allowMultipleAllocations")))
        yield from map_errors(capacity, None, name_errors, check, f"{path}.capacity", longest)
    taints = device.get("taints") or []
    if old is None or (old.get("taints") or []) != taints:
        yield from slice_errors(taints, MAX_TAINTS, taint_errors, f"{path}.taints")
    consumed = device.get("consumesCounters") or []
    yield from items_errors(consumed, MAX_CONSUMPTIONS, _counters_errors, f"{path}.consumesCounters")
    yield from (_device_selection_errors if chooses_nodes else _no_selection_errors)(device, path)
    yield from binding_conditions_errors(device, path)


def _no_selection_errors(device: Object, path: str) -> Iterator[FieldError]:
    if any(device.get(field) is not None for field in SELECTIONS[:3]):
        yield invalid(path, None, NO_DEVICE_SELECTION)


def _device_selection_errors(device: Object, path: str) -> Iterator[FieldError]:
    node, selector = device.get("nodeName"), device.get("nodeSelector")
    if node == "":
        yield invalid(f"{path}.nodeName", node, "must not be empty")
    elif node is not None:
        yield from subdomain_errors(node, f"{path}.nodeName")
    if selector is not None:
        yield from node_selector_errors(selector, f"{path}.nodeSelector")
    if device.get("allNodes") is False:
        yield invalid(f"{path}.allNodes", False, TRUE_OR_UNSET)
    chosen = [f"`{field}`" for field in SELECTIONS[:3] if device.get(field) not in (None, "", False)]
    if not chosen:
        yield required(path, ONE_DEVICE_SELECTION)
    elif len(chosen) > 1:
        yield invalid(path, f"{{{', '.join(chosen)}}}", ONE_DEVICE_SELECTION)


def _attribute_errors(attribute: Object, path: str) -> Iterator[FieldError]:
    text, version = attribute.get("string"), attribute.get("version")
    if text is not None and formats.byte_length(text) > MAX_VALUE:
        yield too_long(f"{path}.string", MAX_VALUE)
    if version is not None:
        if not _semver(version):
            yield invalid(f"{path}.version", version, "must be a string compatible with semver.org spec 2.0.0")
        if formats.byte_length(version) > MAX_VALUE:
            yield too_long(f"{path}.version", MAX_VALUE)
