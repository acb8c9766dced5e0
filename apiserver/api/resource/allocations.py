"""What was given for a claim, to whom, and what drivers report (upstream validateResourceClaimStatusUpdate)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from apiserver.api.resource import declared
from apiserver.api.resource.claims import RequestNames, config_errors, reference_errors
from apiserver.api.resource.declared import MAX_IPS, MAX_RESERVED, MAX_RESULTS
from apiserver.api.resource.names import (
    MAX_CONFIGS,
    driver_errors,
    items_errors,
    label_errors,
    pool_errors,
    raw_errors,
)
from apiserver.api.resource.taints import binding_conditions_errors, tolerations_errors
from apiserver.api.validation.conditions import conditions_errors
from apiserver.api.validation.pod.scheduling import node_selector_errors
from apiserver.apimachinery.addresses import parse_cidr_sloppy
from apiserver.apimachinery.errors import (
    FieldError,
    field_forbidden,
    go_quote,
    invalid,
    required,
    too_many,
)
from apiserver.apimachinery.objects import Object, get

MAX_CONDITIONS, MAX_DATA = 8, 10 * 1024
NOT_ALLOCATED = "may not be specified when `allocated` is not set"
NO_NEW_ONES = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
NO_ADDRESS = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"


class DeviceId(NamedTuple):
    """A device, or a share of it."""

    driver: str
    pool: str
    device: str
    share: str

    def shown(self) -> Object:
        return dict(zip(("Driver", "Pool", "Device", "ShareID"), self, strict=True))


def device_id(item: Object) -> DeviceId:
    return DeviceId(*(item.get(field) or "" for field in ("driver", "pool", "device", "shareID")))


def allocated(claim: Object) -> frozenset[DeviceId]:
    return frozenset(device_id(result) for result in get(claim, "status", "allocation", "devices", "results") or ())


def status_errors(claim: Object, old: Object, names: RequestNames) -> Iterator[FieldError]:
    status, before = claim.get("status") or {}, old.get("status") or {}
    reserved, allocation = status.get("reservedFor") or [], status.get("allocation")
    yield from items_errors(reserved, MAX_RESERVED, _consumer_errors, "status.reservedFor")
    devices, known = status.get("devices") or [], allocated(claim)
    for i, device in enumerate(devices):
        yield from _device_errors(device, f"status.devices[{i}]", known=known)
    if reserved and allocation is None:
        yield field_forbidden("status.reservedFor", NOT_ALLOCATED)
    elif get(claim, "metadata", "deletionTimestamp") and _added(reserved, before.get("reservedFor") or []):
        yield field_forbidden("status.reservedFor", NO_NEW_ONES)
    if allocation is not None and before.get("allocation") is None:
        yield from _allocation_errors(allocation, "status.allocation", names)
    yield from declared.status_errors(claim, old, device_id)


def _added(consumers: Sequence[Object], before: Sequence[Object]) -> bool:
    return any(consumer not in before for consumer in consumers)


def _consumer_errors(consumer: Object, path: str) -> Iterator[FieldError]:
    for field in ("resource", "name", "uid"):
        if not consumer.get(field):
            yield required(f"{path}.{field}")


def _allocation_errors(allocation: Object, path: str, names: RequestNames) -> Iterator[FieldError]:
    devices = allocation.get("devices") or {}
    check = partial(_result_errors, names=names)
    yield from items_errors(devices.get("results") or [], MAX_RESULTS, check, f"{path}.devices.results")
    check = partial(config_errors, names=names)
    yield from items_errors(devices.get("config") or [], 2 * MAX_CONFIGS, check, f"{path}.devices.config")
    if allocation.get("nodeSelector") is not None:
        yield from node_selector_errors(allocation["nodeSelector"], f"{path}.nodeSelector")


def _result_errors(result: Object, path: str, *, names: RequestNames) -> Iterator[FieldError]:
    yield from reference_errors(result.get("request") or "", f"{path}.request", names=names)
    yield from label_errors(result.get("device") or "", f"{path}.device")
    yield from binding_conditions_errors(result, path)
    yield from tolerations_errors(result, path)


def _device_errors(device: Object, path: str, *, known: Collection[DeviceId]) -> Iterator[FieldError]:
    """What a driver says of one of the devices given."""
    yield from driver_errors(device.get("driver") or "", f"{path}.driver")
    yield from pool_errors(device.get("pool") or "", f"{path}.pool")
    yield from label_errors(device.get("device") or "", f"{path}.device")
    if device_id(device) not in known:
        yield invalid(path, device_id(device).shown(), "must be an allocated device in the claim")
    conditions = device.get("conditions") or []
    if len(conditions) > MAX_CONDITIONS:
        yield too_many(f"{path}.conditions", len(conditions), MAX_CONDITIONS)
    yield from conditions_errors(conditions, f"{path}.conditions")
    if device.get("data") is not None:
        yield from raw_errors(device["data"], f"{path}.data", MAX_DATA)
    addresses = get(device, "networkData", "ips") or []
    yield from items_errors(addresses, MAX_IPS, _address_errors, f"{path}.networkData.ips")


def _address_errors(text: str, path: str) -> Iterator[FieldError]:
    """Upstream IsValidInterfaceAddress: an address with the length of its network's prefix."""
    cidr = parse_cidr_sloppy(text)
    if cidr is None:
        yield invalid(path, text, NO_ADDRESS)
        return
    canonical = f"{cidr.address}/{cidr.network.prefixlen}"
    if text != canonical:
        yield invalid(path, text, f"must be in canonical form ({go_quote(canonical)})")
