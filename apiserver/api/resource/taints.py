"""Taints of devices, what tolerates them, and the conditions devices want before a pod is bound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.resource.names import MAX_BINDING_CONDITIONS, items_errors, label_value_errors
from apiserver.apimachinery.errors import FieldError, duplicate, invalid
from apiserver.apimachinery.object_meta import label_key_errors
from apiserver.apimachinery.objects import Object


def taint_errors(taint: Object, path: str) -> Iterator[FieldError]:
    yield from label_key_errors(taint.get("key") or "", f"{path}.key")
    if taint.get("value"):
        yield from label_value_errors(taint["value"], f"{path}.value")


def tolerations_errors(holder: Object, path: str) -> Iterator[FieldError]:
    for i, toleration in enumerate(holder.get("tolerations") or ()):
        yield from toleration_errors(toleration, f"{path}.tolerations[{i}]")


def toleration_errors(toleration: Object, path: str) -> Iterator[FieldError]:
    operator, value = (toleration.get(field) or "" for field in ("operator", "value"))
    if operator == "Exists" and value:
        yield invalid(f"{path}.value", value, "must be empty for operator `Exists`")
    elif operator == "Equal":
        yield from label_value_errors(value, f"{path}.value")


def binding_conditions_errors(device: Object, path: str) -> Iterator[FieldError]:
    """Upstream validateDeviceBindingParameters: both lists or none, and nothing in both."""
    wanted, failures = device.get("bindingConditions") or [], device.get("bindingFailureConditions") or []
    for name, conditions in (("bindingConditions", wanted), ("bindingFailureConditions", failures)):
        yield from items_errors(conditions, MAX_BINDING_CONDITIONS, label_key_errors, f"{path}.{name}")
    yield from _duplicates(wanted, f"{path}.bindingConditions")
    for i, condition in enumerate(failures):
        here = f"{path}.bindingFailureConditions[{i}]"
        if condition in failures[:i]:
            yield duplicate(here, condition)
        if condition in wanted:
            yield invalid(here, condition, "bindingFailureConditions must not overlap with bindingConditions")
    if failures and not wanted:
        detail = "bindingConditions are required to use bindingFailureConditions"
        yield invalid(f"{path}.bindingConditions", None, detail)
    if wanted and not failures:
        detail = "bindingFailureConditions are required to use bindingConditions"
        yield invalid(f"{path}.bindingFailureConditions", None, detail)


def _duplicates(items: Sequence[str], path: str) -> Iterator[FieldError]:
    for i, item in enumerate(items):
        if item in items[:i]:
            yield duplicate(f"{path}[{i}]", item)
