"""The flow schemas and priority levels a cluster starts with: made, and kept as they are meant, once a minute.

Suggested ones follow their annotation `apf.kubernetes.io/autoupdate-spec` (without it: as long as nobody changed them);
mandatory ones are always mended. Mirrors upstream pkg/registry/flowcontrol/rest and ensurer.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from apiserver.api.flowcontrol.configuration import (
    AUTO_UPDATE,
    GROUP,
    MANDATORY_LEVELS,
    MANDATORY_SCHEMAS,
    SUGGESTED_LEVELS,
    SUGGESTED_SCHEMAS,
)
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, annotations_of, copy, metadata, name_of
from apiserver.bootstrap.context import BootstrapContext, Hook
from apiserver.bootstrap.objects import Objects

SCHEMAS = GroupResource(GROUP, "flowschemas")
LEVELS = GroupResource(GROUP, "prioritylevelconfigurations")
MANAGER = "api-priority-and-fairness-config-producer-v1"
PERIOD = 60.0  # seconds
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")  # Go's ParseBool


async def start(context: BootstrapContext) -> None:
    await ensure(context)
    context.every(PERIOD, lambda: ensure(context), "flow-control-configuration")


async def ensure(context: BootstrapContext) -> None:
    """All at once: the storage commits them in groups."""
    suggested = [(LEVELS, one) for one in SUGGESTED_LEVELS] + [(SCHEMAS, one) for one in SUGGESTED_SCHEMAS]
    mandatory = [(LEVELS, one) for one in MANDATORY_LEVELS] + [(SCHEMAS, one) for one in MANDATORY_SCHEMAS]
    objects = replace(context.objects, manager=MANAGER)
    await asyncio.gather(
        *(_ensure(objects, resource, one, always=False) for resource, one in suggested),
        *(_ensure(objects, resource, one, always=True) for resource, one in mandatory),
    )


async def _ensure(objects: Objects, resource: GroupResource, wanted: Object, *, always: bool) -> None:
    name = name_of(wanted)
    existing = objects.get(resource, "", name)
    try:
        if existing is None:
            await objects.create(resource, copy(wanted))
        elif mended(existing, wanted, always=always) is not None:
            await objects.update(resource, "", name, lambda found: mended(found, wanted, always=always))
    except StatusError as e:
        if e.reason not in ("AlreadyExists", "NotFound", "Conflict"):  # another server's work, or the next minute's
            raise


def mended(existing: Object, wanted: Object, *, always: bool) -> Object | None:
    """The object as it should be; None where it is that already."""
    update_spec = always or _follows(existing)
    annotation = "true" if update_spec else "false"
    right_spec = _same(existing["spec"], wanted) if update_spec else True
    if right_spec and annotations_of(existing).get(AUTO_UPDATE) == annotation:
        return None
    found: Object = copy(existing)
    meta = metadata(found)
    meta["annotations"] = {**(meta.get("annotations") or {}), AUTO_UPDATE: annotation}
    if not right_spec:
        found["spec"] = copy(wanted["spec"])
    return found


def _same(spec: Object, wanted: Object) -> bool:
    """The exempt level's own numbers are an administrator's (upstream's plcSpecEqualish)."""
    right: Object = wanted["spec"]
    if right.get("type") == "Exempt" and spec.get("exempt") is not None:
        right = {**right, "exempt": spec["exempt"]}
    return spec == right


def _follows(existing: Object) -> bool:
    value = annotations_of(existing).get(AUTO_UPDATE)
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    return bool(existing["metadata"].get("generation") == 1)


HOOK = Hook("priority-and-fairness-config-producer", start, (LEVELS, SCHEMAS))
