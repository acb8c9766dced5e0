"""The part of metadata that belongs to the system: names, uids, times, and what no client may change.

Mirrors upstream registry/rest/meta.go, create.go, update.go and the handlers' deduplication of owner references.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.errors import bad_request
from apiserver.apimachinery.objects import Object, metadata
from apiserver.registry.context import Context

MAX_GENERATED_PREFIX = 58  # upstream storage/names/generate.go: 63 characters less 5 random ones
SYSTEM_FIELDS = ("creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")

# The order in which Go writes ObjectMeta; managedFields last, so that a record can cut them off.
META_ORDER = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)


def wipe_system_fields(meta: Object) -> None:
    """Drop what a client may not set on a new object."""
    for field in SYSTEM_FIELDS:
        meta.pop(field, None)


def fill_system_fields(ctx: Context, meta: Object) -> None:
    meta["creationTimestamp"] = ctx.timestamp()
    meta["uid"] = ctx.rand.uuid()


def generated_name(ctx: Context, prefix: str) -> str:
    return prefix[:MAX_GENERATED_PREFIX] + ctx.rand.suffix()


def match_namespace(wanted: str, meta: Object) -> None:
    """Give the object the request's namespace, or refuse another one; cluster-scoped objects (`""`) lose theirs."""
    namespace = meta.get("namespace") or ""
    if namespace == wanted:
        if not wanted:
            meta.pop("namespace", None)
    elif not namespace:
        meta["namespace"] = wanted
    elif not wanted:
        del meta["namespace"]
    else:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def keep_immutable(meta: Object, old: Object) -> None:
    """What an update cannot change, it keeps (upstream rest.BeforeUpdate)."""
    if not meta.get("uid"):
        meta["uid"] = old.get("uid") or ""
    for field in ("creationTimestamp", "deletionTimestamp"):
        if old.get(field):
            meta[field] = old[field]
    if old.get("deletionGracePeriodSeconds") is not None and meta.get("deletionGracePeriodSeconds") is None:
        meta["deletionGracePeriodSeconds"] = old["deletionGracePeriodSeconds"]


def keep_generation(meta: Object, old: Object) -> None:
    generation = old.get("generation")
    if generation:
        meta["generation"] = generation
    else:
        meta.pop("generation", None)


def dedup_owners(obj: Object, warnings: list[str], after_admission: bool) -> None:
    """Owner references said twice are kept once, with a warning (upstream endpoints/handlers/rest.go)."""
    references = (obj.get("metadata") or {}).get("ownerReferences")
    if not references or len(references) == 1:
        return
    kept: list[Any] = []
    duplicates: list[str] = []
    for reference in references:
        if reference in kept:
            duplicates.append(reference.get("uid") or "")
        else:
            kept.append(reference)
    if duplicates:
        when = " after mutating admission happens" if after_admission else ""
        warnings.append(
            f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, "
            "and may reject such requests as early as 1.24; please fix your requests; "
            f"duplicate UID(s) observed: {', '.join(duplicates)}"
        )
        obj["metadata"]["ownerReferences"] = kept


def same_value(a: Any, b: Any) -> bool:
    """Equality of JSON values in which `1`, `1.0` and `true` differ, as they do in bytes."""
    return bool(a == b) and orjson.dumps(a, option=orjson.OPT_SORT_KEYS) == orjson.dumps(b, option=orjson.OPT_SORT_KEYS)


def keep_managed_times(meta: Object, old_meta: Object, obj: Object, old: Object) -> None:
    """Where nothing but times of managedFields changed, the old times stay, so that nothing is written.

    Upstream endpoints/handlers/fieldmanager/equality.go.
    """
    entries, old_entries = meta.get("managedFields"), old_meta.get("managedFields")
    if not entries or not old_entries or entries == old_entries or len(entries) != len(old_entries):
        return
    for entry, old_entry in zip(entries, old_entries, strict=True):
        if {**entry, "time": None} != {**old_entry, "time": None}:
            return
    if {**meta, "managedFields": None} == {**old_meta, "managedFields": None} and _same_but_metadata(obj, old):
        meta["managedFields"] = old_entries


def _same_but_metadata(obj: Object, old: Object) -> bool:
    return {**obj, "metadata": None} == {**old, "metadata": None}


def stored_form(obj: Object, kind: str, api_version: str) -> Object:
    """What is written of `obj`: kind and apiVersion first, metadata in Go's order, no resourceVersion, no selfLink."""
    meta = metadata(obj)
    ordered: Object = {}
    for field in META_ORDER:
        value = meta.get(field)
        if value is not None and value != "" and value != {} and value != []:
            ordered[field] = value
    ordered.pop("resourceVersion", None)
    ordered.pop("selfLink", None)
    form: Object = {"kind": kind, "apiVersion": api_version, "metadata": ordered}
    for key, value in obj.items():
        if key not in form:
            form[key] = value
    return form
