"""Bodies of writes: from bytes to an object in the hub form, with upstream's refusals and warnings.

Mirrors upstream endpoints/handlers/{create,update,patch,delete}.go; what Go's decoders say comes from `apimachinery/decode`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

import orjson

from apiserver.apimachinery import decode as decoding
from apiserver.apimachinery import objects
from apiserver.apimachinery.codec import json, protobuf_reader
from apiserver.apimachinery.decoding.exact import Decoder, parse
from apiserver.apimachinery.decoding.types import go_type, struct_type
from apiserver.apimachinery.errors import StatusError, bad_request, go_quote, unsupported_media_type
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.http import Request
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.patch.errors import json_type
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
from apiserver.endpoints.handlers.admitting import Write
from apiserver.endpoints.handlers.restoring import restore_error, with_go_numbers
from apiserver.endpoints.options import IGNORE
from apiserver.endpoints.scope import Scope

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_BUILT_IN, _CUSTOM = (JSON, YAML, PROTOBUF), (JSON, YAML)
_PROTOBUF_PREFIX = b"k8s\0"
_NOT_PROTOBUF = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
# What Go's mime.ParseMediaType takes after the type: `a=b; c="d"`, blanks, an empty end.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETERS = re.compile(rf'(\s*{_TOKEN}=({_TOKEN}|"([^"\\]|\\.)*")\s*;)*(\s*{_TOKEN}=({_TOKEN}|"([^"\\]|\\.)*"))?\s*')

_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_TYPE = ("kind", "apiVersion")
# What upstream's scheme of options knows besides them.
_META_KINDS = {
    "v1": (
        "Status",
        "APIVersions",
        "APIGroup",
        "APIGroupList",
        "APIResourceList",
        "CreateOptions",
        "UpdateOptions",
        "PatchOptions",
    ),
    "meta.k8s.io/v1": ("Table", "TableOptions", "PartialObjectMetadata", "PartialObjectMetadataList", "WatchEvent"),
}
_GO_MAP = "map[string]interface {}"


class Undecodable(ValueError):
    """An object that is none of its kind; the message is what Go's decoder says."""


def media_type(scope: Scope, request: Request) -> str:
    """The body's media type; 415 for what cannot be read."""
    header = request.headers.get("content-type", "")
    if not header or header == JSON:
        return JSON
    supported = _CUSTOM if scope.resource.schemas is not None else _BUILT_IN
    name, _, parameters = header.partition(";")
    found = name.strip().lower()
    if found in supported and (not parameters or _PARAMETERS.fullmatch(parameters)):
        return found
    raise _unsupported(supported)


def _unsupported(supported: tuple[str, ...]) -> StatusError:
    return unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}"
    )


def schema_of(scope: Scope) -> Schema:
    """The schema of the scope's bodies."""
    if scope.subresource is None or scope.subresource.kind is None:
        schemas = scope.resource.schemas
        if schemas is not None:
            return schemas[scope.version]
    return builtin().schema(scope.gvk)


# Whole objects


def decode(write: Write, data: bytes, media_type: str) -> Object:
    """A body as an object in the hub form, defaulted. What only a strict decoder refuses becomes warnings."""
    scope = write.scope
    if media_type == PROTOBUF:
        data, media_type = _from_protobuf(scope, data, schema_of(scope).name), JSON
    accepted = scope.subresource.accepts if scope.subresource is not None else ()
    obj, found = decoding.decode(
        data, media_type, schema_of(scope), scope.gvk, validation=write.options.field_validation, accepted=accepted
    )
    if accepted:
        obj["apiVersion"] = scope.gvk.api_version  # of the same form: that is all the conversion there is
    if found:
        write.warnings.extend(found)
    if b"managedFields" in data and "managedFields" not in (obj.get("metadata") or {}):
        _keep_reset(_parse(data, media_type), obj)
    return to_hub(write, obj)


def _resets(obj: Any) -> bool:
    """An empty list of managedFields: the client wants all owners forgotten. Decoders drop it with all that is empty."""
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    return isinstance(meta, dict) and meta.get("managedFields") == []


def _keep_reset(raw: Any, obj: Object) -> None:
    if _resets(raw):
        objects.metadata(obj)["managedFields"] = []


def _from_protobuf(scope: Scope, data: bytes, definition: str) -> bytes:
    """A protobuf body as the JSON it stands for."""
    if not data.startswith(_PROTOBUF_PREFIX):
        raise decoding.unrecognized(_NOT_PROTOBUF if data else "empty data", scope.gvk, data)
    return _protobuf_as_json(data, definition)


def _protobuf_as_json(data: bytes, definition: str) -> bytes:
    if not data.startswith(_PROTOBUF_PREFIX):
        raise bad_request(_NOT_PROTOBUF)
    try:
        return protobuf_reader.decode(data, definition)
    except protobuf_reader.Malformed as e:
        raise bad_request(str(e)) from e


def check(write: Write, obj: Any, touched: Collection[str] | None = None) -> tuple[Object, list[str]]:
    """A patched object, if it is one of its kind, and the fields it has too many. Raises Undecodable with Go's words.

    `touched` are the top-level fields a patch may have changed: the others are as they were stored. The fields too many are
    sorted: upstream decodes the text of a Go map.
    """
    kept: Object = {}
    if touched is not None and obj.__class__ is dict:
        kept = {key: value for key, value in obj.items() if key not in touched and key not in _TYPE}
        obj = {key: value for key, value in obj.items() if key not in kept}
    resets = _resets(obj)
    try:
        found, strict = decoding.typed(obj, schema_of(write.scope), strict=write.options.field_validation != IGNORE)
    except decoding.DecodeError as e:
        raise Undecodable(str(e)) from e
    if resets:
        objects.metadata(found)["managedFields"] = []
    found.update(kept)
    return found, sorted(strict)


def unconverted(write: Write) -> bool:
    """Whether the client speaks the stored version: what it does not touch is well-formed then."""
    return write.scope.gvk.api_version == write.scope.resource.stored_api_version


def check_kind(write: Write, obj: Any) -> tuple[Any, list[str]]:
    """A JSON or merge patch may have changed what the object says it is: the decoder notices. Raises Undecodable.

    Answers with the object as one of the kind the URL names, and fields that are lost on the way.
    """
    gvk = write.scope.gvk
    if obj.__class__ is dict and obj.get("kind") == gvk.kind and obj.get("apiVersion") == gvk.api_version:
        return obj, []
    kind, api_version = _type_meta(obj)
    if not api_version:
        # Upstream decodes it into a type without fields, and misses the name next.
        return {}, [f'unknown field "{key}"' for key in sorted(obj) if key not in ("kind", "apiVersion")]
    actual = GroupVersion.parse(api_version).with_kind(kind or gvk.kind)
    obj["kind"] = actual.kind
    if actual == gvk:
        return obj, []
    source, target = f"{actual.version}.{actual.kind}", decoding.internal_type(gvk)
    unknown = f"converting ({source}) to ({target}): unknown conversion"
    try:
        schema = builtin().schema(actual)
    except KeyError:
        raise Undecodable(unknown if decoding.is_registered(actual) else _not_registered(actual)) from None
    try:
        found = decoding.typed(obj, schema).obj
    except decoding.DecodeError as e:
        raise Undecodable(str(e)) from e
    if decoding.internal_type(actual) != target:
        raise Undecodable(unknown)
    return _convert(write, found, gvk.api_version), []


def restored(write: Write, obj: Object) -> Object:
    """What a strategic merge patch or an apply made is restored, not decoded: its numbers are converted.

    Raises Undecodable with the converter's words.
    """
    schema = schema_of(write.scope)
    if not schema.go_fields:
        return obj
    if why := restore_error(obj, schema.name):
        raise Undecodable(why)
    return with_go_numbers(obj, schema.name)


def _type_meta(obj: Any) -> tuple[str, str]:
    """kind and apiVersion, "" where they are absent. Raises Undecodable."""
    parse_error = "couldn't get version/kind; json parse error: json: cannot unmarshal"
    if not isinstance(obj, dict):
        raise Undecodable(f"{parse_error} {json_type(obj)} into Go value of type {_TYPE_META}")
    for field in ("kind", "apiVersion"):
        value = obj.get(field)
        if value is not None and not isinstance(value, str):
            raise Undecodable(f"{parse_error} {json_type(value)} into Go struct field .{field} of type string")
    api_version = obj.get("apiVersion") or ""
    if api_version.count("/") > 1:
        raise Undecodable(f"unexpected GroupVersion string: {api_version}")
    return obj.get("kind") or "", api_version


def _not_registered(gvk: GroupVersionKind) -> str:
    shown = f"no kind {go_quote(gvk.kind)} is registered for version {go_quote(gvk.api_version)}"
    return f'{shown} in scheme "{decoding.SCHEME}"'


# Between versions


def versioned(write: Write, old: Object, patch: bytes) -> Object:
    """The old object in the version the client speaks, for a patch to change.

    Entries of managedFields are shared (see `apimachinery/apply`), unless the patch may reach into them.
    """
    obj = _convert(write, old, write.scope.gvk.api_version)
    meta = obj.get("metadata") or {}
    managed = meta.get("managedFields")
    if not managed or b"managedFields" in patch:
        return orjson.loads(orjson.dumps(obj))  # type: ignore[no-any-return]
    copied: Object = orjson.loads(orjson.dumps({**obj, "metadata": {**meta, "managedFields": None}}))
    copied["metadata"]["managedFields"] = list(managed)
    return copied


def in_go_order(write: Write, obj: Object) -> Object:
    """An object with its fields where Go writes them, and maps sorted: for messages that show it."""
    schema = schema_of(write.scope)
    if not schema.go_fields:
        return obj
    found: Object = Decoder(False).decode(parse(orjson.dumps(obj)), struct_type(schema.name))[0]
    return found


def to_hub(write: Write, obj: Object) -> Object:
    """From the version the client speaks to the hub's, defaulted."""
    if write.scope.rest is not None:
        default = getattr(write.scope.rest, "default", None)
        if default is not None:
            default(obj)
        return obj
    obj = _convert(write, obj, write.scope.resource.stored_api_version)
    write.strategy.default(obj)
    return obj


def _convert(write: Write, obj: Object, api_version: str) -> Object:
    resource = write.scope.resource
    if write.scope.rest is not None or resource.convert is None:
        return obj
    return resource.convert(obj, api_version)


# Patches and options


class PatchDocument(NamedTuple):
    """A parsed patch, its duplicate fields, and what Go says of a number in it that is too large."""

    value: Any
    duplicates: list[str]
    fault: str = ""


def parse_patch(data: bytes) -> PatchDocument:
    """400 for what is no JSON."""
    fault = ""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value, fault = json.loads(data), json.number_fault(data)
        except json.SyntaxFault as e:
            raise bad_request("invalid JSON patch") from e
    return PatchDocument(value, _duplicates(data) if json.has_duplicates(data, value) else [], fault)


def _duplicates(data: bytes) -> list[str]:
    """`duplicate field "a.b"` for every key said twice."""
    return Decoder().decode(parse(data), go_type("any"))[1]


def parse_apply(data: bytes) -> tuple[Any, list[str]]:
    """An apply configuration, in YAML or JSON, and its duplicate fields, as a YAML parser tells them."""
    if data.lstrip()[:1] == b"{" and b"\\ud" not in data and b"\\uD" not in data:  # halves of a character: none in YAML
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
        else:
            if not json.has_duplicates(data, value):
                return value, []
    return _parse_yaml_apply(data)


def _parse_yaml_apply(data: bytes) -> tuple[Any, list[str]]:
    from apiserver.apimachinery.codec import yaml  # 15 ms of import: on first use

    try:
        document = yaml.parse(data)
    except yaml.YamlError as e:
        # Upstream turns YAML into JSON for the audit log first, unless it looks like JSON already.
        text = str(e)
        bare = text.removeprefix("error converting YAML to JSON: ")
        if data.lstrip()[:1] == b"{":
            raise bad_request(f"error decoding patch: error converting YAML to JSON: {bare}") from e
        raise bad_request(f"error encoding patch: {bare}") from e
    value = {} if document.value is None else document.value
    if not isinstance(value, dict):
        why = f"json: cannot unmarshal {json_type(value)} into Go value of type {_GO_MAP}"
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: {why}")
    return value, list(document.duplicates)


def yaml_strict_error(found: list[str]) -> str:
    return "error converting YAML to JSON: yaml: unmarshal errors:\n" + "\n".join(f"  {text.strip()}" for text in found)


def decode_delete_options(data: bytes, media_type: str) -> Object:
    """DeleteOptions from a body; 400 in the decoder's bare words."""
    if media_type == PROTOBUF:
        data, media_type = _protobuf_as_json(data, _DELETE_OPTIONS), JSON
    value = _parse(data, media_type)
    try:
        kind, api_version = _type_meta({} if value is None else value)
        if kind not in ("", "DeleteOptions"):
            found = GroupVersion.parse(api_version or "meta.k8s.io/v1").with_kind(kind)
            if kind in _META_KINDS.get(found.api_version, ()):
                raise Undecodable(f"converting (v1.{kind}) to (v1.DeleteOptions): unknown conversion")
            raise Undecodable(_not_registered(found))
        options, _ = decoding.typed(value or {}, builtin().definition(_DELETE_OPTIONS))
    except (Undecodable, decoding.DecodeError) as e:
        raise bad_request(str(e)) from e
    return {key: value for key, value in options.items() if key not in ("kind", "apiVersion")}


def _parse(data: bytes, media_type: str) -> Any:
    if media_type == YAML:
        from apiserver.apimachinery.codec import yaml

        try:
            return yaml.parse(data).value
        except yaml.YamlError as e:
            raise bad_request(str(e)) from e
    try:
        return json.loads(data)
    except json.SyntaxFault as e:
        raise bad_request(f"couldn't get version/kind; json parse error: {e}") from e
