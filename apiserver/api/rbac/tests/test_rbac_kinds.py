"""RBAC's four kinds: defaults, validation in upstream's words and order, columns."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.rbac import clusterrole, clusterrolebinding, role, rolebinding
from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.objects import Object, copy
from apiserver.apimachinery.rand import Random
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource

GROUP = "rbac.authorization.k8s.io"
CTX = Context(SystemClock(), Random(1))


def errors(resource: Resource, old: Object | None = None, **obj: Any) -> list[str]:
    """What is wrong with the object, or with the change from `old`."""
    new: Object = {"metadata": {"name": "x", "resourceVersion": "7"}, **obj}
    resource.strategy.default(new)
    if old is None:
        return [str(e) for e in resource.strategy.validate(CTX, new)]
    before: Object = {"metadata": copy(new["metadata"]), **old}
    resource.strategy.default(before)
    return [str(e) for e in resource.strategy.validate_update(CTX, new, before)]


def test_rules_are_complete_and_verbs_come_last() -> None:
    rules = [
        {"verbs": []},
        {"verbs": ["get"], "nonResourceURLs": ["/x"], "apiGroups": [""]},
        {"verbs": None, "apiGroups": ["a"]},
    ]
    assert errors(role.RESOURCE, rules=rules) == [
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
        'rules[1].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        'rules[1].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
        "rules[2].resources: Required value: resource rules must supply at least one resource",
        "rules[0].verbs: Required value",
        "rules[2].verbs: Required value",
    ]


def test_paths_belong_to_cluster_roles() -> None:
    rules = [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]
    assert errors(clusterrole.RESOURCE, rules=rules) == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            {},
            ["aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
             "aggregationRule is non-nil"],
        ),
        ({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}, []),
        (
            {"clusterRoleSelectors": [{"matchExpressions": [{"key": "x", "operator": "In"}]}]},
            [
                "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].values: Required value: must be specified when "
                "`operator` is 'In' or 'NotIn'",
                "aggregationRule.clusterRoleSelectors[0]: Invalid value: null: invalid label selector.",
            ],
        ),
    ],
)  # fmt: skip
def test_aggregation_rules(rule: Object, expected: list[str]) -> None:
    assert errors(clusterrole.RESOURCE, aggregationRule=rule) == expected


def test_subjects_and_references_get_their_group() -> None:
    obj = {
        "roleRef": {"kind": "ClusterRole", "name": "b"},
        "subjects": [
            {"kind": "User", "name": "u"},
            {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "s"},
        ],
    }
    rolebinding.RESOURCE.strategy.default(obj)
    assert obj["roleRef"] == {"kind": "ClusterRole", "name": "b", "apiGroup": GROUP}
    assert obj["subjects"] == [
        {"kind": "User", "name": "u", "apiGroup": GROUP},
        {"kind": "Group", "name": "g", "apiGroup": GROUP},
        {"kind": "ServiceAccount", "name": "s"},
    ]


def test_subjects_of_cluster_role_bindings() -> None:
    subjects = [
        {"kind": "User"},
        {"kind": "ServiceAccount", "name": "a"},
        {"kind": "Foo", "name": "x"},
        {"kind": "Group", "name": "g", "apiGroup": "bar"},
    ]
    found = errors(clusterrolebinding.RESOURCE, roleRef={"kind": "Role"}, subjects=subjects)
    assert found == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[1].namespace: Required value",
        'subjects[2].kind: Unsupported value: "Foo": supported values: "ServiceAccount", "User", "Group"',
        f'subjects[3].apiGroup: Unsupported value: "bar": supported values: "{GROUP}"',
        "subjects[0].name: Required value",
        "roleRef.name: Required value",
    ]


def test_a_role_binding_may_name_accounts_of_its_namespace() -> None:
    subjects = [{"kind": "ServiceAccount", "name": "a"}]
    assert errors(rolebinding.RESOURCE, roleRef={"kind": "Role", "name": "r"}, subjects=subjects) == []
    assert errors(rolebinding.RESOURCE, roleRef={"kind": "Role", "name": "b%"}) == [
        "roleRef.name: Invalid value: \"b%\": may not contain '%'"
    ]


def test_the_role_of_a_binding_is_for_good() -> None:
    old = {"roleRef": {"kind": "ClusterRole", "name": "b"}}
    found = errors(clusterrolebinding.RESOURCE, old, roleRef={"kind": "ClusterRole", "name": "c"})
    shown = '{"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"c"}'
    assert found == [f"roleRef: Invalid value: {shown}: field is immutable"]
    same = {"roleRef": {"kind": "ClusterRole", "name": "b"}, "subjects": [{"kind": "Group", "name": "g"}]}
    assert errors(clusterrolebinding.RESOURCE, old, **same) == []


def test_columns_show_role_and_subjects() -> None:
    obj = {
        "metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "roleRef": {"kind": "ClusterRole", "name": "b"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "u"},
            {"kind": "ServiceAccount", "name": "u2", "namespace": "n2"},
            {"kind": "User", "name": "us"},
            {"kind": "Group", "name": "g1"},
            {"kind": "Group", "name": "g2"},
        ],
    }
    cells = {column.name: column.cell(obj, 0.0) for column in rolebinding.RESOURCE.columns}
    assert [*cells] == ["Name", "Role", "Age", "Users", "Groups", "ServiceAccounts"]
    assert (cells["Role"], cells["Users"], cells["Groups"]) == ("ClusterRole/b", "us", "g1, g2")
    assert cells["ServiceAccounts"] == "/u, n2/u2"
