"""Node selectors and the terms of node affinity, parsed and matched (upstream component-helpers/scheduling/corev1/nodeaffinity)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.apimachinery import labels
from apiserver.apimachinery.objects import Object

_OPERATORS = {
    "In": labels.IN,
    "NotIn": labels.NOT_IN,
    "Exists": labels.EXISTS,
    "DoesNotExist": labels.DOES_NOT_EXIST,
    "Gt": labels.GREATER,
    "Lt": labels.LESS,
}


class Term:
    """One term: conditions on labels and on the node's name, all of which must hold. Raises SelectorError when made."""

    __slots__ = ("_labels", "_names")

    def __init__(self, term: Mapping[str, Any]) -> None:
        self._labels = labels.Selector(_requirement(e) for e in term.get("matchExpressions") or ())
        self._names: list[tuple[str, bool]] = [_name_condition(e) for e in term.get("matchFields") or ()]

    def matches(self, name: str, node_labels: Mapping[str, str]) -> bool:
        if not self._labels.matches(node_labels):
            return False
        return all((name == value) == wanted for value, wanted in self._names)


def _requirement(expression: Mapping[str, Any]) -> labels.Requirement:
    operator = _OPERATORS.get(expression.get("operator") or "")
    if operator is None:
        raise labels.SelectorError(f"not a valid selector operator: {expression.get('operator')!r}")
    return labels.requirement(expression["key"], operator, expression.get("values") or ())


def _name_condition(expression: Mapping[str, Any]) -> tuple[str, bool]:
    values: list[str] = expression.get("values") or []
    if expression.get("operator") not in ("In", "NotIn"):
        raise labels.SelectorError(f"not a valid selector operator: {expression.get('operator')!r}")
    if len(values) != 1:
        raise labels.SelectorError("must have one element")
    return str(values[0]), expression["operator"] == "In"


def _empty(term: Mapping[str, Any]) -> bool:
    return not term.get("matchExpressions") and not term.get("matchFields")


class NodeSelector:
    """Terms of which one must match. An empty term matches nothing; one that cannot be read matches nothing either."""

    def __init__(self, selector: Mapping[str, Any], *, strict: bool = False) -> None:
        """`strict`: raise SelectorError for a term that cannot be read."""
        self._terms: list[Term] = []
        for term in selector.get("nodeSelectorTerms") or ():
            if _empty(term):
                continue
            try:
                self._terms.append(Term(term))
            except labels.SelectorError:
                if strict:
                    raise

    def matches(self, name: str, node_labels: Mapping[str, str]) -> bool:
        return any(term.matches(name, node_labels) for term in self._terms)


class RequiredNodeAffinity:
    """A pod's nodeSelector and required node affinity; `trivial`: it has neither."""

    __slots__ = ("_affinity", "_selector", "trivial")

    def __init__(self, pod: Object) -> None:
        spec = pod["spec"]
        required = required_terms(pod)
        self._selector: Mapping[str, str] = spec.get("nodeSelector") or {}
        self._affinity = NodeSelector(required) if required is not None else None
        self.trivial = not self._selector and required is None

    def matches(self, name: str, node_labels: Mapping[str, str]) -> bool:
        for key, value in self._selector.items():
            if node_labels.get(key) != value:
                return False
        return self._affinity is None or self._affinity.matches(name, node_labels)

    def matches_node(self, node: Object) -> bool:
        meta = node["metadata"]
        return self.matches(meta["name"], meta.get("labels") or {})


def required_terms(pod: Object) -> Mapping[str, Any] | None:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    return affinity.get("requiredDuringSchedulingIgnoredDuringExecution")


class PreferredTerms:
    """Weighted terms; a node's score is the sum of the weights of those that match. Raises SelectorError when made."""

    def __init__(self, terms: Iterable[Mapping[str, Any]]) -> None:
        kept = [t for t in terms if t.get("weight") and not _empty(t.get("preference") or {})]
        self._terms = [(Term(t["preference"]), int(t["weight"])) for t in kept]

    def score(self, name: str, node_labels: Mapping[str, str]) -> int:
        return sum(weight for term, weight in self._terms if term.matches(name, node_labels))


def preferred_terms(pod: Object) -> PreferredTerms | None:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = affinity.get("preferredDuringSchedulingIgnoredDuringExecution")
    return PreferredTerms(terms) if terms else None
