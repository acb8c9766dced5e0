"""Bodies of writes: from bytes to an object in the hub form, with upstream's refusals and warnings.

Mirrors upstream endpoints/handlers/{create,update,patch,rest}.go (decoding and transformDecodeError) and negotiation.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery.errors import bad_request, unsupported_media_type
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.http import Request
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
from apiserver.endpoints.handlers.admitting import Write
from apiserver.endpoints.scope import Scope

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
_BUILT_IN, _CUSTOM = (JSON, YAML, PROTOBUF), (JSON, YAML)

_SUMMARY = 30  # bytes of a body that an error shows


class Undecodable(ValueError):
    """An object that is none of its kind; the message is what Go's decoder says."""


def media_type(scope: Scope, request: Request) -> str:
    """The body's media type; 415 for what cannot be read."""
    header = request.headers.get("content-type", "")
    if not header or header == JSON:
        return JSON
    supported = _CUSTOM if scope.resource.schemas is not None else _BUILT_IN
    found = header.partition(";")[0].strip().lower()
    if found in supported:
        return found
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}"
    )


def decode(write: Write, data: bytes, media_type: str) -> Object:
    """A body as an object in the hub form, defaulted."""
    gvk = write.scope.gvk
    try:
        obj = orjson.loads(data)
    except orjson.JSONDecodeError as e:
        raise _unrecognized(write, f"couldn't get version/kind; json parse error: {e}", data) from e
    if obj is None:
        obj = {}
    kind, api_version = obj.get("kind") or gvk.kind, obj.get("apiVersion") or gvk.api_version
    if GroupVersion.parse(api_version) != gvk.group_version:
        expected = gvk.group_version
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )
    obj["kind"], obj["apiVersion"] = kind, api_version
    return to_hub(write, obj)


def _unrecognized(write: Write, why: str, data: bytes) -> Exception:
    kind = write.scope.gvk.kind
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({_summary(data)})")


def _summary(data: bytes) -> str:
    if not data:
        return "<empty>"
    more = " ..." if len(data) > _SUMMARY else ""
    if data[:1] == b"{":
        return data[:_SUMMARY].decode("utf-8", "replace") + more
    return data[:_SUMMARY].hex() + more


def check(write: Write, obj: Any) -> tuple[Object, list[str]]:
    """A patched object, if it is one of its kind, and the fields it has too many. Raises Undecodable."""
    if not isinstance(obj, dict):
        raise Undecodable("json: cannot unmarshal")
    return obj, []


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


def to_hub(write: Write, obj: Object) -> Object:
    """From the version the client speaks to the hub's, defaulted."""
    if write.scope.rest is not None:
        return obj
    obj = _convert(write, obj, write.scope.resource.stored_api_version)
    write.strategy.default(obj)
    return obj


def _convert(write: Write, obj: Object, api_version: str) -> Object:
    resource = write.scope.resource
    if write.scope.rest is not None or resource.convert is None:
        return obj
    return resource.convert(obj, api_version)


def schema_of(scope: Scope) -> Schema:
    """The schema of the scope's bodies."""
    if scope.subresource is None or scope.subresource.kind is None:
        schemas = scope.resource.schemas
        if schemas is not None:
            return schemas[scope.version]
    return builtin().schema(scope.gvk)


def parse_patch(data: bytes) -> tuple[Any, list[str]]:
    """A JSON patch document, and its duplicate fields; 400 for what is no JSON."""
    try:
        return orjson.loads(data), []
    except orjson.JSONDecodeError as e:
        raise bad_request("invalid JSON patch") from e


def parse_apply(data: bytes) -> tuple[Any, list[str]]:
    """An apply configuration, in YAML or JSON, and its duplicate fields."""
    return orjson.loads(data), []


def yaml_strict_error(found: list[str]) -> str:
    return "error converting YAML to JSON: yaml: unmarshal errors:\n  " + "\n  ".join(found)


def decode_delete_options(data: bytes, media_type: str) -> Object:
    """DeleteOptions from a body."""
    options: Object = orjson.loads(data) or {}
    return {key: value for key, value in options.items() if value is not None and key not in ("kind", "apiVersion")}
