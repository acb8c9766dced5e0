"""ClusterRole: rights anywhere; with an aggregationRule, the sum of the ClusterRoles it selects."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import DEFAULT_COLUMNS
from apiserver.api.rbac.escalation import role_hooks
from apiserver.api.rbac.policy_rules import GROUP, RoleStrategy
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.labels import SelectorError, from_label_selector
from apiserver.apimachinery.objects import Object
from apiserver.registry.resource import Resource, ServedVersion

SELECTORS = "aggregationRule.clusterRoleSelectors"


class ClusterRoleStrategy(RoleStrategy):
    """Mirrors upstream registry/rbac/clusterrole."""

    namespaced = False

    def rule_errors(self, obj: Object) -> Iterator[FieldError]:
        yield from super().rule_errors(obj)
        yield from aggregation_errors(obj)


def aggregation_errors(obj: Object) -> Iterator[FieldError]:
    rule = obj.get("aggregationRule")
    if rule is None:
        return
    selectors = rule.get("clusterRoleSelectors")
    if not selectors:
        yield required(SELECTORS, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for i, selector in enumerate(selectors or ()):
        yield from label_selector_errors(selector, f"{SELECTORS}[{i}]")
        try:
            from_label_selector(selector)
        except SelectorError:
            yield invalid(f"{SELECTORS}[{i}]", None, "invalid label selector.")


RESOURCE = Resource(
    group=GROUP,
    plural="clusterroles",
    kind="ClusterRole",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ClusterRoleStrategy(),
    namespaced=False,
    empty={"rules": None},
    columns=DEFAULT_COLUMNS,
    hooks=role_hooks,
)
