"""From stored bytes to Records: decode once, apply the kind's defaults, write the wire form down, note the facts.

What storage holds may come from a real kube-apiserver (Go's key order, older defaults, another version of the kind): the
record shows what a read has to show, and is marked stale where the stored bytes say something else.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern
from typing import Any

import orjson

from apiserver.apimachinery.objects import Object
from apiserver.registry.resource import Resource
from apiserver.storage.cacher.record import Record
from apiserver.storage.interface import KeyValue

REMEMBERED = 512  # records just made: the writer makes one, the watch event brings the same bytes again
POOL = 8192  # distinct managedFields and label sets remembered to be shared, in each of two generations

_META_FIRST = ("name", "generateName", "namespace", "uid")  # before resourceVersion, as upstream's ObjectMeta

MakeRecord = Callable[[KeyValue], Record]


class UnreadableObject(ValueError):
    """Stored bytes that are not an object this server can read."""


class Pool:
    """Makes equal values one: the first of them is kept, in two generations, so that it forgets what is out of use."""

    def __init__(self, size: int = POOL) -> None:
        self._size = size
        self._young: dict[Any, Any] = {}
        self._old: dict[Any, Any] = {}

    def share(self, value: Any) -> Any:
        found = self._young.get(value)
        if found is not None:
            return found
        found = self._old.get(value, value)
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[found] = found
        return found


class EntriesMemo:
    """Decodes the `managed` piece of records, which many share, once per distinct piece. The entries are shared."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[Any]] = {}

    def __call__(self, managed: bytes) -> list[Any]:
        found = self._known.get(managed)
        if found is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            found = self._known[managed] = orjson.loads(b"{" + managed[managed.index(b'"') :] + b"}")["managedFields"]
        return found


class RecordMaker:
    """Makes the Records of one storage prefix. Callable: `make_record(KeyValue) → Record`."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._selectors = tuple(resource.selectable.values())
        self._api_version = resource.stored_api_version
        self._start = record_start(resource.kind, self._api_version)
        self._pool = Pool()
        self._recent: dict[str, Record] = {}
        self._expected: dict[str, tuple[bytes, Object]] = {}

    def __call__(self, item: KeyValue) -> Record:
        recent = self._recent.get(item.key)
        if recent is not None and recent.revision == item.revision:
            return recent
        if self._expected and not item.stale:
            value, form = self._expected.get(item.key, (b"", {}))
            if form and value == item.value:
                return self._written(item, form)
        return self._remember(self._make(item))

    def _remember(self, record: Record) -> Record:
        if len(self._recent) >= REMEMBERED:
            del self._recent[next(iter(self._recent))]
        self._recent[record.key] = record
        return record

    def expect(self, key: str, value: bytes, form: Object) -> None:
        """`value`, which is `form` in bytes, is being written: its event, which mostly comes before the writer goes on,
        need not be decoded. Until `forget`."""
        self._expected[key] = (value, form)

    def forget(self, key: str, value: bytes) -> None:
        """The write has ended, in whichever way."""
        expected = self._expected.get(key)
        if expected is not None and expected[0] is value:
            del self._expected[key]

    def written(self, item: KeyValue, form: Object) -> Record:
        """The record of what was just written, `form` in bytes, without decoding it again."""
        recent = self._recent.get(item.key)
        if recent is not None and recent.revision == item.revision:
            return recent
        return self._written(item, form)

    def _written(self, item: KeyValue, form: Object) -> Record:
        meta = dict(form["metadata"])
        managed = managed_piece(meta.pop("managedFields", None))
        form = {**form, "metadata": meta}  # the event's reader may have it again
        self._show(form)
        record = self._assemble(item, form, self._pool.share(managed), False)
        # What defaults or decoration add is not in the stored bytes; a revision in the wire form is not either.
        shown = sum(map(len, record[5:9])) - len(b'"resourceVersion":"",') - len(str(item.revision))
        return self._remember(record if shown == len(item.value) else record._replace(stale=True))

    def dry(self, obj: Object) -> Record:
        """The record of an object that is not stored (a dry run): revision 0, its resourceVersion as it brings it along."""
        meta = dict(obj["metadata"])
        managed = managed_piece(meta.pop("managedFields", None))
        return self._assemble(KeyValue("", b"", 0), {**obj, "metadata": meta}, managed, False)

    def _make(self, item: KeyValue) -> Record:
        obj = decode_stored(item)
        managed = managed_piece(obj["metadata"].pop("managedFields", None))
        stale = self._normalize(obj) or item.stale
        return self._assemble(item, obj, self._pool.share(managed), stale)

    def _normalize(self, obj: Object) -> bool:
        """Bring a stored object to what reads show; whether that changed anything."""
        resource = self._resource
        stale = False
        if obj.get("apiVersion") != self._api_version:
            stale = True
            if resource.convert is not None and obj.get("apiVersion"):
                obj.update(resource.convert(obj, self._api_version))
        before = orjson.dumps(obj)
        self._show(obj)
        return stale or orjson.dumps(obj) != before

    def _show(self, obj: Object) -> None:
        """Fill in what reads show."""
        self._resource.strategy.default(obj)
        if self._resource.decorate is not None:
            self._resource.decorate(obj)

    def _assemble(self, item: KeyValue, obj: Object, managed: bytes, stale: bool) -> Record:
        meta = obj["metadata"]
        fields = tuple([intern(select(obj)) for select in self._selectors])
        rest = {k: v for k, v in obj.items() if k not in ("kind", "apiVersion", "metadata")}
        tail = b"}," + orjson.dumps(rest)[1:] if rest else b"}}"
        owners = meta.get("ownerReferences")
        labels = meta.get("labels")
        return Record(
            item.key,
            item.revision,
            intern(meta.get("namespace") or ""),
            meta.get("name") or "",
            meta.get("uid") or "",
            self._start,
            orjson.dumps(_with_revision(meta, item.revision))[:-1],
            managed,
            tail,
            self._pool.share(tuple(sorted(labels.items()))) if labels else (),
            fields,
            tuple([owner.get("uid") or "" for owner in owners]) if owners else (),
            stale,
        )


def record_maker(resource: Resource) -> RecordMaker:
    """What makes the records of this resource's storage prefix.

    Resources that share a prefix (events) declare `selectable` in the same order with the same values.
    """
    return RecordMaker(resource)


def record_start(kind: str, api_version: str) -> bytes:
    """How an object begins on the wire, up to its metadata."""
    return orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1] + b',"metadata":'


def decode_stored(item: KeyValue) -> Object:
    """The object in a stored value."""
    if item.value.lstrip()[:1] != b"{":
        raise UnreadableObject(f"{item.key} does not hold JSON")
    obj: Object = orjson.loads(item.value)
    meta = obj.get("metadata")
    if meta is None:
        obj["metadata"] = {}
    elif not isinstance(meta, dict):
        raise UnreadableObject(f"{item.key} has no metadata")
    return obj


def managed_piece(managed: Any) -> bytes:
    """managedFields as the piece of wire form that follows the rest of metadata."""
    return b',"managedFields":' + orjson.dumps(managed) if managed else b""


def _with_revision(meta: dict[str, Any], revision: int) -> dict[str, Any]:
    """The metadata with its resourceVersion, at upstream's place."""
    ordered = {k: meta[k] for k in _META_FIRST if k in meta}
    if revision:
        ordered["resourceVersion"] = str(revision)
    for key, value in meta.items():
        if key not in ordered:
            ordered[key] = value
    return ordered
