"""Renditions: what goes out for a record in one form. The common one is a look-up: the record's own bytes.

Every JSON form is made of pieces that records share (`start head managed tail`): another served version is a *view*, a
record converted once and kept for a while; lists, partial metadata and table rows are cut from views without decoding.
Other encodings (YAML, protobuf) encode the decoded object. What is made is kept in caches bounded in bytes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from apiserver.apimachinery.errors import StatusError, internal_error, not_acceptable
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.objects import Object
from apiserver.registry.records import record_start
from apiserver.registry.resource import Resource
from apiserver.storage.cacher.record import Record

JSON, YAML, PROTOBUF = "json", "yaml", "protobuf"
OBJECT, TABLE, PARTIAL, PARTIAL_LIST = "object", "table", "partial", "partial-list"
SLICE = 2_000  # items of a list put together before others get the loop, CONVERTED where each must be converted
CONVERTED = 50
CACHE_BYTES = 4 << 20  # per resource, of views and of encodings

Pieces = Sequence[bytes]
Encoder = Callable[[Object, GroupVersionKind], bytes]  # an object in one version → bytes of one encoding


class Form(NamedTuple):
    """One way in which an object can go out. Hashable: it is the key of everything cached."""

    version: str  # the served version
    encoding: str = JSON
    kind: str = OBJECT
    include: str = ""  # tables: what stands in a row's object: "" (as Metadata), None, Metadata, Object
    meta_version: str = "v1"  # of meta.k8s.io, for tables and partial metadata
    pretty: bool = False  # indented JSON, for people; never in a watch


class ListMeta(NamedTuple):
    """What a list says of itself."""

    revision: int
    continue_token: str = ""
    remaining: int | None = None

    def json(self) -> bytes:
        text = b'{"resourceVersion":"%d"' % self.revision
        if self.continue_token:
            text += b',"continue":"%s"' % self.continue_token.encode()
        if self.remaining:
            text += b',"remainingItemCount":%d' % self.remaining
        return text + b"}"


class ByteCache:
    """The most recently used values, as many as fit into a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()

    def get(self, key: Any) -> Any:
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: Any, value: Any, size: int) -> None:
        old = self._values.pop(key, None)
        self._size += size - (old[1] if old is not None else 0)
        self._values[key] = (value, size)
        while self._size > self._limit and len(self._values) > 1:
            self._size -= self._values.popitem(last=False)[1][1]

    def __len__(self) -> int:
        return len(self._values)

    @property
    def size(self) -> int:
        return self._size


class Renditions:
    """Renders the records of one resource."""

    def __init__(self, resource: Resource, encoders: Mapping[str, Encoder] | None = None) -> None:
        self.resource = resource
        self._encoders = encoders if encoders is not None else {YAML: encode_yaml}
        self._starts = {v.name: record_start(resource.kind, self.api_version(v.name)) for v in resource.versions}
        self._partial_starts = {v: record_start("PartialObjectMetadata", f"meta.k8s.io/{v}") for v in _META_VERSIONS}
        # Upstream's typed lists drop the kind of their items; those of custom resources keep it.
        self._bare_items = resource.schemas is None
        self._views = ByteCache(CACHE_BYTES)
        self._encoded = ByteCache(CACHE_BYTES)

    def api_version(self, version: str) -> str:
        return str(GroupVersion(self.resource.group, version))

    # Views: records in a served version.

    def view(self, record: Record, version: str) -> Record:
        """The record in a served version: itself, or its conversion."""
        start = self._starts.get(version)
        if start is None or record.start == start:
            return record
        key = (record.key, record.revision, version)
        found: Record | None = self._views.get(key) if record.revision else None
        if found is None:
            found = self._convert(record, version, start)
            self._views.put(key, found, len(found.head) + len(found.tail))
        return found

    def _convert(self, record: Record, version: str, start: bytes) -> Record:
        convert = self.resource.convert
        if convert is None:
            raise internal_error(f"no conversion of {self.resource.kind} to {version}")
        obj: Object = convert(
            orjson.loads(b"".join((record.start, record.head, record.tail))), self.api_version(version)
        )
        rest = {k: v for k, v in obj.items() if k not in ("kind", "apiVersion", "metadata")}
        head = orjson.dumps(obj["metadata"])[:-1]
        tail = b"}," + orjson.dumps(rest)[1:] if rest else b"}}"
        return record._replace(start=start, head=head, tail=tail)

    def _described(self, record: Record, version: str) -> Record:
        """The record whose metadata stands for it: upstream takes a built-in kind's from its internal form, before what
        a version puts into annotations (autoscaling/v1)."""
        if self.resource.schemas is not None:
            return self.view(record, version)
        return self._without_fields(record) if self.resource.field_annotations else record

    def _without_fields(self, record: Record) -> Record:
        """The record without the annotations that stand for fields."""
        key = (record.key, record.revision, "metadata")
        found: Record | None = self._views.get(key) if record.revision else None
        if found is None:
            meta: Object = orjson.loads(record.head + b"}")
            given = meta.pop("annotations", None) or {}
            if kept := {k: v for k, v in given.items() if k not in self.resource.field_annotations}:
                meta["annotations"] = kept
            found = record._replace(head=orjson.dumps(meta)[:-1])
            self._views.put(key, found, len(found.head))
        return found

    def object(self, record: Record, version: str) -> Object:
        """A fresh dict of the record in a served version."""
        obj: Object = orjson.loads(self.view(record, version).wire)
        return obj

    # One object.

    def pieces(self, record: Record, form: Form) -> Pieces:
        """One object in a form other than a table, without a line end."""
        if form.encoding != JSON:
            return (self._encode(record, form),)
        if form.kind == OBJECT:
            return self.view(record, form.version)[5:9]
        if form.kind == PARTIAL:
            view = self._described(record, form.version)
            return (self._partial_starts[form.meta_version], view.head, view.managed, b"}}")
        raise self.unacceptable(form)

    def _encode(self, record: Record, form: Form) -> bytes:
        key = (record.key, record.revision, form)
        found: bytes | None = self._encoded.get(key) if record.revision else None
        if found is None:
            plain = b"".join(self.pieces(record, form._replace(encoding=JSON)))
            gvk = self._gvk(form)
            found = self.encode(orjson.loads(plain), gvk, form.encoding)
            self._encoded.put(key, found, len(found))
        return found

    def encode(self, obj: Object, gvk: GroupVersionKind, encoding: str) -> bytes:
        """A finished JSON object in another encoding."""
        return self._encoders[encoding](obj, gvk)

    def _gvk(self, form: Form) -> GroupVersionKind:
        if form.kind == OBJECT:
            return self.resource.gvk(form.version)
        return GroupVersionKind("meta.k8s.io", form.meta_version, "PartialObjectMetadata")

    # Lists.

    def list_pieces(self, records: Sequence[Record], meta: ListMeta, form: Form) -> list[bytes]:
        """A list in JSON, in pieces that are the records' own bytes; nothing of size is copied. No line end."""
        start, between = self._list_start(meta, form)
        if not records:
            # A list of metadata is a nil slice upstream.
            return [start + (b'"items":null}' if form.kind == PARTIAL_LIST else b'"items":[]}')]
        pieces = [start]
        self._add_items(pieces, records, form, between)
        return _closed(pieces, between)

    async def list_pieces_in_slices(self, records: Sequence[Record], meta: ListMeta, form: Form) -> list[bytes]:
        """The same, letting others have the loop in between."""
        if len(records) <= SLICE and not self.converts(form.version):
            return self.list_pieces(records, meta, form)
        start, between = self._list_start(meta, form)
        pieces = [start]
        size = CONVERTED if self.converts(form.version) else SLICE
        for begin in range(0, len(records), size):
            self._add_items(pieces, records[begin : begin + size], form, between)
            await asyncio.sleep(0)
        return _closed(pieces, between) if records else self.list_pieces(records, meta, form)

    def _list_start(self, meta: ListMeta, form: Form) -> tuple[bytes, bytes]:
        """The list up to its items, and what comes between two of these."""
        if form.kind == OBJECT:
            start = record_start(self.resource.list_kind_name, self.api_version(form.version))
            item_start = b'{"metadata":' if self._bare_items else self._starts[form.version]
        elif form.kind == PARTIAL_LIST:
            start = record_start("PartialObjectMetadataList", f"meta.k8s.io/{form.meta_version}")
            item_start = self._partial_starts[form.meta_version]
        else:
            raise self.unacceptable(form, a_list=True)
        return start + meta.json() + b",", b"," + item_start

    def _add_items(self, pieces: list[bytes], records: Sequence[Record], form: Form, between: bytes) -> None:
        common = self._starts.get(form.version)
        whole = form.kind == OBJECT
        view_of = self.view if whole else self._described
        for record in records:
            view = record if whole and record.start == common else view_of(record, form.version)
            pieces += (between, view.head, view.managed, view.tail if whole else b"}}")

    def converts(self, version: str) -> bool:
        """Whether records have to be converted for this version."""
        return self.api_version(version) != self.resource.stored_api_version

    def list_object(self, records: Sequence[Record], meta: ListMeta, form: Form) -> Object:
        """The same as a dict, for the encodings that need one."""
        found: Object = orjson.loads(b"".join(self.list_pieces(records, meta, form)))
        return found

    def unacceptable(self, form: Form, a_list: bool = False) -> StatusError:
        """406 for a form that the answer cannot take."""
        kind = f"*{_go_package(self.resource)}.{self.resource.kind}" + ("List" if a_list else "")
        if self.resource.schemas is not None:
            kind = "*unstructured.UnstructuredList" if a_list else "*unstructured.Unstructured"
        if form.kind == PARTIAL:
            return not_acceptable(f"you requested PartialObjectMetadata, but the requested object is a list ({kind})")
        return no_list(kind)


def no_list(go_type: str) -> StatusError:
    """406 for metadata as a list, of one object."""
    return not_acceptable(
        f"you requested PartialObjectMetadataList, but the requested object is not a list ({go_type})"
    )


def _closed(pieces: list[bytes], between: bytes) -> list[bytes]:
    """A list's end, and its first item without the comma."""
    pieces[1] = b'"items":[' + between[1:]
    pieces.append(b"]}")
    return pieces


def encode_yaml(obj: Object, gvk: GroupVersionKind) -> bytes:
    """YAML as upstream writes it."""
    from apiserver.apimachinery.codec.yaml import dump  # 15 ms of import: on first use

    return dump(obj)


_META_VERSIONS = ("v1", "v1beta1")


def _go_package(resource: Resource) -> str:
    """The Go package of a built-in kind's internal type, which some messages show."""
    if resource.group in ("", "events.k8s.io"):
        return "core"
    return resource.group.partition(".")[0]
