"""Event: something that happened to an object; kept for an hour. Its newer face is in events.k8s.io, over the same keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from apiserver.api.columns import NAME
from apiserver.api.core.event_conversion import convert
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import internal
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.object_meta import immutable
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Since

TTL = 3600.0  # seconds; upstream --event-ttl
LIMITS = (("reportingInstance", 128), ("action", 128), ("reason", 128))
NOTE_LIMIT = 1024
MISMATCH = "does not match event.namespace"
FIXED = (  # fields that stay, and what upstream's internal type makes of them; `reason` is looked at twice there
    ("involvedObject", "ObjectReference"),
    ("reason", "string"),
    ("message", "string"),
    ("source", "EventSource"),
    ("firstTimestamp", "metav1.Time"),
    ("lastTimestamp", "metav1.Time"),
    ("count", "int32"),
    ("reason", "string"),
    ("type", "string"),
    ("eventTime", "metav1.MicroTime"),
    ("action", "string"),
    ("related", "*ObjectReference"),
    ("reportingComponent", "string"),
    ("reportingInstance", "string"),
)


class EventStrategy(KindStrategy):
    """Mirrors upstream registry/core/event. `strict`: written through events.k8s.io, which asks for more."""

    allow_create_on_update = True
    default_gc_policy = "unsupported"

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return super().name_errors(name, prefix) if self.strict else ()

    def metadata_errors(self, obj: Object) -> Iterator[FieldError]:
        return super().metadata_errors(obj) if self.strict else iter(())

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from self._basic_errors(obj)
        if self.strict:
            yield from _series_errors(obj)
            yield from _new_event_errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self._basic_errors(obj)
        if not self.strict:
            return
        yield from metadata_update_errors(obj, old)
        if obj.get("series") != old.get("series"):
            yield from _series_errors(obj)
        for field, kind in FIXED:
            now, before = internal(obj.get(field), kind), internal(old.get(field), kind)
            path = "reportingController" if field == "reportingComponent" else field
            yield from immutable(now, before, path)

    def _basic_errors(self, obj: Object) -> Iterator[FieldError]:
        """What every event has to fulfil (upstream legacyValidateEvent)."""
        namespace = obj["metadata"].get("namespace") or ""
        about = get(obj, "involvedObject", "namespace", default="")
        if not obj.get("eventTime"):
            fits = namespace == about if about else namespace in ("", "default")
            if not fits:
                yield invalid("involvedObject.namespace", about, MISMATCH)
            return
        if not about and namespace not in ("default", "kube-system"):
            yield invalid("involvedObject.namespace", about, MISMATCH)
        controller = obj.get("reportingComponent") or ""
        field = "reportingController" if self.strict else "reportingComponent"
        if not controller:
            yield required(field)
        for message in formats.qualified_name(controller):
            yield invalid(field, controller, message)
        for name, limit in LIMITS:
            value = obj.get(name) or ""
            if not value:
                yield required(name)
            if len(value.encode()) > limit:
                yield invalid(name, "", f"can have at most {limit} characters")
        if len((obj.get("message") or "").encode()) > NOTE_LIMIT:
            yield invalid("message", "", f"can have at most {NOTE_LIMIT} characters")


def _series_errors(obj: Object) -> Iterator[FieldError]:
    series = obj.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        yield invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield required("series.lastObservedTime")


def _new_event_errors(obj: Object) -> Iterator[FieldError]:
    if not obj.get("eventTime"):
        yield required("eventTime")
    if obj.get("type") not in ("Normal", "Warning"):
        yield invalid("type", "", f"has invalid value: {obj.get('type') or ''}")
    for field in ("firstTimestamp", "lastTimestamp", "count"):
        if obj.get(field):
            yield invalid(field, "", "needs to be unset")
    source = obj.get("source") or {}
    if source.get("component") or source.get("host"):
        yield invalid("source", "", "needs to be unset")


def _text(*path: str) -> Callable[[Object], str]:
    return lambda obj: get(obj, *path, default="")


def _source_component(obj: Object) -> str:
    return get(obj, "source", "component") or obj.get("reportingComponent") or ""


SELECTABLE: dict[str, Callable[[Object], str]] = {
    **{
        f"involvedObject.{field}": _text("involvedObject", field)
        for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
    "reason": _text("reason"),
    "reportingComponent": _text("reportingComponent"),
    "source": _source_component,
    "type": _text("type"),
}


def first_seen(obj: Object) -> str | None:
    return obj.get("firstTimestamp") or obj.get("eventTime")


def last_seen(obj: Object) -> str | None:
    if obj.get("series") is not None:
        return get(obj, "series", "lastObservedTime")  # type: ignore[no-any-return]
    return obj.get("lastTimestamp") or first_seen(obj)


def _count(obj: Object) -> int:
    if obj.get("series") is not None:
        return get(obj, "series", "count", default=0)  # type: ignore[no-any-return]
    return obj.get("count") or 1


def _target(obj: Object) -> str:
    about = obj.get("involvedObject") or {}
    kind, name = (about.get("kind") or "").lower(), about.get("name")
    return f"{kind}/{name}" if name else kind


def _source(obj: Object) -> str:
    host = get(obj, "source", "host") or obj.get("reportingInstance") or ""
    return ", ".join([_source_component(obj), *filter(None, [host])])


COLUMNS = (
    Column(
        "Last Seen",
        lambda obj, now: Since(last_seen(obj)),
        description="The time at which the most recent occurrence of this event was recorded.",
    ),
    Column(
        "Type",
        lambda obj, now: obj.get("type") or "",
        description="Type of this event (Normal, Warning), new types could be added in the future",
    ),
    Column(
        "Reason",
        lambda obj, now: obj.get("reason") or "",
        description="This should be a short, machine understandable string that gives the reason for the transition into the "
        "object's current status.",
    ),
    Column("Object", lambda obj, now: _target(obj), description="The object that this event is about."),
    Column(
        "Subobject",
        lambda obj, now: get(obj, "involvedObject", "fieldPath", default=""),
        priority=1,
        description="If referring to a piece of an object instead of an entire object, this string should contain a valid "
        "JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is "
        'to a container within a pod, this would take on a value like: "spec.containers{name}" (where "name" refers to the '
        'name of the container that triggered the event) or if no container name is specified "spec.containers[2]" (container '
        "with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an "
        "object.",
    ),
    Column(
        "Source",
        lambda obj, now: _source(obj),
        priority=1,
        description="The component reporting this event. Should be a short machine understandable string.",
    ),
    Column(
        "Message",
        lambda obj, now: (obj.get("message") or "").strip(),
        description="A human-readable description of the status of this operation.",
    ),
    Column(
        "First Seen",
        lambda obj, now: Since(first_seen(obj)),
        priority=1,
        description="The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
    ),
    Column(
        "Count", lambda obj, now: _count(obj), priority=1, description="The number of times this event has occurred."
    ),
    Column(NAME.name, NAME.cell, format=NAME.format, priority=1, description=NAME.description),
)

RESOURCE = Resource(
    group="",
    plural="events",
    kind="Event",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("ev",),
    strategy=EventStrategy(strict=False),
    convert=convert,
    ttl=lambda obj: TTL,
    watch_cache=False,
    selectable=SELECTABLE,
    empty={
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    columns=COLUMNS,
)
