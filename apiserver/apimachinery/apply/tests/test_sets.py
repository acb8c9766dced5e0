"""Sets as dicts against the plainest model: Python sets of paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from apiserver.apimachinery import objects
from apiserver.apimachinery.apply import sets
from apiserver.apimachinery.apply.elements import in_order, key_element, path_text, value_element
from apiserver.apimachinery.apply.sets import FieldSet, Path

ELEMENTS = ("f:a", "f:b", 'k:{"n":"x"}', 'k:{"n":"y"}', 'v:"q"')
PATHS = st.sets(st.lists(st.sampled_from(ELEMENTS), min_size=1, max_size=3).map(tuple), max_size=8)


def model(fields: FieldSet) -> set[Path]:
    return set(sets.paths(fields))


def made(paths: set[Path]) -> FieldSet:
    return sets.of_paths(sorted(paths))


@given(PATHS)
def test_a_set_holds_the_paths_it_was_made_of_in_canonical_form(paths: set[Path]) -> None:
    fields = made(paths)
    assert model(fields) == paths
    assert sets.normalized(fields) == fields
    assert [*map(str, sets.normalized(fields))] == in_order(fields)
    assert all(sets.has(fields, path) for path in paths)


@given(PATHS, PATHS)
def test_operations_agree_with_the_model(a: set[Path], b: set[Path]) -> None:
    left, right = made(a), made(b)
    before = objects.copy(left), objects.copy(right)
    assert sets.union(left, right) == made(a | b)
    assert sets.difference(left, right) == made(a - b)
    assert sets.intersection(left, right) == made(a & b)
    below = {path for path in a if any(path[: len(taken)] == taken for taken in b)}
    assert sets.recursive_difference(left, right) == made(a - below)
    assert (left, right) == before


@given(PATHS, PATHS)
def test_operations_keep_order_and_say_when_nothing_changed(a: set[Path], b: set[Path]) -> None:
    left, right = made(a), made(b)
    for result in (sets.union(left, right), sets.difference(left, right)):
        assert list(result) == in_order(result)
    if b <= a and not (a - b == a and b):
        assert sets.union(left, right) == left
    if not a & b:
        assert sets.difference(left, right) is left


def test_a_union_that_adds_nothing_is_the_same_set() -> None:
    fields = made({("f:a",), ("f:a", "f:b")})
    assert sets.union(fields, made({("f:a", "f:b")})) is fields


def test_elements_stand_in_upstreams_order() -> None:
    ports = [key_element({"containerPort": port, "protocol": "TCP"}) for port in (9, 80, 8080)]
    values = [value_element(value) for value in (2, 10, "a", "b", True)]
    wanted = ["f:a", "f:b", *ports, *values, "i:2", "i:10"]
    assert in_order(reversed(wanted)) == wanted
    assert in_order(["f:b", ".", "f:a"]) == [".", "f:a", "f:b"]


def test_paths_are_printed_as_in_messages() -> None:
    path = ("f:spec", "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"x"', "i:3")
    assert path_text(path) == '.spec.ports[containerPort=80,protocol="TCP"][="x"][3]'


def test_foreign_forms_are_normalized() -> None:
    foreign: FieldSet = {"f:b": {}, "f:a": {'k:{"b": 1.0, "a":2}': {"z:what": {}}, ".": {}}}
    assert sets.normalized(foreign) == {"f:a": {".": {}, 'k:{"a":2,"b":1}': {}}, "f:b": {}}


def test_html_in_keys_is_escaped_as_go_does() -> None:
    assert value_element("<a&b>") == 'v:"\\u003ca\\u0026b\\u003e"'
