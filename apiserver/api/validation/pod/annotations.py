"""Annotations of pods that mean something to the API server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from apiserver.api.validation.go_json import read_core_list
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.profiles import (
    APP_ARMOR_ANNOTATION,
    app_armor_annotations_errors,
    seccomp_annotations_errors,
)
from apiserver.api.validation.pod.scheduling import tolerations_errors
from apiserver.api.validation.pod.spec import MIRROR_ANNOTATION
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid
from apiserver.apimachinery.objects import Object, annotations_of

TOLERATIONS_ANNOTATION = "scheduler.alpha.kubernetes.io/tolerations"
DELETION_COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"

_cost = re.compile("0|-[0-9]+|[1-9][0-9]*", re.ASCII).fullmatch


def deletion_cost_is_valid(annotations: Mapping[str, str]) -> bool:
    text = annotations.get(DELETION_COST_ANNOTATION)
    return text is None or (bool(_cost(text)) and -(2**31) <= int(text) < 2**31)


def annotations_specific_errors(
    annotations: Mapping[str, str], spec: Object, path: str, options: PodOptions
) -> Iterator[FieldError]:
    """Upstream ValidatePodSpecificAnnotations."""
    if not annotations:
        return
    if MIRROR_ANNOTATION in annotations and not spec.get("nodeName"):
        message = "must set spec.nodeName if mirror pod annotation is set"
        yield invalid(f"{path}[{MIRROR_ANNOTATION}]", annotations[MIRROR_ANNOTATION], message)
    if annotations.get(TOLERATIONS_ANNOTATION):
        yield from _tolerations_errors(annotations[TOLERATIONS_ANNOTATION], path, options)
    if not options.any_deletion_cost and not deletion_cost_is_valid(annotations):
        cost = annotations[DELETION_COST_ANNOTATION]
        yield invalid(f"{path}[{DELETION_COST_ANNOTATION}]", cost, "must be a 32bit integer")
    yield from seccomp_annotations_errors(annotations, path)
    yield from app_armor_annotations_errors(annotations, spec, path)


def _tolerations_errors(text: str, path: str, options: PodOptions) -> Iterator[FieldError]:
    tolerations, problem = read_core_list(text, "Toleration")
    if problem:
        yield invalid(path, TOLERATIONS_ANNOTATION, problem)
        return
    yield from tolerations_errors(tolerations, f"{path}.{TOLERATIONS_ANNOTATION}", options)


def annotations_update_errors(pod: Object, old: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    """Upstream ValidatePodSpecificAnnotationUpdates."""
    annotations, before = annotations_of(pod), annotations_of(old)
    for key, value in before.items():
        if annotations.get(key) == value:
            continue
        if key.startswith(APP_ARMOR_ANNOTATION):
            yield field_forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations")
        if key == MIRROR_ANNOTATION:
            yield field_forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation")
    for key in annotations:
        if key in before:
            continue
        if key.startswith(APP_ARMOR_ANNOTATION):
            yield field_forbidden(f"{path}[{key}]", "may not add AppArmor annotations")
        if key == MIRROR_ANNOTATION:
            yield field_forbidden(f"{path}[{key}]", "may not add mirror pod annotation")
    yield from annotations_specific_errors(annotations, pod["spec"], path, options)
