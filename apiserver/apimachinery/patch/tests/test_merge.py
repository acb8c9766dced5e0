"""JSON merge patch: every expectation was seen on a real kube-apiserver v1.37."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.patch import invalid_patched, merge_patch


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"data": {"x": None, "y": "2"}}, {"data": {"y": "2"}, "list": [{"a": 1}]}),
        ({"data": {"y": {"a": None}}}, {"data": {"x": "1", "y": {}}, "list": [{"a": 1}]}),
        ({"data": 5}, {"data": 5, "list": [{"a": 1}]}),
        ({"data": None}, {"list": [{"a": 1}]}),
        ({"list": [{"a": None, "b": 2}, None]}, {"data": {"x": "1"}, "list": [{"b": 2}, None]}),
        ({"data": [{"a": None}]}, {"data": [{"a": None}], "list": [{"a": 1}]}),
        ({}, {"data": {"x": "1"}, "list": [{"a": 1}]}),
    ],
)
def test_merging(patch: Any, result: Any) -> None:
    obj: dict[str, Any] = {"data": {"x": "1"}, "list": [{"a": 1}]}
    assert merge_patch(obj, patch) == result
    assert obj == {"data": {"x": "1"}, "list": [{"a": 1}]}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ([1], "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (5, "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}"),
        ("a", "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}"),
        (None, "Invalid JSON Patch"),
    ],
)
def test_what_is_no_object_is_a_400(patch: Any, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        merge_patch({}, patch)
    assert (caught.value.code, caught.value.message) == (400, message)


def test_a_result_that_does_not_decode_is_a_422_that_shows_it() -> None:
    error = invalid_patched(
        {"kind": "ConfigMap", "apiVersion": "v1", "data": 5},
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string",
    )
    assert error.status()["message"] == (
        ' "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"v1\\",\\"data\\":5,\\"kind\\":\\"ConfigMap\\"}": '
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type map[string]string"
    )
    assert error.details is not None
    assert error.details["causes"][0]["field"] == "patch"
