"""metav1.Conditions in a status (upstream apimachinery/pkg/apis/meta/v1/validation ValidateConditions)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, duplicate, invalid, not_supported, required, too_long
from apiserver.apimachinery.object_meta import label_key_errors
from apiserver.apimachinery.objects import Object

STATUSES = ("False", "True", "Unknown")
MAX_REASON, MAX_MESSAGE = 1024, 32 * 1024  # bytes

_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_reason = re.compile(_REASON).fullmatch
_REASON_WRONG = formats.regex_error(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters "
    "or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


def conditions_errors(conditions: Sequence[Object], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        kind = condition.get("type") or ""
        if kind in seen:
            yield duplicate(f"{path}[{i}]", kind)
        seen.add(kind)
        yield from condition_errors(condition, f"{path}[{i}]")


def condition_errors(condition: Object, path: str) -> Iterator[FieldError]:
    kind, status = condition.get("type") or "", condition.get("status") or ""
    if not kind:
        yield required(f"{path}.type", "is required")
    else:
        yield from label_key_errors(kind, f"{path}.type")
    if not status:
        yield required(f"{path}.status")
    elif status not in STATUSES:
        yield not_supported(f"{path}.status", status, STATUSES)
    generation = condition.get("observedGeneration") or 0
    if generation < 0:
        yield invalid(f"{path}.observedGeneration", generation, "must be greater than or equal to zero")
    if not condition.get("lastTransitionTime"):
        yield required(f"{path}.lastTransitionTime")
    yield from _texts_errors(condition.get("reason") or "", condition.get("message") or "", path)


def _texts_errors(reason: str, message: str, path: str) -> Iterator[FieldError]:
    if not reason:
        yield required(f"{path}.reason")
    else:
        yield from reason_errors(reason, f"{path}.reason")
        if formats.byte_length(reason) > MAX_REASON:
            yield too_long(f"{path}.reason", MAX_REASON)
    if formats.byte_length(message) > MAX_MESSAGE:
        yield too_long(f"{path}.message", MAX_MESSAGE)


def reason_errors(reason: str, path: str) -> Iterator[FieldError]:
    """Upstream IsValidConditionReason."""
    if not _reason(reason):
        yield invalid(path, reason, _REASON_WRONG)
