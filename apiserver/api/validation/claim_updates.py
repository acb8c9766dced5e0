"""Changes of PersistentVolumeClaims and of their status (upstream ValidatePersistentVolumeClaimUpdate, …StatusUpdate)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.podspec.quantities import ZERO
from apiserver.api.podspec.resources import is_native
from apiserver.api.strategy import metadata_update_errors
from apiserver.api.validation.pod.diff import claim_spec_diff
from apiserver.api.validation.resources import quantity_value_errors
from apiserver.api.validation.volume_claims import claim_spec_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.object_meta import IMMUTABLE, immutable
from apiserver.apimachinery.objects import Object, annotations_of, copy, get
from apiserver.apimachinery.quantity import Quantity, parse

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n"
RESIZE_STATUSES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)


def claim_update_errors(
    obj: Object, old: Object, metadata_errors: Iterable[FieldError], *, any_values: bool
) -> Iterator[FieldError]:
    """`metadata_errors` are those of the object as a new one."""
    yield from metadata_update_errors(obj, old)
    yield from metadata_errors
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    yield from claim_spec_errors(spec, "spec", any_group=_may_have_bad_group(before), any_values=any_values)
    new_spec, old_spec = copy(spec), copy(before)
    if not before.get("volumeName"):
        _keep(old_spec, new_spec, "volumeName")
    if _class_moves_from_annotation(obj, old):
        new_spec.pop("storageClassName", None)
    else:
        yield from _annotation_errors(obj, old)
        if _class_is_given_late(obj, old):
            new_spec.pop("storageClassName", None)
    if get(obj, "status", "phase") == "Bound":
        if get(new_spec, "resources", "requests") is not None:
            _keep(new_spec["resources"]["requests"], get(old_spec, "resources", "requests") or {}, "storage")
        _keep(new_spec, old_spec, "volumeAttributesClassName")
    if not same_spec(new_spec, old_spec):
        yield field_forbidden("spec", FIXED + claim_spec_diff(old_spec, new_spec))
    if _request(obj) < _request(old) and _request(obj) <= _amount(old, "status", "capacity"):
        yield field_forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    yield from immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode")
    yield from _attributes_class_errors(spec.get("volumeAttributesClassName"), old)


def _keep(target: Object, source: Object, field: str) -> None:
    if field in source:
        target[field] = source[field]
    else:
        target.pop(field, None)


def same_spec(left: Object, right: Object) -> bool:
    """Equal, amounts by value, absent and empty alike."""
    return _comparable(left) == _comparable(right)


def _comparable(spec: Object) -> Object:
    found = {key: value for key, value in spec.items() if value not in (None, [])}
    resources = {
        side: {name: parse(amount) for name, amount in amounts.items()}
        for side, amounts in (spec.get("resources") or {}).items()
        if amounts
    }
    found.pop("resources", None)
    return {**found, **({"resources": resources} if resources else {})}


def _may_have_bad_group(spec: Object) -> bool:
    """Upstream allowInvalidAPIGroupInDataSourceOrRef: whoever had any group may have a bad one."""
    return any(get(spec, field, "apiGroup") is not None for field in ("dataSource", "dataSourceRef"))


def _class_moves_from_annotation(obj: Object, old: Object) -> bool:
    """The class of the old annotation is written down in its field now (validateStorageClassUpgradeFromAnnotation)."""
    before = annotations_of(old).get(CLASS_ANNOTATION)
    if before is None or get(old, "spec", "storageClassName") is not None:
        return False
    return bool(get(obj, "spec", "storageClassName") == before == annotations_of(obj).get(CLASS_ANNOTATION, before))


def _class_is_given_late(obj: Object, old: Object) -> bool:
    """A claim without a class may get one, once (validateStorageClassUpgradeFromNil)."""
    name = get(obj, "spec", "storageClassName")
    if name is None or get(old, "spec", "storageClassName") is not None:
        return False
    return annotations_of(old).get(CLASS_ANNOTATION, name) == name  # type: ignore[no-any-return]


def _annotation_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    value = annotations_of(obj).get(CLASS_ANNOTATION, "")
    if value != annotations_of(old).get(CLASS_ANNOTATION, ""):
        yield invalid(f"metadata.annotations.{CLASS_ANNOTATION}", value, IMMUTABLE)


def _amount(obj: Object, *path: str) -> Quantity:
    text = get(obj, *path, "storage")
    return ZERO if text is None else parse(text)


def _request(obj: Object) -> Quantity:
    return _amount(obj, "spec", "resources", "requests")


def _attributes_class_errors(name: str | None, old: Object) -> Iterator[FieldError]:
    if name == get(old, "spec", "volumeAttributesClassName"):
        return
    if name or get(old, "status", "currentVolumeAttributesClassName") is None:
        return
    what = "nil" if name is None else "empty string"
    detail = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
    yield field_forbidden("spec.volumeAttributesClassName", detail)


def claim_status_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    yield from metadata_update_errors(obj, old)
    if not obj["metadata"].get("resourceVersion"):
        yield required("resourceVersion")
    if not get(obj, "spec", "accessModes"):
        yield required("Spec.accessModes")
    status = obj.get("status") or {}
    for name, amount in (status.get("capacity") or {}).items():
        yield from basic_resource_errors(parse(amount), f"status.capacity[{name}]")
    path = "status.allocatedResourceStatuses"
    for name, state in (status.get("allocatedResourceStatuses") or {}).items():
        yield from _resource_key_errors(name, path)
        if state not in RESIZE_STATUSES:
            yield not_supported(path, name, sorted(RESIZE_STATUSES))
    yield from _allocated_errors(status.get("allocatedResources") or {}, "status.allocatedResources")


def _allocated_errors(amounts: Object, path: str) -> Iterator[FieldError]:
    for name, text in amounts.items():
        amount, here = parse(text), f"{path}[{name}]"
        found = list(_resource_key_errors(name, path)) or list(basic_resource_errors(amount, here))
        yield from found or quantity_value_errors("storage", amount, here)


def basic_resource_errors(amount: Quantity, path: str) -> Iterator[FieldError]:
    if amount.value < 0:
        yield invalid(path, amount.value, "must be a valid resource quantity")


def _resource_key_errors(name: str, path: str) -> Iterator[FieldError]:
    messages = formats.qualified_name(name)
    for message in messages:
        yield invalid(path, name, message)
    if not messages and is_native(name) and name != "storage":
        yield not_supported(path, name, ("storage",))
