"""Events in their two faces: core/v1 (which is stored) and events.k8s.io/v1. Mirrors upstream pkg/apis/events/v1/conversion.go."""

from __future__ import annotations

from apiserver.apimachinery.objects import Object

CORE = "v1"
EVENTS = "events.k8s.io/v1"

# field of events.k8s.io/v1 → field of core/v1
RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_BACK = {core: new for new, core in RENAMED.items()}
# What an event shows though it is empty: Go's structs without omitempty.
_CORE_ALWAYS = {"involvedObject": {}, "source": {}, "reportingComponent": "", "reportingInstance": ""}
_CORE_TIMES = ("firstTimestamp", "lastTimestamp", "eventTime")


def convert(obj: Object, api_version: str) -> Object:
    """The event in another group's form; itself where it is in that form already."""
    current = obj.get("apiVersion") or CORE
    if current == api_version:
        return obj
    if api_version == EVENTS:
        return _to_events(obj)
    return _to_core(obj)


def _to_core(obj: Object) -> Object:
    made: Object = {"kind": "Event", "apiVersion": CORE}
    for key, value in obj.items():
        if key not in ("kind", "apiVersion"):
            made[RENAMED.get(key, key)] = value
    for key, empty in _CORE_ALWAYS.items():
        if made.get(key) is None:
            made[key] = empty if isinstance(empty, str) else {}
    for key in _CORE_TIMES:
        made.setdefault(key, None)
    return made


def _to_events(obj: Object) -> Object:
    made: Object = {"kind": "Event", "apiVersion": EVENTS}
    for key, value in obj.items():
        if key in ("kind", "apiVersion"):
            continue
        if key in ("reportingComponent", "reportingInstance", "message", "reason", "type", "action") and not value:
            continue
        made[_BACK.get(key, key)] = value
    made.setdefault("regarding", {})
    made.setdefault("deprecatedSource", {})
    for key in ("eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"):
        made.setdefault(key, None)
    return made
