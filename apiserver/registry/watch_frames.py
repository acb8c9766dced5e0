"""Events of a watch as bytes: one record, one event type, one form → one line of JSON, made once for all watchers."""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, copy
from apiserver.registry.rendition import OBJECT, PARTIAL, TABLE, Form, ListMeta, Renditions
from apiserver.registry.selection import ADDED, DELETED, MODIFIED
from apiserver.registry.table import NONE, Tables
from apiserver.storage.cacher import Record

_START = {kind: b'{"type":"%b","object":' % kind.encode() for kind in (ADDED, MODIFIED, DELETED)}
_BOOKMARK = b'{"type":"BOOKMARK","object":'
_ERROR = b'{"type":"ERROR","object":'
_END = b"}\n"
_INITIAL_END = {"k8s.io/initial-events-end": "true"}


class EventWriter:
    """Writes the events of one resource in JSON."""

    def __init__(self, renditions: Renditions, tables: Tables, clock: Clock) -> None:
        self._renditions = renditions
        self._tables = tables
        self._clock = clock

    def event(self, kind: str, record: Record, form: Form, *, header: bool = False) -> bytes:
        """An event; `header` asks for a table's columns, which only a watcher's first event has."""
        if form.kind == TABLE:
            pieces: Any = self._tables.pieces(
                (record,), ListMeta(record.revision), form, self._clock.now(), header=header
            )
        else:
            pieces = self._renditions.pieces(record, form)
        return b"".join((_START[kind], *pieces, _END))

    def bookmark(self, revision: int, form: Form, *, initial_end: bool = False, header: bool = False) -> bytes:
        """Word that everything up to `revision` was sent; `initial_end` marks the end of the initial events."""
        return _BOOKMARK + self._bookmark_object(revision, form, initial_end, header) + _END

    def error(self, error: StatusError) -> bytes:
        return _ERROR + orjson.dumps(error.status()) + _END

    def _bookmark_object(self, revision: int, form: Form, initial_end: bool, header: bool) -> bytes:
        meta: Object = {"resourceVersion": str(revision)}
        if initial_end:
            meta["annotations"] = _INITIAL_END
        obj = self._empty(self._with_fields(meta), form.version)
        if form.kind == OBJECT:
            return orjson.dumps(obj)
        partial = {
            "kind": "PartialObjectMetadata",
            "apiVersion": f"meta.k8s.io/{form.meta_version}",
            "metadata": meta,
        }
        if form.kind == PARTIAL:
            return orjson.dumps(partial)
        return self._bookmark_table(obj, partial, form, header)

    def _with_fields(self, meta: Object) -> Object:
        fields = self._renditions.resource.field_annotations
        if not fields:
            return meta
        return {**meta, "annotations": dict(sorted({**meta.get("annotations", {}), **fields}.items()))}

    def _empty(self, meta: Object, version: str) -> Object:
        """An object with nothing but metadata, as its kind shows it in this version."""
        resource = self._renditions.resource
        api_version = self._renditions.api_version(version)
        if version == resource.storage_version or resource.convert is None:
            return {"kind": resource.kind, "apiVersion": api_version, "metadata": meta, **resource.empty}
        stored = self._renditions.api_version(resource.storage_version)
        obj = {"kind": resource.kind, "apiVersion": stored, "metadata": meta, **copy(resource.empty)}
        return resource.convert(obj, api_version)

    def _bookmark_table(self, obj: Object, partial: Object, form: Form, header: bool) -> bytes:
        """A table with one row, of an empty object; it keeps its metadata where these say that the initial events end."""
        meta = obj["metadata"]
        shown: Object | None = partial
        if form.include == NONE and "annotations" not in meta:
            shown = None
        elif form.include == "Object":
            shown = obj
        definitions = self._tables.header(form.version) if header else b"null"
        row = self._tables.empty_row(obj, form.version, self._clock.now())
        return b'{"kind":"Table","apiVersion":"meta.k8s.io/%b","metadata":{"resourceVersion":"%b"},%b' % (
            form.meta_version.encode(),
            meta["resourceVersion"].encode(),
            b'"columnDefinitions":%b,"rows":[%b%b}]}' % (definitions, row, orjson.dumps(shown)),
        )
