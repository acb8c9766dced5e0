"""Event of events.k8s.io/v1: stored as core/v1, under the same keys; stricter about what it takes."""

from __future__ import annotations

from apiserver.api.core.event import COLUMNS, SELECTABLE, TTL, EventStrategy
from apiserver.api.core.event_conversion import CORE, convert
from apiserver.registry.resource import Resource, ServedVersion

# Field labels of this group that are not called as in core (upstream pkg/apis/events/v1/conversion.go).
ALIASES = {
    **{
        f"regarding.{field}": f"involvedObject.{field}"
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reportingController": "reportingComponent",
}

RESOURCE = Resource(
    group="events.k8s.io",
    plural="events",
    kind="Event",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    storage_prefix="/registry/events",
    storage_group_version=CORE,
    short_names=("ev",),
    strategy=EventStrategy(strict=True),
    convert=convert,
    ttl=lambda obj: TTL,
    watch_cache=False,
    selectable=SELECTABLE,
    field_aliases=ALIASES,
    empty={
        "eventTime": None,
        "regarding": {},
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
    },
    columns=COLUMNS,
)
