"""managedFields: entries as the wire has them, and owners as the merge needs them.

An Owner's key is what upstream calls the manager identifier: two entries with the same key are one owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson

from apiserver.apimachinery.apply.elements import BadElement
from apiserver.apimachinery.apply.sets import FieldSet, normalized
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339

APPLY, UPDATE = "Apply", "Update"
FIELDS_TYPE = "FieldsV1"

Entry: TypeAlias = dict[str, Any]


class ManagerKey(NamedTuple):
    """Who: an applier is the same in every version."""

    manager: str
    operation: str
    api_version: str  # empty for Apply
    subresource: str

    def text(self) -> str:
        """The identifier as upstream writes it; managers are sorted by it."""
        names = ("manager", "operation", "apiVersion", "subresource")
        return orjson.dumps({name: value for name, value in zip(names, self, strict=True) if value}).decode()


class Owner(NamedTuple):
    """What a manager owns, in which version, since when."""

    fields: FieldSet
    api_version: str
    time: str = ""


Owners: TypeAlias = dict[ManagerKey, Owner]


class BadManagedFields(ValueError):
    """Entries that upstream does not accept; the message is upstream's."""


def key_for(manager: str, operation: str, api_version: str, subresource: str) -> ManagerKey:
    return ManagerKey(manager, operation, "" if operation == APPLY else api_version, subresource)


def is_reset(entries: Any) -> bool:
    """`[]` or `[{}]` from a client: forget all owners."""
    if not isinstance(entries, list) or len(entries) > 1:
        return False
    return not entries or not any((entries[0] or {}).values())


def check(entries: Iterable[Mapping[str, Any]]) -> None:
    """Raises BadManagedFields where upstream's ValidateManagedFields finds an error."""
    for i, entry in enumerate(entries):
        check_entry(i, entry)
        decode_fields(entry.get("fieldsV1"))


def check_entry(index: int, entry: Mapping[str, Any]) -> None:
    if entry.get("operation") not in (APPLY, UPDATE):
        raise BadManagedFields("operation must be `Apply` or `Update`")
    if not entry.get("apiVersion"):
        raise BadManagedFields("apiVersion must not be empty")
    fields_type = entry.get("fieldsType") or ""
    if not fields_type:
        raise BadManagedFields(f"missing fieldsType in managed fields entry {index}")
    if fields_type != FIELDS_TYPE:
        raise BadManagedFields(f'invalid fieldsType "{fields_type}" in managed fields entry {index}')


def encode_fields(fields: FieldSet) -> bytes:
    """FieldsV1 as the wire has it."""
    return orjson.dumps(fields)


def decode_fields(fields: bytes | str | Mapping[str, Any] | None) -> FieldSet:
    """A set from anybody's FieldsV1, in canonical form and order. Raises BadManagedFields."""
    try:
        parsed = orjson.loads(fields) if isinstance(fields, bytes | str) else fields
        return normalized(parsed) if parsed else {}
    except (BadElement, TypeError, orjson.JSONDecodeError) as e:
        raise BadManagedFields(f"error decoding set: {e}") from e


def read_entry(index: int, entry: Entry, fields: FieldSet) -> tuple[ManagerKey, Owner]:
    """The owner an entry describes, its fields decoded already."""
    check_entry(index, entry)
    api_version = entry["apiVersion"]
    key = key_for(entry.get("manager") or "", entry["operation"], api_version, entry.get("subresource") or "")
    return key, Owner(fields, api_version, _normal_time(entry.get("time")))


def _normal_time(time: Any) -> str:
    """A time as Go writes it again."""
    if not time:
        return ""
    if len(time) == 20 and time[19] == "Z" and time[10] == "T":
        return str(time)
    try:
        return rfc3339(parse_rfc3339(time))
    except (TypeError, ValueError) as e:
        raise BadManagedFields(f"parsing time {time!r}") from e


def write_entries(owners: Owners) -> list[Entry]:
    """The entries on the wire: appliers first, then by time, manager, version and subresource."""
    ordered = sorted(owners.items(), key=_wire_order) if len(owners) > 1 else owners.items()
    return [_entry(key, owner) for key, owner in ordered]


def _wire_order(item: tuple[ManagerKey, Owner]) -> tuple[str, ...]:
    key, owner = item
    return (key.operation, owner.time, key.manager, owner.api_version, key.subresource)


def _entry(key: ManagerKey, owner: Owner) -> Entry:
    entry: Entry = {"manager": key.manager} if key.manager else {}
    entry["operation"] = key.operation
    entry["apiVersion"] = owner.api_version
    if owner.time:
        entry["time"] = owner.time
    entry["fieldsType"] = FIELDS_TYPE
    entry["fieldsV1"] = owner.fields
    if key.subresource:
        entry["subresource"] = key.subresource
    return entry
