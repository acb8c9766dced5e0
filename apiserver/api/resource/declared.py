"""What upstream declares at the types of resource.k8s.io (v1 zz_generated.validations.go): told after all written checks.

The walk is one of its own: it goes on where the written checks stop, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from apiserver.api.resource.names import (
    ATTRIBUTE_KINDS,
    MAX_ALTERNATIVES,
    MAX_BINDING_CONDITIONS,
    MAX_CONFIGS,
    MAX_CONSTRAINTS,
    MAX_CONSUMPTIONS,
    MAX_COUNTER_SETS,
    MAX_REQUESTS,
    MAX_SELECTORS,
    Check,
    declared_driver_errors,
    declared_long_name_errors,
    declared_pool_errors,
    declared_short_name_errors,
    fully_qualified_errors,
    itself,
    no_errors,
    uuid_errors,
)
from apiserver.apimachinery import formats
from apiserver.apimachinery.decoding.exact import encode
from apiserver.apimachinery.decoding.types import struct_type
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from apiserver.apimachinery.object_meta import label_key_errors
from apiserver.apimachinery.objects import Object, get

T = TypeVar("T")

EFFECTS = ("NoExecute", "NoSchedule", "None")
OPERATORS = ("Equal", "Exists")
MODES = ("All", "ExactCount")
SOURCES = ("FromClaim", "FromClass")
MAX_RESERVED, MAX_RESULTS, MAX_IPS, MAX_INTERFACE, MAX_HARDWARE = 256, 32, 16, 256, 128


def list_errors(
    items: Sequence[T],
    maximum: int | None,
    path: str,
    check: Check[T] = no_errors,
    key: Callable[[T], Any] | None = None,
    kind: str = "",
) -> Iterator[FieldError]:
    """How many there may be, which there are twice, and each one's; of a list that is too long only that.

    `kind` is the type as which Go writes one that is there twice; texts need none.
    """
    if maximum is not None and len(items) > maximum:
        yield too_many(path, len(items), maximum)
        return
    identities = [] if key is None else [key(item) for item in items]
    for i, identity in enumerate(identities):
        if identity in identities[:i]:
            yield duplicate(f"{path}[{i}]", _as_go_writes(items[i], kind))
    for i, item in enumerate(items):
        yield from check(item, f"{path}[{i}]")


def _as_go_writes(item: Any, kind: str) -> Any:
    return encode(struct_type(f"io.k8s.api.resource.v1.{kind}"), item) if kind else item


def _name(item: Object) -> str:
    return item.get("name") or ""


def _enum_errors(value: str, path: str, values: Sequence[str]) -> Iterator[FieldError]:
    if value and value not in values:
        yield not_supported(path, value, values)


def _uid(consumer: Object) -> str:
    return consumer.get("uid") or ""


def _counter_set(consumption: Object) -> str:
    return consumption.get("counterSet") or ""


# Claims


def claim_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Of a ResourceClaimSpec."""
    devices, path = spec.get("devices") or {}, f"{path}.devices"
    yield from list_errors(
        devices.get("requests") or [], MAX_REQUESTS, f"{path}.requests", _request_errors, _name, "DeviceRequest"
    )
    constraints, configs = devices.get("constraints") or [], devices.get("config") or []
    yield from list_errors(constraints, MAX_CONSTRAINTS, f"{path}.constraints", _constraint_errors)
    yield from list_errors(configs, MAX_CONFIGS, f"{path}.config", _claim_config_errors)


def _request_errors(request: Object, path: str) -> Iterator[FieldError]:
    if request.get("exactly") is not None:
        yield from _ask_errors(request["exactly"], f"{path}.exactly")
    alternatives = request.get("firstAvailable") or []
    yield from list_errors(
        alternatives, MAX_ALTERNATIVES, f"{path}.firstAvailable", _alternative_errors, _name, "DeviceSubRequest"
    )


def _alternative_errors(ask: Object, path: str) -> Iterator[FieldError]:
    device_class = ask.get("deviceClassName") or ""
    if not device_class:
        yield required(f"{path}.deviceClassName")
    else:
        yield from declared_long_name_errors(device_class, f"{path}.deviceClassName")
    yield from _ask_errors(ask, path)


def _ask_errors(ask: Object, path: str) -> Iterator[FieldError]:
    yield from list_errors(ask.get("selectors") or [], MAX_SELECTORS, f"{path}.selectors")
    yield from _enum_errors(ask.get("allocationMode") or "", f"{path}.allocationMode", MODES)
    yield from list_errors(ask.get("tolerations") or [], None, f"{path}.tolerations", _toleration_errors)


def _toleration_errors(toleration: Object, path: str) -> Iterator[FieldError]:
    if toleration.get("key"):
        yield from label_key_errors(toleration["key"], f"{path}.key")
    operator = toleration.get("operator") or ""
    if not operator:
        yield required(f"{path}.operator")
    yield from _enum_errors(operator, f"{path}.operator", OPERATORS)
    yield from _enum_errors(toleration.get("effect") or "", f"{path}.effect", EFFECTS)


def _constraint_errors(constraint: Object, path: str) -> Iterator[FieldError]:
    yield from _references_errors(constraint, path)
    for field in ("matchAttribute", "distinctAttribute"):
        if constraint.get(field) is not None:
            yield from fully_qualified_errors(constraint[field], f"{path}.{field}")


def _references_errors(holder: Object, path: str) -> Iterator[FieldError]:
    return list_errors(holder.get("requests") or [], MAX_REQUESTS, f"{path}.requests", key=itself)


def _claim_config_errors(config: Object, path: str) -> Iterator[FieldError]:
    yield from _references_errors(config, path)
    yield from _configuration_errors(config, path)


def _configuration_errors(config: Object, path: str) -> Iterator[FieldError]:
    if config.get("opaque") is not None:
        yield from declared_driver_errors(config["opaque"].get("driver") or "", f"{path}.opaque.driver")


# What was given


def status_errors(claim: Object, old: Object, device_key: Callable[[Object], Any]) -> Iterator[FieldError]:
    """Of a ResourceClaimStatus; what was given once stays as it is."""
    status, before = claim.get("status") or {}, get(old, "status", "allocation")
    allocation = status.get("allocation")
    if allocation is not None and before is None:
        yield from _allocation_errors(allocation.get("devices") or {}, "status.allocation.devices")
    elif allocation is not None and allocation != before:
        yield invalid("status.allocation", None, "field cannot be modified once set")
    reserved, devices = status.get("reservedFor") or [], status.get("devices") or []
    yield from list_errors(
        reserved, MAX_RESERVED, "status.reservedFor", key=_uid, kind="ResourceClaimConsumerReference"
    )
    yield from list_errors(devices, None, "status.devices", _device_status_errors, device_key, "AllocatedDeviceStatus")


def _allocation_errors(devices: Object, path: str) -> Iterator[FieldError]:
    yield from list_errors(devices.get("results") or [], MAX_RESULTS, f"{path}.results", _result_errors)
    yield from list_errors(devices.get("config") or [], 2 * MAX_CONFIGS, f"{path}.config", _given_config_errors)


def _result_errors(result: Object, path: str) -> Iterator[FieldError]:
    yield from declared_driver_errors(result.get("driver") or "", f"{path}.driver")
    yield from declared_pool_errors(result.get("pool") or "", f"{path}.pool")
    yield from list_errors(result.get("tolerations") or [], None, f"{path}.tolerations", _toleration_errors)
    yield from _binding_errors(result, path)
    if result.get("shareID") is not None:
        yield from uuid_errors(result["shareID"], f"{path}.shareID")


def _binding_errors(device: Object, path: str) -> Iterator[FieldError]:
    for field in ("bindingConditions", "bindingFailureConditions"):
        yield from list_errors(device.get(field) or [], MAX_BINDING_CONDITIONS, f"{path}.{field}")


def _given_config_errors(config: Object, path: str) -> Iterator[FieldError]:
    source = config.get("source") or ""
    if not source:
        yield required(f"{path}.source")
    yield from _enum_errors(source, f"{path}.source", SOURCES)
    yield from _claim_config_errors(config, path)


def _device_status_errors(device: Object, path: str) -> Iterator[FieldError]:
    if device.get("shareID") is not None:
        yield from uuid_errors(device["shareID"], f"{path}.shareID")
    data, path = device.get("networkData") or {}, f"{path}.networkData"
    yield from _length_errors(data, "interfaceName", MAX_INTERFACE, path)
    yield from list_errors(data.get("ips") or [], MAX_IPS, f"{path}.ips", key=itself)
    yield from _length_errors(data, "hardwareAddress", MAX_HARDWARE, path)


def _length_errors(data: Object, field: str, longest: int, path: str) -> Iterator[FieldError]:
    if formats.byte_length(data.get(field) or "") > longest:
        yield too_long(f"{path}.{field}", longest)


# Classes and slices


def class_errors(spec: Object) -> Iterator[FieldError]:
    """Of a DeviceClassSpec."""
    yield from list_errors(spec.get("selectors") or [], MAX_SELECTORS, "spec.selectors")
    yield from list_errors(spec.get("config") or [], MAX_CONFIGS, "spec.config", _configuration_errors)
    if spec.get("extendedResourceName") is not None:
        yield from _extended_name_errors(spec["extendedResourceName"], "spec.extendedResourceName")


def _extended_name_errors(name: str, path: str) -> Iterator[FieldError]:
    if "/" not in name:
        yield invalid(path, name, "a name must be a domain-prefixed path, such as 'example.com/my-prop'")
    elif "kubernetes.io/" in name:
        yield invalid(path, name, 'must not have "kubernetes.io/" domain')
    if name.startswith("requests."):
        yield invalid(path, name, 'must not have "requests." prefix')
    for message in formats.qualified_name(f"requests.{name}"):
        yield invalid(path, name, message)


def slice_errors(spec: Object) -> Iterator[FieldError]:
    """Of a ResourceSliceSpec."""
    yield from list_errors(spec.get("devices") or [], None, "spec.devices", _device_errors)
    counters = spec.get("sharedCounters") or []
    yield from list_errors(counters, MAX_COUNTER_SETS, "spec.sharedCounters", _counter_set_errors, _name, "CounterSet")


def _device_errors(device: Object, path: str) -> Iterator[FieldError]:
    attributes = device.get("attributes") or {}
    for name in sorted(attributes):
        yield from _attribute_errors(attributes[name], f"{path}.attributes[{name}]")
    yield from list_errors(
        device.get("consumesCounters") or [],
        MAX_CONSUMPTIONS,
        f"{path}.consumesCounters",
        _consumption_errors,
        _counter_set,
        "DeviceCounterConsumption",
    )
    yield from list_errors(device.get("taints") or [], None, f"{path}.taints", taint_errors)
    yield from _binding_errors(device, path)


def taint_errors(taint: Object, path: str, old: Object | None = None) -> Iterator[FieldError]:
    effect = taint.get("effect") or ""
    if old is not None and (old.get("effect") or "") == effect:
        return
    if not effect:
        yield required(f"{path}.effect")
    yield from _enum_errors(effect, f"{path}.effect", EFFECTS)


def _counter_set_errors(counters: Object, path: str) -> Iterator[FieldError]:
    return _counters_errors(counters, "name", path)


def _consumption_errors(counters: Object, path: str) -> Iterator[FieldError]:
    return _counters_errors(counters, "counterSet", path)


def _counters_errors(counters: Object, name_field: str, path: str) -> Iterator[FieldError]:
    name, items = counters.get(name_field) or "", counters.get("counters") or {}
    if not name:
        yield required(f"{path}.{name_field}")
    else:
        yield from declared_short_name_errors(name, f"{path}.{name_field}")
    if not items:
        yield required(f"{path}.counters")
    for key in sorted(items):
        yield from declared_short_name_errors(key, f"{path}.counters")


def _attribute_errors(attribute: Object, path: str) -> Iterator[FieldError]:
    """One value, of one kind."""
    given = [kind for kind in ATTRIBUTE_KINDS if attribute.get(kind) is not None]
    if len(given) == 1:
        return
    members = ", ".join(f"`{kind}`" for kind in (*ATTRIBUTE_KINDS, *(f"{kind}s" for kind in ATTRIBUTE_KINDS)))
    if given:
        yield invalid(path, f"{{{', '.join(given)}}}", f"must specify exactly one of: {members}")
    else:
        yield invalid(path, "", f"must specify one of: {members}")
