"""What ObjectMeta must look like, on create and on update: the checks every kind shares.

Mirrors upstream apimachinery pkg/api/validation/objectmeta.go and pkg/apis/meta/v1/validation; `standard_finalizers`
adds what pkg/apis/core/validation asks of finalizer names, for the built-in kinds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    field_forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from apiserver.apimachinery.formats import NameErrors
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
MAX_ANNOTATIONS = 256 * 1024  # bytes of keys and values together
MAX_FIELD_MANAGER = 128
MAX_SUBRESOURCE = 256
_HTTP_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def object_meta_errors(
    meta: Object,
    namespaced: bool,
    name_errors: NameErrors,
    path: str = "metadata",
    *,
    standard_finalizers: bool = False,
) -> Iterator[FieldError]:
    """What is wrong with the metadata of a new object (upstream ValidateObjectMeta)."""
    generate_name, name = meta.get("generateName") or "", meta.get("name") or ""
    if generate_name:
        for message in name_errors(generate_name, True):
            yield invalid(f"{path}.generateName", generate_name, message)
    if not name:
        yield required(f"{path}.name", "name or generateName is required")
    else:
        for message in name_errors(name, False):
            yield invalid(f"{path}.name", name, message)
    yield from _namespace_errors(meta.get("namespace") or "", namespaced, path)
    yield from non_negative(meta.get("generation") or 0, f"{path}.generation")
    yield from _parts_errors(meta, path)
    if finalizers := meta.get("finalizers"):
        yield from finalizers_errors(finalizers, f"{path}.finalizers")
    if managed := meta.get("managedFields"):
        yield from managed_fields_errors(managed, f"{path}.managedFields")
    if standard_finalizers:
        yield from _standard_finalizers_errors(meta, path)


def object_meta_update_errors(
    meta: Object, old: Object, path: str = "metadata", *, standard_finalizers: bool = False
) -> Iterator[FieldError]:
    """What is wrong with a change of metadata (upstream ValidateObjectMetaUpdate)."""
    if old.get("deletionTimestamp"):
        yield from _new_finalizers_errors(meta.get("finalizers") or (), old.get("finalizers") or (), path)
    if not meta.get("resourceVersion"):
        yield invalid(f"{path}.resourceVersion", meta.get("resourceVersion") or "", "must be specified for an update")
    generation = meta.get("generation") or 0
    yield from non_negative(generation, f"{path}.generation")
    if generation < (old.get("generation") or 0):
        yield invalid(f"{path}.generation", generation, "must not be decremented")
    for field in ("name", "namespace", "uid"):
        if (meta.get(field) or "") != (old.get(field) or ""):
            yield invalid(f"{path}.{field}", meta.get(field) or "", IMMUTABLE)
    for field in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if meta.get(field) != old.get(field):
            yield invalid(f"{path}.{field}", meta.get(field), IMMUTABLE)
    yield from _parts_errors(meta, path)
    if managed := meta.get("managedFields"):
        yield from managed_fields_errors(managed, f"{path}.managedFields")
    if standard_finalizers:
        yield from _standard_finalizers_errors(meta, path)


def _parts_errors(meta: Object, path: str) -> Iterator[FieldError]:
    if labels := meta.get("labels"):
        yield from labels_errors(labels, f"{path}.labels")
    if annotations := meta.get("annotations"):
        yield from annotations_errors(annotations, f"{path}.annotations")
    if references := meta.get("ownerReferences"):
        yield from owner_references_errors(references, f"{path}.ownerReferences")


def _namespace_errors(namespace: str, namespaced: bool, path: str) -> Iterator[FieldError]:
    if not namespaced:
        if namespace:
            yield field_forbidden(f"{path}.namespace", "not allowed on this type")
    elif not namespace:
        yield required(f"{path}.namespace")
    else:
        for message in formats.dns1123_label(namespace):
            yield invalid(f"{path}.namespace", namespace, message)


def non_negative(value: int, path: str) -> Iterator[FieldError]:
    if value < 0:
        yield invalid(path, value, NOT_NEGATIVE)


def label_key_errors(key: str, path: str) -> Iterator[FieldError]:
    for message in formats.qualified_name(key):
        yield invalid(path, key, message)


def labels_errors(labels: Mapping[str, str] | None, path: str) -> Iterator[FieldError]:
    for key, value in (labels or {}).items():
        for message in formats.qualified_name(key):
            yield invalid(path, key, message)
        for message in formats.label_value(value):
            yield invalid(path, value, message)


def annotations_errors(annotations: Mapping[str, str] | None, path: str) -> Iterator[FieldError]:
    if not annotations:
        return
    size = 0
    for key, value in annotations.items():
        for message in formats.qualified_name(key.lower()):
            yield invalid(path, key, message)
        size += formats.byte_length(key) + formats.byte_length(value)
    if size > MAX_ANNOTATIONS:
        yield too_long(path, MAX_ANNOTATIONS)


def owner_references_errors(references: Sequence[Object], path: str) -> Iterator[FieldError]:
    first_controller = ""
    for i, reference in enumerate(references):
        yield from _owner_reference_errors(reference, f"{path}[{i}]")
        if not reference.get("controller"):
            continue
        controller = f"{reference.get('kind') or ''}/{reference.get('name') or ''}"
        if not first_controller:
            first_controller = controller
            continue
        message = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{first_controller} and {controller}"
        )
        yield invalid(path, [_owner_reference(r) for r in references], message)


def _owner_reference(reference: Object) -> Object:
    """An owner reference as Go writes it: in the type's order, required fields always there."""
    shown: Object = {field: reference.get(field) or "" for field in ("apiVersion", "kind", "name", "uid")}
    shown.update({f: reference[f] for f in ("controller", "blockOwnerDeletion") if reference.get(f) is not None})
    return shown


def _owner_reference_errors(reference: Object, path: str) -> Iterator[FieldError]:
    api_version, kind = reference.get("apiVersion") or "", reference.get("kind") or ""
    gv = _group_version(api_version)
    if not api_version:
        yield required(f"{path}.apiVersion", "must not be empty")
    elif gv is None or not gv.version:
        yield invalid(f"{path}.apiVersion", api_version, "must be <group>/<version> or <version>")
    for field in ("kind", "name", "uid"):
        if not reference.get(field):
            yield required(f"{path}.{field}", "must not be empty")
    if gv == ("", "v1") and kind == "Event":
        message = "/v1, Kind=Event is disallowed from being an owner"
        yield invalid(path, _owner_reference(reference), message)


def _group_version(api_version: str) -> GroupVersion | None:
    try:
        return GroupVersion.parse(api_version)
    except ValueError:
        return None


def finalizer_errors(name: str, path: str) -> Iterator[FieldError]:
    for message in formats.qualified_name(name):
        yield invalid(path, name, message)


def finalizers_errors(finalizers: Sequence[str], path: str) -> Iterator[FieldError]:
    for finalizer in finalizers:
        yield from finalizer_errors(finalizer, path)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        yield invalid(path, list(finalizers), "finalizer orphan and foregroundDeletion cannot be both set")


def standard_finalizer_errors(name: str, path: str) -> Iterator[FieldError]:
    if "/" not in name and name not in STANDARD_FINALIZERS:
        yield invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")


def _standard_finalizers_errors(meta: Object, path: str) -> Iterator[FieldError]:
    for i, finalizer in enumerate(meta.get("finalizers") or ()):
        yield from standard_finalizer_errors(finalizer, f"{path}.finalizers[{i}]")


def _new_finalizers_errors(finalizers: Sequence[str], old: Sequence[str], path: str) -> Iterator[FieldError]:
    added = sorted(set(finalizers) - set(old))
    if added:
        shown = ", ".join(f'"{finalizer}"' for finalizer in added)
        message = "no new finalizers can be added if the object is being deleted, found new finalizers "
        yield field_forbidden(f"{path}.finalizers", f"{message}[]string{{{shown}}}")


def managed_fields_errors(entries: Iterable[Object], path: str) -> Iterator[FieldError]:
    for i, entry in enumerate(entries):
        here = f"{path}[{i}]"
        operation = entry.get("operation") or ""
        if not operation:
            yield required(f"{here}.operation", "must not be empty")
        elif operation not in ("Apply", "Update"):
            yield not_supported(f"{here}.operation", operation, ("Apply", "Update"))
        fields_type = entry.get("fieldsType") or ""
        if fields_type and fields_type != "FieldsV1":
            yield invalid(f"{here}.fieldsType", fields_type, "must be `FieldsV1`")
        yield from field_manager_errors(entry.get("manager") or "", f"{here}.manager")
        if formats.byte_length(entry.get("subresource") or "") > MAX_SUBRESOURCE:
            yield too_long(f"{here}.subresource", MAX_SUBRESOURCE)


def field_manager_errors(manager: str, path: str) -> Iterator[FieldError]:
    if formats.byte_length(manager) > MAX_FIELD_MANAGER:
        yield too_long(path, MAX_FIELD_MANAGER)
    if manager.isprintable():
        return
    position = 0
    for char in manager:
        if not char.isprintable():
            yield invalid(path, manager, f"invalid character U+{ord(char):04X} (at position {position})")
        position += formats.byte_length(char)


def domain_prefixed_path_errors(value: str, path: str) -> Iterator[FieldError]:
    """`acme.io/foo` (upstream util/validation IsDomainPrefixedPath)."""
    if not value:
        yield required(path)
        return
    host, _, rest = value.partition("/")
    if not host or not rest:
        yield invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    for message in formats.dns1123_subdomain(host):
        yield invalid(path, host, message)
    if not _HTTP_PATH.fullmatch(rest):
        yield invalid(path, rest, formats.regex_error("Invalid path", _HTTP_PATH.pattern))


def immutable(value: Any, old: Any, path: str) -> Iterator[FieldError]:
    """Upstream ValidateImmutableField, for JSON values in their normal form."""
    if value != old:
        yield invalid(path, value, IMMUTABLE)


def update_common_errors(meta: Object, old: Object, namespaced: bool) -> Iterator[FieldError]:
    """What the Store checks on every update before the strategy does (upstream rest validateCommonFields)."""
    yield from object_meta_errors(meta, namespaced, formats.path_segment_name)
    yield from object_meta_update_errors(meta, old)
