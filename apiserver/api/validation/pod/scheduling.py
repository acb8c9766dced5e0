"""Where a pod may run: affinity, spreading, tolerations, gates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.pod.names import qualified_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    go_value,
    invalid,
    not_supported,
    required,
)
from apiserver.apimachinery.object_meta import label_key_errors
from apiserver.apimachinery.objects import Object

TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
SPREAD_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
INCLUSION_POLICIES = ("Honor", "Ignore")
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
WEIGHT_WRONG = "must be in the range 1-100"
NOT_OPERATOR = "not a valid selector operator"
INT64 = range(-(2**63), 2**63)


def affinity_errors(affinity: Object | None, path: str, options: PodOptions) -> Iterator[FieldError]:
    if not affinity:
        return
    if affinity.get("nodeAffinity") is not None:
        yield from _node_affinity_errors(affinity["nodeAffinity"], f"{path}.nodeAffinity", options)
    for kind in ("podAffinity", "podAntiAffinity"):
        if affinity.get(kind) is not None:
            yield from _pod_affinity_errors(affinity[kind], f"{path}.{kind}", options)


def _node_affinity_errors(affinity: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if affinity.get(REQUIRED) is not None:
        any_values = options.any_node_affinity_values
        yield from node_selector_errors(affinity[REQUIRED], f"{path}.{REQUIRED}", any_values=any_values)
    for i, term in enumerate(affinity.get(PREFERRED) or ()):
        here, weight = f"{path}.{PREFERRED}[{i}]", term.get("weight") or 0
        if not 0 < weight <= 100:
            yield invalid(f"{here}.weight", weight, WEIGHT_WRONG)
        yield from _node_term_errors(term.get("preference") or {}, f"{here}.preference", any_values=True)


def node_selector_errors(selector: Object, path: str, *, any_values: bool = False) -> Iterator[FieldError]:
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for i, term in enumerate(terms):
        yield from _node_term_errors(term, f"{path}.nodeSelectorTerms[{i}]", any_values=any_values)


def _node_term_errors(term: Object, path: str, *, any_values: bool) -> Iterator[FieldError]:
    for i, requirement in enumerate(term.get("matchExpressions") or ()):
        yield from _node_requirement_errors(requirement, f"{path}.matchExpressions[{i}]", any_values)
    for i, requirement in enumerate(term.get("matchFields") or ()):
        yield from _node_field_errors(requirement, f"{path}.matchFields[{i}]")


def _node_requirement_errors(requirement: Object, path: str, any_values: bool) -> Iterator[FieldError]:
    operator, values = requirement.get("operator") or "", requirement.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            message = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield field_forbidden(f"{path}.values", message)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{path}.operator", operator, NOT_OPERATOR)
    yield from label_key_errors(requirement.get("key") or "", f"{path}.key")
    for i, value in enumerate(values if not any_values else ()):
        for message in formats.label_value(value):
            yield invalid(f"{path}.values[{i}]", value, message)


def _node_field_errors(requirement: Object, path: str) -> Iterator[FieldError]:
    operator, values = requirement.get("operator") or "", requirement.get("values") or ()
    if operator not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", operator, NOT_OPERATOR)
    elif len(values) != 1:
        message = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", message)
    key = requirement.get("key") or ""
    if key != "metadata.name":
        yield invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for i, value in enumerate(values):
        for message in formats.dns1123_subdomain(value):
            yield invalid(f"{path}.values[{i}]", value, message)


def _pod_affinity_errors(affinity: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    any_values = options.any_affinity_values
    for i, term in enumerate(affinity.get(REQUIRED) or ()):
        yield from _pod_term_errors(term, f"{path}.{REQUIRED}[{i}]", any_values)
    for i, weighted in enumerate(affinity.get(PREFERRED) or ()):
        here, weight = f"{path}.{PREFERRED}[{i}]", weighted.get("weight") or 0
        if not 0 < weight <= 100:
            yield invalid(f"{here}.weight", weight, WEIGHT_WRONG)
        yield from _pod_term_errors(weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm", any_values)


def _pod_term_errors(term: Object, path: str, any_values: bool) -> Iterator[FieldError]:
    selector = term.get("labelSelector")
    yield from label_selector_errors(selector, f"{path}.labelSelector", any_values=any_values)
    yield from label_selector_errors(term.get("namespaceSelector"), f"{path}.namespaceSelector", any_values=any_values)
    for name in term.get("namespaces") or ():
        for message in formats.dns1123_label(name):
            yield invalid(f"{path}.namespace", name, message)
    yield from label_keys_errors(path, term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or (), selector)
    key = term.get("topologyKey") or ""
    if not key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from label_key_errors(key, f"{path}.topologyKey")


def label_keys_errors(
    path: str, match: Sequence[str], mismatch: Sequence[str], selector: Object | None
) -> Iterator[FieldError]:
    """Upstream ValidateMatchLabelKeysAndMismatchLabelKeys: the selector has the requirements made of them already."""
    yield from _keys_errors(f"{path}.matchLabelKeys", match, selector)
    yield from _keys_errors(f"{path}.mismatchLabelKeys", mismatch, selector)
    if selector is not None:
        positions = {key: i for i, key in enumerate(match)}
        seen = set(selector.get("matchLabels") or ())
        for expression in selector.get("matchExpressions") or ():
            key = expression.get("key") or ""
            if key in positions and key in seen:
                yield invalid(f"{path}[{positions[key]}]", key, "exists in both matchLabelKeys and labelSelector")
            seen.add(key)
    for i, key in enumerate(match):
        if key in mismatch:
            yield invalid(f"{path}.matchLabelKeys[{i}]", key, "exists in both matchLabelKeys and mismatchLabelKeys")


def _keys_errors(path: str, keys: Sequence[str], selector: Object | None) -> Iterator[FieldError]:
    if keys and selector is None:
        yield field_forbidden(path, "must not be specified when labelSelector is not set")
        return
    for i, key in enumerate(keys):
        yield from label_key_errors(key, f"{path}[{i}]")


def _legacy_keys_errors(path: str, keys: Sequence[str], selector: Object | None) -> Iterator[FieldError]:
    """Upstream ValidateMatchLabelKeysInTopologySpread."""
    if not keys:
        return
    if selector is None:
        yield field_forbidden(path, "must not be specified when labelSelector is not set")
    known = set((selector or {}).get("matchLabels") or ())
    known.update(e.get("key") or "" for e in (selector or {}).get("matchExpressions") or ())
    for i, key in enumerate(keys):
        yield from label_key_errors(key, f"{path}[{i}]")
        if key in known:
            yield invalid(f"{path}[{i}]", key, "exists in both matchLabelKeys and labelSelector")


def topology_spread_errors(constraints: list[Object], path: str, options: PodOptions) -> Iterator[FieldError]:
    for i, constraint in enumerate(constraints):
        here = f"{path}[{i}]"
        skew, key, action = (constraint.get(f) for f in ("maxSkew", "topologyKey", "whenUnsatisfiable"))
        if (skew or 0) <= 0:
            yield invalid(f"{here}.maxSkew", skew or 0, "must be greater than zero")
        if not key:
            yield required(f"{here}.topologyKey", "can not be empty")
        if action not in SPREAD_ACTIONS:
            yield not_supported(f"{here}.whenUnsatisfiable", action or "", SPREAD_ACTIONS)
        if any((c.get("topologyKey"), c.get("whenUnsatisfiable")) == (key, action) for c in constraints[i + 1 :]):
            yield duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", f"{{{key or ''}, {action or ''}}}")
        yield from _min_domains_errors(constraint.get("minDomains"), action or "", f"{here}.minDomains")
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = constraint.get(field)
            if policy is not None and policy not in INCLUSION_POLICIES:
                yield not_supported(f"{here}.{field}", policy, INCLUSION_POLICIES)
        yield from _spread_selector_errors(constraint, here, options)


def _min_domains_errors(minimum: int | None, action: str, path: str) -> Iterator[FieldError]:
    if minimum is None:
        return
    if minimum <= 0:
        yield invalid(path, minimum, "must be greater than zero")
    if action != "DoNotSchedule":
        message = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield invalid(path, minimum, message)


def _spread_selector_errors(constraint: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    keys, selector = constraint.get("matchLabelKeys") or (), constraint.get("labelSelector")
    if options.legacy_label_keys:
        yield from _legacy_keys_errors(f"{path}.matchLabelKeys", keys, selector)
    else:
        yield from label_keys_errors(path, keys, (), selector)
    if not options.any_spread_selector:
        yield from label_selector_errors(selector, f"{path}.labelSelector")


def taint_effect_errors(effect: str, path: str, *, may_be_empty: bool) -> Iterator[FieldError]:
    if not effect and not may_be_empty:
        yield required(path)
    elif effect not in TAINT_EFFECTS:
        yield not_supported(path, effect, TAINT_EFFECTS)


def tolerations_errors(tolerations: list[Object], path: str, options: PodOptions) -> Iterator[FieldError]:
    for i, toleration in enumerate(tolerations):
        here, key = f"{path}[{i}]", toleration.get("key") or ""
        operator, effect = toleration.get("operator") or "", toleration.get("effect") or ""
        if key:
            yield from label_key_errors(key, f"{here}.key")
        elif operator != "Exists":
            message = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{here}.operator", operator, message)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            yield invalid(f"{here}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from _toleration_value_errors(operator, toleration.get("value") or "", here, options)
        if effect:
            yield from taint_effect_errors(effect, f"{here}.effect", may_be_empty=True)


def _toleration_value_errors(operator: str, value: str, path: str, options: PodOptions) -> Iterator[FieldError]:
    if operator in ("Equal", ""):
        messages = formats.label_value(value)
        if messages:
            yield invalid(f"{path}.operator", value, ";".join(messages))
    elif operator == "Exists":
        if value:
            yield invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")
    elif operator not in ("Lt", "Gt"):
        yield not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    elif not options.comparing_tolerations:
        yield not_supported(f"{path}.operator", operator, ("Equal", "Exists", "Lt", "Gt"))
    else:
        yield from _integer_errors(value, f"{path}.value")


def _integer_errors(value: str, path: str) -> Iterator[FieldError]:
    for message in formats.decimal_integer(value):
        yield invalid(path, value, message)
    shown = f"strconv.ParseInt: parsing {go_value(value)}: "
    try:
        if int(value) not in INT64:
            yield invalid(path, value, shown + "value out of range")
    except ValueError:
        yield invalid(path, value, shown + "invalid syntax")


def readiness_gates_errors(gates: list[Object], path: str) -> Iterator[FieldError]:
    for i, gate in enumerate(gates):
        yield from qualified_errors(gate.get("conditionType") or "", f"{path}[{i}].conditionType")


def scheduling_gates_errors(gates: list[Object], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, gate in enumerate(gates):
        name = gate.get("name") or ""
        yield from qualified_errors(name, f"{path}[{i}]")
        if name in seen:
            yield duplicate(f"{path}[{i}]", name)
        seen.add(name)
