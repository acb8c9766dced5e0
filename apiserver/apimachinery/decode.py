"""From bytes to an object of a kind: what Go's decoder makes of it, in the form it would write back.

`decode` is for bodies: it raises the 400 upstream answers and returns unknown and duplicate fields as warnings. `typed` is for
objects that are parsed already (patched ones); `DecodeError` carries Go's words then.
Mirrors upstream runtime/serializer/json, endpoints/handlers (create.go, rest.go).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, NamedTuple

import orjson

from apiserver.apimachinery.codec.json import SyntaxFault, has_duplicates, loads
from apiserver.apimachinery.decoding.custom import custom_object
from apiserver.apimachinery.decoding.exact import DecodeError, Decoder, Pairs, json_kind, parse
from apiserver.apimachinery.decoding.fast import Irregular, table, walk
from apiserver.apimachinery.decoding.types import struct_type
from apiserver.apimachinery.errors import StatusError, bad_request, go_quote
from apiserver.apimachinery.gvk import GroupVersion, GroupVersionKind
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin

__all__ = ["DecodeError", "Decoded", "decode", "normalize", "strict_error", "typed"]

JSON, YAML = "application/json", "application/yaml"
STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
SCHEME = "pkg/runtime/scheme.go:111"  # how upstream's scheme calls itself, after the place it is made at

_SUMMARY = 30  # bytes of a body that an error shows
_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'


class Decoded(NamedTuple):
    """An object in the form Go writes, and what a strict decoder has against it."""

    obj: Object
    warnings: Sequence[str] = ()


def decode(
    data: bytes,
    content_type: str,
    schema: Schema,
    gvk: GroupVersionKind,
    *,
    validation: str = WARN,
    accepted: Container[GroupVersion] = (),
) -> Decoded:
    """A body that should be a `gvk`. `accepted` are further group versions whose objects of that kind pass.

    Raises the StatusError (400) upstream answers.
    """
    if content_type == YAML:
        return _decode_yaml(data, schema, gvk, validation, accepted)
    try:
        obj = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _decode_exactly(data, data, (), schema, gvk, validation, accepted)
    if obj.__class__ is dict and obj.get("kind") == gvk.kind and obj.get("apiVersion") == gvk.api_version:
        # Duplicates count whatever the validation: Go merges them.
        found = None if has_duplicates(data, obj) else _regular(obj, schema)
        if found is not None:
            return Decoded(found)
    return _decode_exactly(data, data, (), schema, gvk, validation, accepted)


def _regular(obj: Object, schema: Schema) -> Object | None:
    """The object, used up, when nothing about it needs the exact decoder."""
    if not schema.go_fields:
        return None
    try:
        walk(table(schema.name), obj)
    except (Irregular, RecursionError):
        return None
    return obj


def normalize(obj: Object, schema: Schema) -> Object:
    """An object made inside the server in the form Go writes: what is empty goes, what is always written comes.

    `obj` may be used up. Raises DecodeError where it is none of its kind.
    """
    return typed(obj, schema).obj


def typed(obj: Any, schema: Schema, *, strict: bool = True) -> Decoded:
    """An already parsed object of a kind; it may be used up. Raises DecodeError with Go's words."""
    if not schema.go_fields:
        found, errors = custom_object(obj, schema)
        return Decoded(found, errors if strict else ())
    data = orjson.dumps(obj)
    if obj.__class__ is dict and (regular := _regular(obj, schema)) is not None:
        return Decoded(regular)
    found, errors = Decoder(strict).decode(parse(data), struct_type(schema.name))
    return Decoded(found, errors)


def strict_error(errors: Sequence[str]) -> str:
    """How upstream joins strict errors."""
    return "strict decoding error: " + ", ".join(errors)


def _decode_yaml(
    data: bytes, schema: Schema, gvk: GroupVersionKind, validation: str, accepted: Container[GroupVersion]
) -> Decoded:
    from apiserver.apimachinery.codec import yaml  # 15 ms of import: on first use

    try:
        document = yaml.parse(data)
    except yaml.YamlError as e:
        raise unrecognized(str(e), gvk, data) from None
    return _decode_exactly(orjson.dumps(document.value), data, document.duplicates, schema, gvk, validation, accepted)


def _decode_exactly(
    data: bytes,
    original: bytes,
    duplicates: Sequence[str],
    schema: Schema,
    gvk: GroupVersionKind,
    validation: str,
    accepted: Container[GroupVersion],
) -> Decoded:
    """`data` is JSON; `original` what the client sent, with the `duplicates` its YAML had."""
    try:
        loads(data)
        document = parse(data)
    except (SyntaxFault, DecodeError) as e:
        raise unrecognized(_interpret_error(str(e)), gvk, original) from None
    actual = _interpret(document, gvk, original)
    found, errors = _decode_as(actual, document, schema, gvk, accepted)
    errors = [*_yaml_errors(duplicates), *errors]
    group_version = actual.group_version
    if validation == STRICT and errors:
        raise _cannot_be_handled(actual, gvk, strict_error(errors))
    if group_version != gvk.group_version and group_version not in accepted:
        raise bad_request(
            f"the API version in the data ({group_version}) does not match the expected API version ({gvk.group_version})"
        )
    found["kind"], found["apiVersion"] = actual.kind, actual.api_version
    if validation == IGNORE:
        return Decoded(found)
    return Decoded(found, [*duplicates, *errors[1 if duplicates else 0 :]])


def _yaml_errors(duplicates: Sequence[str]) -> list[str]:
    if not duplicates:
        return []
    return ["yaml: unmarshal errors:\n" + "\n".join(f"  {d}" for d in duplicates)]


def _decode_as(
    actual: GroupVersionKind, document: Any, schema: Schema, gvk: GroupVersionKind, accepted: Container[GroupVersion]
) -> tuple[Object, list[str]]:
    """Decode as the kind the body says it is, which need not be the expected one."""
    if not schema.go_fields:
        return _decode_custom(actual, document, schema, gvk)
    if actual != gvk:
        try:
            schema = builtin().schema(actual)
        except KeyError:
            if actual.kind == gvk.kind and actual.group_version in accepted:  # of the same form, or it had a schema
                return _decode_as(gvk, document, schema, gvk, ())
            if actual.version == "__internal" and actual.group == gvk.group:
                raise bad_request(
                    f"the API version in the data ({actual.group_version}) "
                    f"does not match the expected API version ({gvk.group_version})"
                ) from None
            if is_registered(actual):
                raise _unconvertible(actual, gvk) from None
            raise _not_registered(actual, gvk) from None
    try:
        found, errors = Decoder().decode(document, struct_type(schema.name))
    except DecodeError as e:
        raise _cannot_be_handled(actual, gvk, str(e)) from None
    if internal_type(actual) != internal_type(gvk):
        raise _unconvertible(actual, gvk)
    return found, errors


def _decode_custom(
    actual: GroupVersionKind, document: Any, schema: Schema, gvk: GroupVersionKind
) -> tuple[Object, list[str]]:
    try:
        return custom_object(document, schema)
    except DecodeError as e:
        raise _cannot_be_handled(actual, gvk, str(e)) from None


def _interpret_error(error: str) -> str:
    return f"couldn't get version/kind; json parse error: {error}"


def _interpret(document: Any, gvk: GroupVersionKind, original: bytes) -> GroupVersionKind:
    """The kind a body says it is; what it leaves open is the expected one's (upstream DefaultMetaFactory)."""
    found = {"apiversion": "", "kind": ""}
    if document is not None:
        if not isinstance(document, Pairs):
            error = f"json: cannot unmarshal {json_kind(document)} into Go value of type {_META}"
            raise unrecognized(_interpret_error(error), gvk, original)
        for key, value in document:
            name = key.lower()
            if name not in found or value is None:
                continue
            if json_kind(value) != "string":
                field = "apiVersion" if name == "apiversion" else "kind"
                error = f"json: cannot unmarshal {json_kind(value)} into Go struct field .{field} of type string"
                raise unrecognized(_interpret_error(error), gvk, original)
            found[name] = value
    try:
        group_version = GroupVersion.parse(found["apiversion"])
    except ValueError as e:
        raise unrecognized(str(e), gvk, original) from None
    return _with_defaults(group_version, found["kind"], gvk)


def _with_defaults(found: GroupVersion, kind: str, gvk: GroupVersionKind) -> GroupVersionKind:
    group, version = found
    if not version and not group:
        group, version = gvk.group, gvk.version
    if not version and group == gvk.group:
        version = gvk.version
    return GroupVersionKind(group, version, kind or gvk.kind)


# metav1.AddToGroupVersion gives these to every version; the others are the core's without a path of their own.
_OPTIONS = (
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "UpdateOptions",
    "WatchEvent",
)
_BARE_CORE = ("List", "RangeAllocation", "SerializedReference", "PodLogOptions", "PodExecOptions", "PodAttachOptions")
_INTERNAL_PACKAGES = {"": "core", "events.k8s.io": "core", "extensions": "apps"}


def internal_type(gvk: GroupVersionKind) -> str:
    """The hub type of upstream that a kind converts to: `core.Pod`."""
    return f"{_INTERNAL_PACKAGES.get(gvk.group) or gvk.group.split('.')[0]}.{gvk.kind}"


def _not_registered(actual: GroupVersionKind, gvk: GroupVersionKind) -> StatusError:
    why = (
        f'no kind {go_quote(actual.kind)} is registered for version {go_quote(actual.api_version)} in scheme "{SCHEME}"'
    )
    return _cannot_be_handled(actual, gvk, why)


def _unconvertible(actual: GroupVersionKind, gvk: GroupVersionKind) -> StatusError:
    source = f"{actual.version}.{actual.kind}"
    return _cannot_be_handled(actual, gvk, f"converting ({source}) to ({internal_type(gvk)}): unknown conversion")


def is_registered(gvk: GroupVersionKind) -> bool:
    """Kinds that upstream's scheme knows and no document describes."""
    if gvk.api_version == "v1":
        return gvk.kind in _OPTIONS or gvk.kind in _BARE_CORE
    return gvk.kind in _OPTIONS and builtin().has_version(gvk.group_version)


def _cannot_be_handled(actual: GroupVersionKind, gvk: GroupVersionKind, why: str) -> StatusError:
    return bad_request(f"{actual.kind} in version {go_quote(actual.version)} cannot be handled as a {gvk.kind}: {why}")


def unrecognized(why: str, gvk: GroupVersionKind, data: bytes) -> StatusError:
    return bad_request(f"the object provided is unrecognized (must be of type {gvk.kind}): {why} ({_summary(data)})")


def _summary(data: bytes) -> str:
    if not data:
        return "<empty>"
    more = " ..." if len(data) > _SUMMARY else ""
    if data[:1] == b"{":
        return data[:_SUMMARY].decode("utf-8", "replace") + more
    return data[:_SUMMARY].hex() + more
