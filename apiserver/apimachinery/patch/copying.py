"""The copy that a patch works on: deep, but for managedFields, whose entries are immutable by agreement (see `apply`)."""

from __future__ import annotations

from apiserver.apimachinery import objects
from apiserver.apimachinery.objects import Object


def working_copy(obj: Object, *, share_managed: bool = True) -> Object:
    """managedFields are half of a usual object; no patch but one by pointer into them changes parts of them."""
    meta = obj.get("metadata")
    if not share_managed or not isinstance(meta, dict) or not meta.get("managedFields"):
        return objects.copy(obj)  # type: ignore[no-any-return]
    copy: Object = objects.copy({**obj, "metadata": {**meta, "managedFields": None}})
    copy["metadata"]["managedFields"] = list(meta["managedFields"])
    return copy
