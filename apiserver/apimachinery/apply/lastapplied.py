"""kubectl's move from client-side to server-side apply.

What the annotation of client-side apply says was applied and is still so, kubectl may take over without a conflict; and
server-side apply by kubectl keeps that annotation up to date. Mirrors managedfields/internal/lastapplied*.go.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.apimachinery import objects
from apiserver.apimachinery.apply.compare import compare
from apiserver.apimachinery.apply.elements import json_text
from apiserver.apimachinery.apply.sets import FieldSet, difference
from apiserver.apimachinery.apply.typed import field_set, validate
from apiserver.apimachinery.apply.types import Type, TypedError
from apiserver.apimachinery.apply.updater import Conflicts
from apiserver.apimachinery.objects import Object

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"
MAX_ANNOTATIONS = 256 * 1024  # bytes, as upstream api/validation/objectmeta.go TotalAnnotationSizeLimitB


def allowed_paths(live: Object, version: str, type: Type) -> FieldSet | None:
    """The paths that client-side apply set and nobody changed since; None where that cannot be told."""
    text = objects.annotations_of(live).get(ANNOTATION)
    if not text:
        return None
    try:
        last: Any = orjson.loads(text)
        if not isinstance(last, dict) or last.get("apiVersion") != version:
            return None
        validate(last, type)
        comparison = compare(last, live, type)
    except (orjson.JSONDecodeError, TypedError):
        return None
    allowed = field_set(last, type)
    for part in comparison:
        allowed = difference(allowed, part)
    return allowed


def not_allowed(conflicts: Conflicts, allowed: FieldSet) -> Conflicts | None:
    """What remains of the conflicts; None when all are allowed."""
    left = {}
    for key, fields in conflicts.found.items():
        if fields := difference(fields, allowed):
            left[key] = fields
    return Conflicts(left) if left else None


def update_annotation(obj: Object, applied: Object) -> None:
    """Bring the annotation, where there is one, to what was applied just now."""
    annotations = objects.annotations_of(obj)
    if not annotations.get(ANNOTATION):
        return
    annotations = {**annotations, ANNOTATION: _encoded(applied)}
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > MAX_ANNOTATIONS:
        del annotations[ANNOTATION]
    obj["metadata"] = {**obj["metadata"], "annotations": annotations}


def _encoded(applied: Object) -> str:
    """The applied object without the annotation itself, as Go's encoder writes it: sorted keys, a newline."""
    obj = objects.copy(applied)
    annotations = objects.annotations_of(obj)
    annotations.pop(ANNOTATION, None)
    return json_text(_sorted(obj)) + "\n"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
