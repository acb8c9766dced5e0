"""What kinds with replicas of a pod template have in common: their selector, their template, their counts.

Mirrors upstream pkg/apis/apps/validation and the ReplicationController's part of pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from apiserver.api.validation.internal import label_selector
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.template import template_errors
from apiserver.apimachinery import formats, labels
from apiserver.apimachinery.errors import FieldError, field_forbidden, go_quote, invalid, not_supported, required
from apiserver.apimachinery.intstr import IntOrString, int_value
from apiserver.apimachinery.object_meta import IMMUTABLE, non_negative
from apiserver.apimachinery.objects import Object, get, labels_of

ALWAYS = ("Always",)
_DIGITS = re.compile(r"[+-]?[0-9]+")
MISMATCH = "`selector` does not match template `labels`"


def required_selector_errors(selector: Object | None, path: str, kind: str) -> Iterator[FieldError]:
    """A selector that has to be there and to select something."""
    if selector is None:
        yield required(path)
        return
    yield from label_selector_errors(selector, path)
    yield from empty_selector_errors(selector, path, kind)


def empty_selector_errors(selector: Object, path: str, kind: str) -> Iterator[FieldError]:
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        yield invalid(path, label_selector(selector), f"empty selector is invalid for {kind}")


def parsed_selector(selector: Object | None) -> labels.Selector | None:
    """None for one that cannot be read; a missing one selects nothing."""
    try:
        return labels.from_label_selector(selector)
    except labels.SelectorError:
        return None


def immutable_selector(selector: Object | None, old: Object | None, path: str) -> Iterator[FieldError]:
    if label_selector(selector) != label_selector(old):
        yield invalid(path, label_selector(selector), IMMUTABLE)


def shown_labels(values: Mapping[str, str] | None) -> dict[str, str] | None:
    """Labels as Go prints a map: sorted, null when there are none."""
    return dict(sorted(values.items())) if values else None


def selected_errors(selector: labels.Selector, template: Object, path: str) -> Iterator[FieldError]:
    """Does the selector match what the template makes?"""
    if not selector.matches(labels_of(template)):
        yield invalid(f"{path}.metadata.labels", shown_labels(labels_of(template)), MISMATCH)


def long_running_errors(template: Object, path: str, kind: str) -> Iterator[FieldError]:
    """Pods of these kinds are restarted for ever."""
    spec = template.get("spec") or {}
    if spec.get("restartPolicy") != "Always":
        yield not_supported(f"{path}.spec.restartPolicy", spec.get("restartPolicy") or "", ALWAYS)
    if spec.get("activeDeadlineSeconds") is not None:
        message = f"activeDeadlineSeconds in {kind} is not Supported"
        yield field_forbidden(f"{path}.spec.activeDeadlineSeconds", message)


def replica_template_errors(
    selector: labels.Selector, template: Object, path: str, options: PodOptions, kind: str = "ReplicaSet"
) -> Iterator[FieldError]:
    """Upstream ValidatePodTemplateSpecForReplicaSet."""
    if not _is_empty(selector):
        yield from selected_errors(selector, template, path)
    yield from template_errors(template, path, options)
    yield from long_running_errors(template, path, kind)


def readable_selector_errors(spec: Object, options: PodOptions) -> Iterator[FieldError]:
    """The template of a ReplicaSet or a Deployment, where the selector can be read."""
    selector = parsed_selector(spec.get("selector"))
    if selector is None:
        yield invalid("spec.selector", label_selector(spec["selector"]), "invalid label selector")
    else:
        yield from replica_template_errors(selector, spec["template"], "spec.template", options)


def _is_empty(selector: labels.Selector) -> bool:
    return selector.empty and selector is not labels.NOTHING


# Amounts


def optional_non_negative(obj: Object, fields: tuple[str, ...], path: str) -> Iterator[FieldError]:
    """Those of the fields that are set may not be negative."""
    for field in fields:
        yield from non_negative(obj.get(field) or 0, f"{path}.{field}")


def _percentage(value: IntOrString) -> int | None:
    return int(value[:-1]) if isinstance(value, str) and not formats.percent(value) else None


def amount(value: IntOrString) -> int:
    """The number, or the number of percent; what is neither counts as 0."""
    percentage = _percentage(value)
    return int_value(value) if percentage is None else percentage


def go_int64(text: str) -> int:
    """Go's strconv.ParseInt(text, 10, 64); ValueError with its words."""
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    if not -(2**63) <= int(text) < 2**63:
        raise ValueError(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return int(text)


# Statuses


def counts_errors(status: Object, counts: tuple[str, ...], within: tuple[str, ...], ready: str) -> Iterator[FieldError]:
    """`counts` are not negative, those `within` not more than replicas; available pods are ready, in the words of `ready`."""
    yield from optional_non_negative(status, counts, "status")
    for field in within:
        count = status.get(field) or 0
        if count > (status.get("replicas") or 0):
            yield invalid(f"status.{field}", count, "cannot be greater than status.replicas")
    available = status.get("availableReplicas") or 0
    if ready and available > (status.get("readyReplicas") or 0):
        yield invalid("status.availableReplicas", available, f"cannot be greater than {ready}")


def collision_errors(obj: Object, old: Object) -> Iterator[FieldError]:
    """status.collisionCount only grows (upstream IsDecremented)."""
    count, before = get(obj, "status", "collisionCount"), get(old, "status", "collisionCount")
    if before is not None and (count is None or count < before):
        yield invalid("status.collisionCount", count or 0, "cannot be decremented")
