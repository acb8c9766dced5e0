"""The wish in a PersistentVolumeClaim, alone or as a template inside pods (upstream ValidatePersistentVolumeClaimSpec)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.podspec.containers import sub
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.resources import positive_quantity, quantity_value_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, go_value, invalid, not_supported, required
from apiserver.apimachinery.object_meta import annotations_errors, labels_errors
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import parse

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
# Fields of ObjectMeta in Go's order, with what upstream's reflection calls them in errors.
_OTHER_METADATA = {
    "name": "name",
    "generateName": "generateName",
    "namespace": "namespace",
    "selfLink": "selfLink",
    "uid": "uID",
    "resourceVersion": "resourceVersion",
    "generation": "generation",
    "creationTimestamp": "creationTimestamp",
    "deletionTimestamp": "deletionTimestamp",
    "deletionGracePeriodSeconds": "deletionGracePeriodSeconds",
    "ownerReferences": "ownerReferences",
    "finalizers": "finalizers",
    "managedFields": "managedFields",
}


def claim_template_errors(template: Object, path: str) -> Iterator[FieldError]:
    yield from template_metadata_errors(template.get("metadata") or {}, f"{path}.metadata")
    yield from claim_spec_errors(template.get("spec") or {}, f"{path}.spec")


def template_metadata_errors(meta: Object, path: str) -> Iterator[FieldError]:
    """Upstream ValidateTemplateObjectMeta: what is made of the template gets labels and annotations from it."""
    yield from annotations_errors(meta.get("annotations"), f"{path}.annotations")
    yield from labels_errors(meta.get("labels"), f"{path}.labels")
    for field, shown in _OTHER_METADATA.items():
        if meta.get(field) is not None:
            yield field_forbidden(f"{path}.{shown}", "cannot be set")


def claim_spec_errors(
    spec: Object, path: str, *, any_group: bool = False, any_values: bool = False
) -> Iterator[FieldError]:
    """`any_group` and `any_values` let invalid API groups and label values pass that are stored already."""
    modes = spec.get("accessModes") or ()
    if not modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from label_selector_errors(spec.get("selector"), f"{path}.selector", any_values=any_values)
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(f"{path}.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(m in ACCESS_MODES and m != "ReadWriteOncePod" for m in modes):
        yield field_forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")
    yield from _storage_errors(spec, f"{path}.resources[storage]")
    for message in formats.dns1123_subdomain(spec["storageClassName"]) if spec.get("storageClassName") else ():
        yield invalid(f"{path}.storageClassName", spec["storageClassName"], message)
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    yield from _data_sources_errors(spec, path, any_group)
    name = spec.get("volumeAttributesClassName")
    for message in formats.dns1123_subdomain(name) if name else ():
        yield invalid(f"{path}.volumeAttributesClassName", name, message)


def claim_spec_warnings(spec: Object, path: str) -> Iterator[str]:
    """Upstream GetWarningsForPersistentVolumeClaimSpec."""
    for side in ("requests", "limits"):
        amount = sub(spec, "resources", side).get("storage")
        if amount is not None and parse(amount).milli_value % 1000:
            here = f"{path}.resources.{side}[storage]"
            yield f"{here}: fractional byte value {go_value(amount)} is invalid, must be an integer"


def _storage_errors(spec: Object, path: str) -> Iterator[FieldError]:
    text = sub(spec, "resources", "requests").get("storage")
    if text is None:
        yield required(path)
        return
    amount = parse(text)
    errors = list(positive_quantity(amount, path))
    yield from errors or quantity_value_errors("storage", amount, path)


def _data_sources_errors(spec: Object, path: str, any_group: bool) -> Iterator[FieldError]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        yield from _data_source_errors(source, f"{path}.dataSource", any_group)
    if reference is not None:
        yield from _data_source_errors(reference, f"{path}.dataSourceRef", any_group)
        namespace = reference.get("namespace")
        for message in formats.dns1123_label(namespace) if namespace else ():
            yield invalid(f"{path}.dataSourceRef.namespace", namespace, message)
    if source is None or reference is None:
        return
    if reference.get("namespace"):
        yield invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif any(source.get(field) != reference.get(field) for field in ("apiGroup", "kind", "name")):
        yield invalid(path, {}, "must match dataSourceRef")


def _data_source_errors(source: Object, path: str, any_group: bool) -> Iterator[FieldError]:
    kind, group = source.get("kind") or "", source.get("apiGroup") or ""
    if not source.get("name"):
        yield required(f"{path}.name")
    if not kind:
        yield required(f"{path}.kind")
    if not group and kind != "PersistentVolumeClaim":
        yield invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group and not any_group:
        for message in formats.dns1123_subdomain(group):
            yield invalid(f"{path}.apiGroup", group, message)
