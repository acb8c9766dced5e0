"""Label selectors inside objects (upstream apimachinery/pkg/apis/meta/v1/validation)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, required
from apiserver.apimachinery.formats import label_value, qualified_name
from apiserver.apimachinery.object_meta import labels_errors
from apiserver.apimachinery.objects import Object


def label_selector_errors(
    selector: Object | None, path: str, *, any_values: bool = False, any_operator: bool = False
) -> Iterator[FieldError]:
    """What is wrong with a metav1.LabelSelector; `any_values` lets stored invalid values pass."""
    if selector is None:
        return
    yield from labels_errors(selector.get("matchLabels"), f"{path}.matchLabels")
    for i, expression in enumerate(selector.get("matchExpressions") or ()):
        yield from requirement_errors(
            expression, f"{path}.matchExpressions[{i}]", any_values=any_values, any_operator=any_operator
        )


def requirement_errors(
    requirement: Object, path: str, *, any_values: bool = False, any_operator: bool = False
) -> Iterator[FieldError]:
    """What is wrong with a metav1.LabelSelectorRequirement."""
    operator, values = requirement.get("operator") or "", requirement.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield field_forbidden(
                f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            )
    elif not any_operator:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    key = requirement.get("key") or ""
    for message in qualified_name(key):
        yield invalid(f"{path}.key", key, message)
    if not any_values:
        for i, value in enumerate(values):
            for message in label_value(value):
                yield invalid(f"{path}.values[{i}]", value, message)


def has_invalid_values(selector: Object | None) -> bool:
    """Upstream LabelSelectorHasInvalidLabelValue."""
    expressions = (selector or {}).get("matchExpressions") or ()
    return any(any(label_value(value)) for expression in expressions for value in expression.get("values") or ())
