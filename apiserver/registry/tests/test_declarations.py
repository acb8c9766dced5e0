"""Kinds that cannot be served as declared are refused before anything is served, each fault with the kind's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apiserver.api import resources
from apiserver.api.strategy import KindStrategy
from apiserver.apimachinery.own_schemas import SchemaError, kind_schema
from apiserver.registry.declarations import DeclarationError, check, problems
from apiserver.registry.resource import Resource, ServedVersion, Subresource
from apiserver.registry.strategy import Strategy

SCHEMA = kind_schema("Gizmo", {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}})
GOOD = Resource(
    group="example.com",
    plural="gizmos",
    kind="Gizmo",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=KindStrategy(),
    schemas={"v1": SCHEMA},
)
TWO = (ServedVersion("v2"), ServedVersion("v1"))


class OnlyGets:
    def __init__(self, dependencies: Any, store: Any) -> None: ...

    async def get(self, ctx: Any, name: str, *, resource_version: str = "") -> Any: ...


def test_every_built_in_kind_can_be_served() -> None:
    assert list(problems(resources())) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"schemas": None}, "Kubernetes has no schema for example.com/v1, Kind=Gizmo: give `schemas` (apimachinery/own_schemas.py)"),
        ({"storage_version": "v3"}, "storage_version 'v3' is none of its versions (v1)"),
        ({"versions": TWO, "schemas": {"v1": SCHEMA, "v2": SCHEMA}}, "several versions (v2, v1) need `convert`"),
        ({"versions": TWO, "convert": lambda obj, to: obj}, "`schemas` has none for v2"),
        ({"storage_version": "v0", "convert": lambda obj, to: obj}, "`schemas` has none for v0"),
        ({"plural": "Gizmos"}, "plural 'Gizmos' has to be in small letters"),
        ({"namespaced": False}, "its strategy says namespaced = True, the Resource False"),
        ({"watch_index": "spec.owner"}, "spec.owner is not among its selectable fields"),
        ({"subresources": (Subresource(name="status"),)}, "subresource status needs either a `strategy` or a `rest`"),
        (
            {"subresources": (Subresource(name="grow", verbs=("create",), rest=OnlyGets),)},
            "subresource grow: OnlyGets has no method for the verb create",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_the_kind(change: dict[str, Any], fault: str | None) -> None:
    changed = replace(GOOD, **change)
    expected = [] if fault is None else [f"{changed.group_resource}: {fault}"]
    assert list(problems([changed])) == expected


def test_two_kinds_do_not_share_a_name_or_a_place() -> None:
    other = replace(GOOD, group="other.example.com")
    assert list(problems([GOOD, other])) == []  # kinds with schemas of their own are stored by group, as custom ones
    twice = list(problems([GOOD, replace(GOOD, kind="Widget")]))
    assert twice == [
        "gizmos.example.com: is declared twice",
        "gizmos.example.com: is stored under /registry/example.com/gizmos, where gizmos.example.com is: give a `storage_prefix`",
    ]
    below = replace(GOOD, plural="parts", kind="Part", storage_prefix="/registry/example.com/gizmos/parts")
    assert "is stored under /registry/example.com/gizmos/parts" in next(problems([GOOD, below]))


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(
        DeclarationError, match=r"'v3' is none of its versions.*; gizmos.example.com: .*several versions"
    ):
        check([replace(GOOD, storage_version="v3", versions=TWO, strategy=Strategy())])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"type": "int"}, "Gizmo.spec: type is 'int', not object, array, string, integer, number or boolean"),
        ({"type": "array"}, "Gizmo.spec: an array says what its items are"),
        ({"type": "object", "propertys": {}}, "Gizmo.spec: unknown keyword 'propertys'"),
        ({"$ref": "PodTemplateSpec"}, "Gizmo.spec: there is no built-in definition 'PodTemplateSpec'"),
    ],
)
def test_a_schema_that_cannot_be_used_names_the_place(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        kind_schema("Gizmo", {"spec": spec})
    assert str(caught.value) == message
