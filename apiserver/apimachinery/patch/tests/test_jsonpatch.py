"""JSON patch: every expectation was seen on a real kube-apiserver v1.37."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.patch import json_patch, json_patch_strict_errors


def config_map() -> dict[str, Any]:
    return {"metadata": {"name": "a", "finalizers": ["a.b/c"]}, "data": {"x": "1"}}


def op(op: Any, path: Any, **more: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **more}


@pytest.mark.parametrize(
    ("operations", "data"),
    [
        ([op("add", "/data/y", value="2")], {"x": "1", "y": "2"}),
        ([op("add", "/data/a~1b~0c", value="2")], {"x": "1", "a/b~c": "2"}),
        ([op("replace", "/data/new", value="2")], {"x": "1", "new": "2"}),
        ([op("remove", "/data/x")], {}),
        ([op("move", "/data/y", **{"from": "/data/x"})], {"y": "1"}),
        ([op("copy", "/data/y", **{"from": "/data/x"})], {"x": "1", "y": "1"}),
        ([op("copy", "/data/y", **{"from": "/data/nope"})], {"x": "1", "y": None}),
        ([op("add", "/data/y")], {"x": "1", "y": None}),
        ([op("test", "/data/x", value="1"), op("remove", "/data/x")], {}),
        ([op("test", "/data/nope", value=None), op("remove", "/data/x")], {}),
        ([op("test", "/data/nope"), op("remove", "/data/x")], {}),
        (None, {"x": "1"}),
    ],
)
def test_operations_on_maps(operations: Any, data: dict[str, Any]) -> None:
    assert json_patch(config_map(), operations)["data"] == data


@pytest.mark.parametrize(
    ("operations", "finalizers"),
    [
        ([op("add", "/metadata/finalizers/-", value="z")], ["a.b/c", "z"]),
        ([op("add", "/metadata/finalizers/0", value="z")], ["z", "a.b/c"]),
        ([op("add", "/metadata/finalizers/1", value="z")], ["a.b/c", "z"]),
        ([op("add", "/metadata/finalizers/-1", value="z")], ["a.b/c", "z"]),
        ([op("replace", "/metadata/finalizers/-1", value="z")], ["z"]),
        ([op("remove", "/metadata/finalizers/0")], []),
    ],
)
def test_operations_on_lists(operations: Any, finalizers: list[str]) -> None:
    assert json_patch(config_map(), operations)["metadata"]["finalizers"] == finalizers


@pytest.mark.parametrize(
    "operation",
    [
        op("remove", "/data/y"),
        op("remove", "/foo/y"),
        op("test", "/data/x", value="2"),
        op("test", "/data/x"),
        op("test", "/metadata/labels/x", value="2"),
        op("test", "", value={}),
        op("bogus", "/data/x"),
        {"path": "/data/x"},
        {"op": "add", "value": "2"},
        op("add", "", value={}),
        op("add", "x", value={}),
        op("replace", "", value=5),
        op("copy", "/data/b"),
        op("move", "/data/b", **{"from": "/data/nope"}),
        op("move", "/nope/b", **{"from": "/data/x"}),
        op("remove", "/metadata/finalizers/3"),
        op("remove", "/metadata/finalizers/-"),
        op("remove", "/metadata/finalizers/-5"),
        op("add", "/metadata/finalizers/5", value="x"),
        op("add", "/metadata/finalizers/x", value="x"),
        op("replace", "/metadata/finalizers/7", value="x"),
        op("test", "/metadata/finalizers/7", value="x"),
        op("copy", "/data/q", **{"from": "/metadata/finalizers/7"}),
        op("copy", "/metadata/finalizers/7", **{"from": "/data/x"}),
        op("add", "/data/x/y", value="x"),
        None,
    ],
)
def test_what_does_not_apply_is_a_422_without_words(operation: Any) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch(config_map(), [operation])
    status = caught.value.status()
    assert (status["code"], status["reason"], status["details"]) == (422, "Invalid", {})
    assert status["message"] == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("operations", "detail"),
    [
        ([op("add", 5)], "number into Go struct field jsonPatchOp.path of type string"),
        ([op(1, "/a")], "number into Go struct field jsonPatchOp.op of type string"),
        ({"op": "add"}, "object into Go value of type []handlers.jsonPatchOp"),
        ([1], "number into Go value of type handlers.jsonPatchOp"),
        ("x", "string into Go value of type []handlers.jsonPatchOp"),
    ],
)
def test_what_is_no_patch_is_a_400(operations: Any, detail: str) -> None:
    with pytest.raises(StatusError) as caught:
        json_patch(config_map(), operations)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    assert caught.value.message == f"error decoding patch: json: cannot unmarshal {detail}"


def test_more_than_ten_thousand_operations_are_a_413() -> None:
    with pytest.raises(StatusError) as caught:
        json_patch(config_map(), [op("test", "/data/x", value="1")] * 10_001)
    assert caught.value.code == 413
    assert caught.value.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


def test_the_object_is_left_alone_and_shares_nothing_with_the_result() -> None:
    obj = config_map()
    value = {"b": ["c"]}
    patched = json_patch(obj, [op("add", "/data/y", value=value), op("remove", "/data/x")])
    patched["metadata"]["finalizers"].append("z")
    patched["data"]["y"]["b"].append("d")
    assert obj == config_map()
    assert value == {"b": ["c"]}


def test_numbers_of_another_kind_are_other_values() -> None:
    for value in (1.0, True, "1"):
        with pytest.raises(StatusError):
            json_patch({"a": {"b": 1}}, [op("test", "/a", value={"b": value})])
    assert json_patch({"a": {"b": 1}}, [op("test", "/a", value={"b": 1})]) == {"a": {"b": 1}}


def test_unknown_fields_of_operations_are_named() -> None:
    operations = [op("add", "/data/z", value="1", foo=1)]
    assert json_patch_strict_errors(operations) == ['json patch unknown field "[0].foo"']
