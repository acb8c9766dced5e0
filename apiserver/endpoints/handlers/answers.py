"""Answers: a record, a plain object, a list or a Status in the form the client asked for.

Mirrors upstream endpoints/handlers/response.go. A record in JSON goes out as its own bytes, a list as a sequence of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson

from apiserver.apimachinery.codec import negotiate as negotiation
from apiserver.apimachinery.decode import internal_type
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.http import Request, Response
from apiserver.apimachinery.objects import Object
from apiserver.endpoints.responses import encode_json, wants_pretty
from apiserver.endpoints.scope import Scope
from apiserver.registry.reading import Listing
from apiserver.registry.rendition import (
    JSON,
    OBJECT,
    PARTIAL,
    PARTIAL_LIST,
    TABLE,
    YAML,
    Form,
    ListMeta,
    encode_yaml,
    no_list,
)
from apiserver.registry.table import check_include
from apiserver.storage.cacher.record import Record

SMALL = 64 << 10  # bytes up to which a body is joined here: one write with its head
MANY = 512  # pieces from which on nobody adds up their sizes only to learn that it is not small

_KINDS = {
    "": OBJECT,
    negotiation.TABLE: TABLE,
    negotiation.PARTIAL: PARTIAL,
    negotiation.PARTIAL_LIST: PARTIAL_LIST,
}
_MEDIA_TYPES = {encoding: media_type for media_type, encoding in negotiation.ENCODINGS.items()}


def negotiate(scope: Scope, request: Request, *, stream: bool = False) -> Form:
    """The form of the answer; 406 when there is none. `stream`: the answer is a watch."""
    accept = request.headers.get("accept", "")
    pretty = not stream and wants_pretty(request)
    if accept in ("", "application/json", "*/*"):
        return Form(scope.version, pretty=pretty)
    supported = negotiation.BUILT_IN if scope.resource.schemas is None else negotiation.CUSTOM
    found = negotiation.negotiate(accept, supported, tables=scope.has_tables, stream=stream)
    return Form(
        scope.version,
        found.encoding,
        _KINDS[found.as_kind],
        request.query.get("includeObject", "") if found.as_kind == negotiation.TABLE else "",
        found.as_version or "v1",
        pretty or (found.pretty and not stream),
    )


def record_answer(scope: Scope, request: Request, form: Form, record: Record, status: int) -> Response:
    """One stored object."""
    if form.kind == TABLE:
        check_include(form.include)
        pieces: Sequence[bytes] = scope.store.tables.pieces(
            (record,), ListMeta(record.revision), form, scope.clock.now()
        )
    else:
        plain = form.encoding == JSON or form.kind != OBJECT
        if plain and (form.pretty or form.encoding != JSON):
            pieces = scope.store.renditions.pieces(record, form._replace(encoding=JSON, pretty=False))
        else:
            pieces = scope.store.renditions.pieces(record, form)
        if not plain:
            return Response(status, pieces[0], _MEDIA_TYPES[form.encoding])
    return json_answer(scope, form, pieces, status)


def list_answer(scope: Scope, request: Request, form: Form, listing: Listing) -> Response:
    """A page of stored objects."""
    meta = ListMeta(listing.revision, listing.continue_token, listing.remaining)
    if form.kind == TABLE:
        check_include(form.include)
        pieces = scope.store.tables.list_pieces(listing.records, meta, form, scope.clock.now())
    else:
        pieces = scope.store.renditions.list_pieces(listing.records, meta, form)
    return json_answer(scope, form, pieces, 200)


async def large_list_answer(scope: Scope, request: Request, form: Form, listing: Listing) -> Response:
    """The same for lists of any size: others get the loop in between."""
    meta = ListMeta(listing.revision, listing.continue_token, listing.remaining)
    if form.kind == TABLE:
        check_include(form.include)
        pieces = await scope.store.tables.pieces_in_slices(listing.records, meta, form, scope.clock.now())
    elif form.encoding == YAML and form.kind == OBJECT:
        return Response(200, await _yaml_list(scope, listing.records, meta, form), _MEDIA_TYPES[YAML])
    else:
        pieces = await scope.store.renditions.list_pieces_in_slices(listing.records, meta, form)
    return json_answer(scope, form, pieces, 200)


async def _yaml_list(scope: Scope, records: Sequence[Record], meta: ListMeta, form: Form) -> list[bytes]:
    """A list in YAML, item by item: each may take milliseconds."""
    from apiserver.apimachinery.codec.yaml import dump  # 15 ms of import: on first use

    plain = orjson.loads(b"".join(scope.store.renditions.list_pieces((), meta, form)))
    pieces = [dump({"apiVersion": plain["apiVersion"]}), b"items:\n" if records else b"items: []\n"]
    bare = scope.resource.schemas is None
    for record in records:
        item = scope.store.renditions.object(record, form.version)
        if bare:
            del item["kind"], item["apiVersion"]
        pieces.append(dump([item]))
        await asyncio.sleep(0)
    pieces.append(dump({"kind": plain["kind"], "metadata": plain["metadata"]}))
    return pieces


def json_answer(scope: Scope, form: Form, pieces: Sequence[bytes], status: int) -> Response:
    """Finished JSON as the form wants it: as it is, indented, or in another encoding."""
    if form.encoding != JSON or form.pretty:
        return _encoded(orjson.loads(b"".join(pieces)), form, status)
    if len(pieces) <= 8 or (len(pieces) <= MANY and sum(map(len, pieces)) <= SMALL):
        return Response(status, b"".join((*pieces, b"\n")))
    return Response(status, [*pieces, b"\n"])


def object_answer(scope: Scope, request: Request, form: Form, obj: Object, status: int) -> Response:
    """An object that is no record: a subresource's answer, a review, a Status."""
    if form.kind != OBJECT and obj.get("kind") != "Status":
        obj = _transformed(scope, form, obj)
    return _encoded(obj, form, status)


def success_answer(scope: Scope, request: Request, form: Form, details: Object, status: int, code: int = 0) -> Response:
    """A Status that says what succeeded."""
    body: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }
    if code:
        body["code"] = code
    return object_answer(scope, request, form, body, status)


def _encoded(obj: Object, form: Form, status: int) -> Response:
    if form.encoding == JSON:
        return Response(status, encode_json(obj, form.pretty))
    gvk = GroupVersionKind("", obj.get("apiVersion", ""), obj.get("kind", ""))
    return Response(status, encode_yaml(obj, gvk), _MEDIA_TYPES[form.encoding])


def _transformed(scope: Scope, form: Form, obj: Object) -> Object:
    """A plain object as a table or as its metadata."""
    meta = obj.get("metadata") or {}
    api_version = f"meta.k8s.io/{form.meta_version}"
    partial = {"kind": "PartialObjectMetadata", "apiVersion": api_version, "metadata": meta}
    if form.kind == PARTIAL:
        return partial
    if form.kind == PARTIAL_LIST:
        if scope.subresource is not None:
            raise no_list(f"*{internal_type(scope.gvk)}")
        raise scope.renditions().unacceptable(form)
    check_include(form.include)
    row = orjson.loads(scope.tables().empty_row(obj, form.version, scope.clock.now()) + b"null}")
    row["object"] = None if form.include == "None" else obj if form.include == "Object" else partial
    return {
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": {k: meta[k] for k in ("resourceVersion",) if k in meta},
        "columnDefinitions": orjson.loads(scope.tables().header(form.version)),
        "rows": [row],
    }
