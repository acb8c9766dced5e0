"""Field ownership: managedFields on every write, and server-side apply. Ours of upstream's structured-merge-diff.

In objects, managedFields is the plain list of entries that the wire shows, and `fieldsV1` a plain dict in upstream's order.
Those dicts are shared between objects, sets and memos: nobody may change them in place (copy first, as patches do).

`FieldManager(kind, hub_api_version, schema_of, convert).on_update(…)` / `.on_apply(…)`; `check` validates entries, as after
mutating admission; `encode_fields` / `decode_fields` go between bytes and sets.
"""

from __future__ import annotations

from apiserver.apimachinery.apply.managed import BadManagedFields, check, decode_fields, encode_fields
from apiserver.apimachinery.apply.manager import FieldManager, ResetFields
from apiserver.apimachinery.apply.types import Types
from apiserver.apimachinery.apply.updater import MissingVersion

__all__ = [
    "BadManagedFields",
    "FieldManager",
    "MissingVersion",
    "ResetFields",
    "Types",
    "check",
    "decode_fields",
    "encode_fields",
]
