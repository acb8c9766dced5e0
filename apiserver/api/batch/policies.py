"""A Job's policies for failure, success and replacement (upstream pkg/apis/batch/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.batch.indexes import IndexesError, count_indexes
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    go_quote,
    invalid,
    invalid_omitted,
    not_supported,
    required,
    too_long,
    too_many,
)
from apiserver.apimachinery.object_meta import non_negative
from apiserver.apimachinery.objects import Object

ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS = ("In", "NotIn")
STATUSES = ("False", "True", "Unknown")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
MAX_RULES = 20
MAX_EXIT_CODES = 255
MAX_CONDITIONS = 20
MAX_INDEXES = 64 * 1024  # bytes of a rule's indexes


def policies_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """All three, in upstream's order; `path` is the JobSpec's."""
    if spec.get("podFailurePolicy") is not None:
        yield from _failure_errors(spec, spec["podFailurePolicy"], f"{path}.podFailurePolicy.rules")
    if spec.get("successPolicy") is not None:
        yield from _success_errors(spec, spec["successPolicy"], f"{path}.successPolicy")
    yield from _replacement_errors(spec, f"{path}.podReplacementPolicy")


def _replacement_errors(spec: Object, path: str) -> Iterator[FieldError]:
    policy = spec.get("podReplacementPolicy")
    supported = REPLACEMENTS if spec.get("podFailurePolicy") is None else ("Failed",)
    if policy is not None and policy not in supported:
        yield not_supported(path, policy, supported)


def _valid_values(values: Sequence[str]) -> str:
    """As Go's %q prints them."""
    return f"valid values: [{' '.join(map(go_quote, values))}]"


def _choice_errors(value: str, supported: Sequence[str], path: str) -> Iterator[FieldError]:
    if not value:
        yield required(path, _valid_values(supported))
    elif value not in supported:
        yield not_supported(path, value, supported)


# Failure


def _failure_errors(spec: Object, policy: Object, path: str) -> Iterator[FieldError]:
    rules = policy.get("rules") or ()
    if len(rules) > MAX_RULES:
        yield too_many(path, len(rules), MAX_RULES)
    pod = spec["template"].get("spec") or {}
    names = {c.get("name") or "" for field in ("containers", "initContainers") for c in pod.get(field) or ()}
    for i, rule in enumerate(rules):
        yield from _failure_rule_errors(spec, rule, names, f"{path}[{i}]")


def _failure_rule_errors(spec: Object, rule: Object, names: set[str], path: str) -> Iterator[FieldError]:
    action, codes, conditions = rule.get("action") or "", rule.get("onExitCodes"), rule.get("onPodConditions")
    yield from _choice_errors(action, ACTIONS, f"{path}.action")
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        yield invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    if codes is not None:
        yield from _exit_codes_errors(codes, names, f"{path}.onExitCodes")
    if conditions:
        yield from _conditions_errors(conditions, f"{path}.onPodConditions")
    if codes is not None and conditions:
        yield invalid_omitted(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        yield invalid_omitted(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _conditions_errors(patterns: Sequence[Object], path: str) -> Iterator[FieldError]:
    if len(patterns) > MAX_CONDITIONS:
        yield too_many(path, len(patterns), MAX_CONDITIONS)
    for i, pattern in enumerate(patterns):
        kind = pattern.get("type") or ""
        for message in formats.qualified_name(kind):
            yield invalid(f"{path}[{i}].type", kind, message)
        yield from _choice_errors(pattern.get("status") or "", STATUSES, f"{path}[{i}].status")


def _exit_codes_errors(codes: Object, names: set[str], path: str) -> Iterator[FieldError]:
    operator, name, values = codes.get("operator") or "", codes.get("containerName"), codes.get("values") or []
    yield from _choice_errors(operator, OPERATORS, f"{path}.operator")
    if name is not None and name not in names:
        message = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", name, message)
    if not values:
        yield invalid(f"{path}.values", codes.get("values"), "at least one value is required")
    elif len(values) > MAX_EXIT_CODES:
        yield too_many(f"{path}.values", len(values), MAX_EXIT_CODES)
    seen: set[int] = set()
    for i, value in enumerate(values):
        if operator == "In" and value == 0:
            yield invalid(f"{path}.values[{i}]", value, "must not be 0 for the In operator")
        if value in seen:
            yield duplicate(f"{path}.values[{i}]", value)
        seen.add(value)
    if list(values) != sorted(values):
        yield invalid(f"{path}.values", values, "must be ordered")


# Success


def _success_errors(spec: Object, policy: Object, path: str) -> Iterator[FieldError]:
    from apiserver.api.validation.internal import internal  # reads a file on first use

    if spec.get("completionMode") != "Indexed":
        yield invalid(path, internal(policy, "SuccessPolicy"), "requires indexed completion mode")
        return
    rules, path = policy.get("rules") or (), f"{path}.rules"
    if not rules:
        yield required(path, "at least one rules must be specified when the successPolicy is specified")
    if len(rules) > MAX_RULES:
        yield too_many(path, len(rules), MAX_RULES)
    if spec.get("completions") is None:
        return  # an error of its own, without which nothing here can be said
    for i, rule in enumerate(rules):
        yield from _success_rule_errors(spec["completions"], rule, f"{path}[{i}]")


def _success_rule_errors(completions: int, rule: Object, path: str) -> Iterator[FieldError]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    named = 0
    if indexes is not None:
        if len(indexes) > MAX_INDEXES:
            yield too_long(f"{path}.succeededIndexes", MAX_INDEXES)
        try:
            named = count_indexes(indexes, completions)
        except IndexesError as e:
            yield invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {e}")
    if count is None:
        return
    path = f"{path}.succeededCount"
    yield from non_negative(count, path)
    if count > completions:
        yield invalid(path, count, f"must be less than or equal to {completions} (the number of specified completions)")
    if indexes is not None and count > named:
        where = "the number of indexes in the specified succeededIndexes field"
        yield invalid(path, count, f"must be less than or equal to {named} ({where})")
