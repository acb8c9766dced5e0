"""Server-side tables (meta.k8s.io Table): what `kubectl get` prints, made from Resource.columns.

A record's cells are computed once, from its object; ages are formatted at each request. A cell that looks at the time
itself makes its row one that is computed anew every time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.duration import human
from apiserver.apimachinery.errors import bad_request, go_value
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.rendition import ByteCache, Form, ListMeta, Renditions
from apiserver.registry.resource import Column, Resource, Since
from apiserver.storage.cacher.record import Record

NONE, METADATA, OBJECT = "None", "Metadata", "Object"
SLICE = 100  # rows made before others get the loop
ROWS_BYTES = 8 << 20  # of kept rows, per resource

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client "
    "to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and "
    "configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be "
    "set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 "
    "form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)

# What a kind without columns of its own shows (upstream registry/rest/table.go).
DEFAULT_COLUMNS = (
    Column(
        "Name", lambda obj, now: get(obj, "metadata", "name", default=""), format="name", description=NAME_DESCRIPTION
    ),
    Column(
        "Created At",
        lambda obj, now: get(obj, "metadata", "creationTimestamp", default="0001-01-01T00:00:00Z"),
        type="date",
        description=CREATED_DESCRIPTION,
    ),
)


class _ObservedTime(float):
    """The time now, noting whether anyone reckons with it."""

    used = False

    def __sub__(self, other: float) -> float:
        self.used = True
        return float(self) - other

    def __rsub__(self, other: float) -> float:
        self.used = True
        return other - float(self)

    def __add__(self, other: float) -> float:
        self.used = True
        return float(self) + other

    __radd__ = __add__

    def __lt__(self, other: float) -> bool:
        self.used = True
        return float(self) < other

    def __gt__(self, other: float) -> bool:
        self.used = True
        return float(self) > other

    def __le__(self, other: float) -> bool:
        self.used = True
        return float(self) <= other

    def __ge__(self, other: float) -> bool:
        self.used = True
        return float(self) >= other

    def __int__(self) -> int:
        self.used = True
        return int(float(self))


class _Age(NamedTuple):
    """A Since, parsed, and the bytes before it."""

    text: bytes
    seconds: float | None  # None: unknown
    before: str
    after: str


class _Row(NamedTuple):
    """A row up to its object: `ages`, each with the bytes in front of it, and the bytes behind them all."""

    ages: tuple[_Age, ...]
    rest: bytes

    def render(self, now: float) -> bytes:
        if not self.ages:
            return self.rest
        parts: list[bytes] = []
        for age in self.ages:
            text = "<unknown>" if age.seconds is None else human(now - age.seconds)
            parts += (age.text, orjson.dumps(age.before + text + age.after))
        parts.append(self.rest)
        return b"".join(parts)


class Tables:
    """Makes the tables of one resource."""

    def __init__(self, resource: Resource, renditions: Renditions) -> None:
        self._resource = resource
        self._renditions = renditions
        self._rows = ByteCache(ROWS_BYTES)
        self._headers: dict[str, bytes] = {}

    def columns(self, version: str) -> Sequence[Column]:
        """The columns of a served version."""
        own = next((v.columns for v in self._resource.versions if v.name == version), None)
        return own or self._resource.columns or DEFAULT_COLUMNS

    def header(self, version: str) -> bytes:
        """The columnDefinitions."""
        found = self._headers.get(version)
        if found is None:
            found = self._headers[version] = orjson.dumps([_definition(c) for c in self.columns(version) if c.name])
        return found

    def pieces(
        self, records: Sequence[Record], meta: ListMeta, form: Form, now: float, *, header: bool = True
    ) -> list[bytes]:
        """A whole table in JSON, without a line end."""
        pieces = [self._start(meta, form, header)]
        self._add_rows(pieces, records, form, now)
        return _closed(pieces)

    def list_pieces(self, records: Sequence[Record], meta: ListMeta, form: Form, now: float) -> list[bytes]:
        """The table of a list."""
        pieces = [self._start(meta, form, True)]
        self._add_rows(pieces, records, form, now, self._default_of(records))
        return self._closed_list(pieces, form)

    async def pieces_in_slices(self, records: Sequence[Record], meta: ListMeta, form: Form, now: float) -> list[bytes]:
        """The same, letting others have the loop in between: rows that are not kept yet cost 25 µs each."""
        pieces = [self._start(meta, form, True)]
        marked = self._default_of(records)
        for begin in range(0, len(records), SLICE):
            if begin:
                await asyncio.sleep(0)
            self._add_rows(pieces, records[begin : begin + SLICE], form, now, marked)
        return self._closed_list(pieces, form)

    def _closed_list(self, pieces: list[bytes], form: Form) -> list[bytes]:
        """Upstream's converter of kinds without columns of their own says null for no rows, the others an empty list."""
        if len(pieces) == 1 and self.columns(form.version) is DEFAULT_COLUMNS:
            return [pieces[0].removesuffix(b"[") + b"null}"]
        return _closed(pieces)

    def _default_of(self, records: Sequence[Record]) -> Record | None:
        """The record whose name the list marks; only kinds of few objects have one."""
        choose = self._resource.default_of_list
        place = None if choose is None else choose([_object(record) for record in records])
        return None if place is None else records[place]

    def _start(self, meta: ListMeta, form: Form, header: bool) -> bytes:
        definitions = self.header(form.version) if header else b"null"
        start = b'{"kind":"Table","apiVersion":"meta.k8s.io/%b","metadata":' % form.meta_version.encode()
        return b'%b%b,"columnDefinitions":%b,"rows":[' % (start, meta.json(), definitions)

    def _add_rows(
        self, pieces: list[bytes], records: Sequence[Record], form: Form, now: float, marked: Record | None = None
    ) -> None:
        version = form.version
        rows = [
            self._row(record, version, now) if record is not marked else self._marked_row(record, version, now)
            for record in records
        ]
        if form.include == NONE:
            pieces += [row + b"null}," for row in rows]
            return
        kind = "object" if form.include == OBJECT else "partial"
        shown = Form(version, kind=kind, meta_version=form.meta_version)
        render = self._renditions.pieces
        for record, row in zip(records, rows, strict=True):
            pieces.append(row)
            pieces += render(record, shown)
            pieces.append(b"},")

    def _marked_row(self, record: Record, version: str, now: float) -> bytes:
        obj = _object(record)
        obj["metadata"]["name"] += " (default)"
        return self._make_row(obj, version, now).render(now)

    def _row(self, record: Record, version: str, now: float) -> bytes:
        """`{"cells":[…],"object":`, kept where it may be."""
        key = (record.key, record.revision, version)
        row: _Row | None = self._rows.get(key) if record.revision else None
        if row is None:
            observed = _ObservedTime(now)
            row = self._make_row(_object(record), version, observed)
            if not observed.used and record.revision:
                self._rows.put(key, row, 200 + len(row.rest) + sum(len(age.text) + 100 for age in row.ages))
        return row.render(now)

    def _make_row(self, obj: Object, version: str, now: float) -> _Row:
        ages: list[_Age] = []
        text = b'{"cells":['
        for number, column in enumerate(self.columns(version)):
            if number:
                text += b","
            cell = column.cell(obj, now)
            if isinstance(cell, Since):
                ages.append(_Age(text, _seconds(cell.time), cell.before, cell.after))
                text = b""
            else:
                text += orjson.dumps(cell)
        text += b"]"
        conditions = self._resource.row_conditions
        if conditions is not None and (found := conditions(obj)):
            text += b',"conditions":' + orjson.dumps(found)
        return _Row(tuple(ages), text + b',"object":')

    def empty_row(self, obj: Object, version: str, now: float) -> bytes:
        """The row of an object that is no record (a bookmark), up to its object."""
        return self._make_row(obj, version, now).render(now)


def _object(record: Record) -> Object:
    """The record's object, managedFields aside."""
    return orjson.loads(b"".join((record.start, record.head, record.tail)))  # type: ignore[no-any-return]


def _closed(pieces: list[bytes]) -> list[bytes]:
    """The table's end in place of the comma behind the last row."""
    if len(pieces) > 1:
        pieces[-1] = pieces[-1][:-1]
    pieces.append(b"]}")
    return pieces


def check_include(value: str) -> str:
    """The includeObject parameter; a 400 for what upstream does not know."""
    if value not in ("", NONE, METADATA, OBJECT):
        raise bad_request(
            f"Unable to convert to Table as requested: includeObject: Invalid value: {go_value(value)}: "
            "must be 'Metadata', 'Object', 'None', or empty"
        )
    return value


def _seconds(timestamp: str | None) -> float | None:
    if not timestamp:
        return None
    try:
        return parse_rfc3339(timestamp)
    except ValueError:
        return None


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }
