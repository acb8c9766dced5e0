"""Strategic merge patch: every expectation was seen on a real kube-apiserver v1.37 (kinds cut down to what is needed)."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.patch import invalid_patch_map, strategic_merge_patch
from apiserver.apimachinery.schema import LIST, MAP, OBJECT, STRING, Schema


def struct(go_type: str, /, **properties: Schema) -> Schema:
    schema = Schema(OBJECT)
    schema.go_type = f"v1.{go_type}"
    schema.properties = properties
    return schema


def strings() -> Schema:
    schema = Schema(MAP)
    schema.additional = Schema(STRING)
    return schema


def items(of: Schema, strategy: tuple[str, ...] = (), key: str = "") -> Schema:
    schema = Schema(LIST)
    schema.items, schema.patch_strategy, schema.merge_key = of, strategy, key
    return schema


OWNER = struct("OwnerReference", uid=Schema(STRING), name=Schema(STRING))
META = struct(
    "ObjectMeta",
    name=Schema(STRING),
    labels=strings(),
    finalizers=items(Schema(STRING), ("merge",)),
    ownerReferences=items(OWNER, ("merge",), "uid"),
)
CONTAINER = struct(
    "Container",
    name=Schema(STRING),
    image=Schema(STRING),
    args=items(Schema(STRING)),
    env=items(struct("EnvVar", name=Schema(STRING), value=Schema(STRING)), ("merge",), "name"),
)
VOLUME = struct(
    "Volume", name=Schema(STRING), emptyDir=struct("EmptyDir"), hostPath=struct("HostPath", path=Schema(STRING))
)
SPEC = struct(
    "PodSpec",
    containers=items(CONTAINER, ("merge",), "name"),
    volumes=items(VOLUME, ("merge", "retainKeys"), "name"),
    nodeSelector=strings(),
)
POD = struct("Pod", metadata=META, spec=SPEC, data=strings())


def patch_spec(spec: dict[str, Any], patch: dict[str, Any]) -> Any:
    return strategic_merge_patch({"spec": spec}, {"spec": patch}, POD).get("spec")


def containers(*names: str) -> dict[str, Any]:
    return {"containers": [{"name": n, "image": n} for n in names]}


def test_items_are_merged_by_their_key_and_new_ones_go_where_the_patch_says() -> None:
    patch = {"containers": [{"name": "b", "image": "b2"}, {"name": "new"}]}
    assert patch_spec(containers("a", "b", "c"), patch) == {
        "containers": [
            {"name": "a", "image": "a"},
            {"name": "b", "image": "b2"},
            {"name": "new"},
            {"name": "c", "image": "c"},
        ]
    }


def test_an_item_is_deleted_by_directive() -> None:
    patch = {"containers": [{"name": "b", "$patch": "delete"}, {"name": "zz", "$patch": "delete"}]}
    assert patch_spec(containers("a", "b", "c"), patch) == containers("a", "c")


def test_a_list_is_replaced_by_directive() -> None:
    patch = {"containers": [{"$patch": "replace"}, {"name": "z", "image": "z"}]}
    assert patch_spec(containers("a", "b"), patch) == containers("z")


def test_set_element_order_sorts_and_keeps_what_only_the_server_has() -> None:
    patch = {
        "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
        "containers": [{"name": "a", "image": "a2"}],
    }
    merged = patch_spec(containers("a", "b", "c"), patch)["containers"]
    assert [(c["name"], c["image"]) for c in merged] == [("b", "b"), ("c", "c"), ("a", "a2")]


def test_retain_keys_drops_the_other_fields() -> None:
    spec = {"volumes": [{"name": "v", "emptyDir": {}}]}
    patch = {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}
    assert patch_spec(spec, patch) == {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}


def test_lists_of_scalars_are_replaced_or_united_and_shrunk_by_directive() -> None:
    spec = {"containers": [{"name": "a", "args": ["1", "2"]}]}
    assert patch_spec(spec, {"containers": [{"name": "a", "args": ["3"]}]}) == {
        "containers": [{"name": "a", "args": ["3"]}]
    }
    obj = {"metadata": {"finalizers": ["a/1", "a/2"]}}
    merged = strategic_merge_patch(obj, {"metadata": {"finalizers": ["a/3", "a/1"]}}, POD)
    assert merged["metadata"]["finalizers"] == ["a/3", "a/1", "a/2"]
    shrunk = strategic_merge_patch(obj, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/1"]}}, POD)
    assert shrunk["metadata"]["finalizers"] == ["a/2"]
    assert obj == {"metadata": {"finalizers": ["a/1", "a/2"]}}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({"data": {"x": None, "y": "2"}}, {"data": {"y": "2"}}),
        (None, {"data": {"x": "1"}}),
        ({"data": {"$patch": "delete"}}, {"data": {}}),
        ({"data": {"$patch": "replace", "z": "1"}}, {"data": {"z": "1"}}),
        ({"data": {"$retainKeys": ["z"], "z": "1"}}, {"data": {"z": "1"}}),
        ({"data": {"x": {"$patch": "delete"}}}, {"data": {}}),
        ({"data": 5}, {"data": 5}),
        ({"data": {"y": {"a": None}}}, {"data": {"x": "1", "y": {}}}),
        ({"metadata": {"ownerReferences": [{"uid": "a", "$patch": "delete"}]}, "data": None}, {"metadata": {"ownerReferences": []}}),
        ({"$patch": "delete"}, {}),
    ],
)  # fmt: skip
def test_maps(patch: Any, result: Any) -> None:
    assert strategic_merge_patch({"data": {"x": "1"}}, patch, POD) == result


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        ([1], 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ({"data": {"$patch": "foo", "z": "1"}}, 500, "unknown patch type: foo in map: map[$patch:foo z:1]"),
        ({"$patch": "merge"}, 500, "unknown patch type: merge in map: map[$patch:merge]"),
        ({"$patch": 5}, 500, "unknown patch type: %!s(int64=5) in map: map[$patch:5]"),
        (
            {"metadata": {"$setElementOrder/finalizers": None}},
            500,
            "expected a []interface {}, but received a %!s(<nil>)",
        ),
        ({"data": {"$retainKeys": ["z"], "y": "1"}}, 400, "invalid patch format of retainKeys"),
        ({"data": {"$retainKeys": 5, "y": "1"}}, 400, "invalid patch format of retainKeys"),
        ({"metadata": {"$deleteFromPrimitiveList": ["x"]}}, 400, "invalid patch format of primitive list"),
        ({"metadata": {"$setElementOrder": ["x"]}}, 400, "invalid patch format of setElementOrder list"),
        ({"metadata": {"$setElementOrder/finalizers": 5}}, 500, "expected a []interface {}, but received a int64"),
        (
            {"metadata": {"$setElementOrder/foo": ["a"]}},
            500,
            'unable to find api field in struct ObjectMeta for the json field "foo"',
        ),
        ({"data": {"$setElementOrder/x": ["1"]}}, 500, "expected a []interface {}, but received a string"),
        (
            {"spec": {"containers": [{"image": "x"}]}},
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
    ],
)
def test_refusals(patch: Any, code: int, message: str) -> None:
    obj: dict[str, Any] = {"metadata": {"name": "a"}, "data": {"x": "1"}, "spec": containers("a")}
    with pytest.raises(StatusError) as caught:
        strategic_merge_patch(obj, patch, POD)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_a_result_that_does_not_decode_is_a_422_that_shows_the_patch() -> None:
    patch: dict[str, Any] = {"data": {"y": {"a": None}}}
    strategic_merge_patch({"data": {}}, patch, POD)
    error = invalid_patch_map(patch, "unrecognized type: string")
    assert error.message == ' "" is invalid: patch: Invalid value: "map[data:map[y:map[]]]": unrecognized type: string'
    error = invalid_patch_map({"data": 5}, "cannot restore map from int64")
    assert error.message == ' "" is invalid: patch: Invalid value: "map[data:5]": cannot restore map from int64'
