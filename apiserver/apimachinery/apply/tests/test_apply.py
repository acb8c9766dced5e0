"""Server-side apply. Every expectation was seen on a real kube-apiserver v1.37."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apiserver.apimachinery import objects
from apiserver.apimachinery.apply.tests.worlds import World, config_map
from apiserver.apimachinery.errors import StatusError

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def data(world: World) -> Any:
    assert world.live is not None
    return world.live.get("data")


def refusal(world: World, config: dict[str, Any], **more: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        world.apply(config, **more)
    return caught.value


def test_an_apply_creates_and_owns_what_it_names() -> None:
    world = World()
    world.apply(config_map({"a": "1", "b": "2"}, labels={"x": "y"}))
    assert data(world) == {"a": "1", "b": "2"}
    assert world.owned == {"applier": {"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:x": {}}}}}
    assert world.entries[0]["operation"] == "Apply"


def test_what_the_applier_gives_up_goes_unless_another_owns_it() -> None:
    world = World()
    world.apply(config_map({"a": "1", "b": "2"}))
    world.apply(config_map({"b": "2"}), "other")
    world.apply(config_map({}))
    assert data(world) == {"b": "2"}
    assert world.owned == {"applier": {"f:data": {}}, "other": {"f:data": {"f:b": {}}}}
    world.apply(config_map(), "other")
    assert data(world) is None


def test_the_same_apply_again_changes_nothing_not_even_times() -> None:
    world = World()
    first = world.apply(config_map({"a": "1"}))
    assert world.apply(config_map({"a": "1"}))["metadata"]["managedFields"] == first["metadata"]["managedFields"]


def test_an_applier_of_what_is_there_already_has_no_time() -> None:
    world = World()
    world.apply(config_map({"a": "1"}))
    world.apply(config_map({"a": "1"}), "second")
    assert [entry.get("time") for entry in world.entries] == [None, "2026-01-01T12:01:00Z"]
    assert list(world.owned) == ["second", "applier"]


def test_an_empty_apply_owns_nothing() -> None:
    world = World()
    world.apply(config_map())
    assert world.entries == []


def test_fields_set_before_the_first_apply_have_an_owner_too() -> None:
    world = World()
    world.write(config_map({"a": "1", "b": "2"}, managedFields=[]), "creator")
    world.write(config_map({"a": "1", "b": "2"}, managedFields=[{}]), "creator")
    world.apply(config_map({"a": "1"}))
    assert world.owned == {
        "applier": {"f:data": {"f:a": {}}},
        "before-first-apply": {"f:data": {".": {}, "f:a": {}, "f:b": {}}},
    }


def test_one_conflict() -> None:
    world = World()
    world.write(config_map({"a": "1"}), "kubectl-client-side-apply")
    error = refusal(world, config_map({"a": "2"}))
    assert error.status()["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using v1: .data.a'
    )
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-client-side-apply" using v1',
                "field": ".data.a",
            }
        ]
    }


def test_several_conflicts_are_listed_by_manager() -> None:
    world = World("Deployment", "apps/v1")
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    world.write({"spec": {"replicas": 3, "selector": None, "template": template}}, "updater")
    world.apply({"spec": {"replicas": 3}})
    error = refusal(
        world,
        {"spec": {"replicas": 7, "template": {"spec": {"containers": [{"name": "c", "image": "z"}]}}}},
        manager="a2",
    )
    assert error.message == (
        'Apply failed with 3 conflicts: conflicts with "applier":\n'
        "- .spec.replicas\n"
        'conflicts with "updater" using apps/v1:\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="c"].image'
    )


def test_a_conflict_names_the_subresource() -> None:
    world = World("Pod")
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Running"}}
    world.write({**pod, "status": {}}, "creator")
    world.write(pod, "kubelet", "status", reset_fields=(("spec",),))
    error = refusal(world, {"status": {"phase": "Failed"}}, subresource="status", reset_fields=(("spec",),))
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubelet" with subresource "status" using v1: .status.phase'
    )


def test_force_takes_ownership_over() -> None:
    world = World()
    world.write(config_map({"a": "1", "b": "1"}), "updater")
    world.apply(config_map({"a": "2"}), force=True)
    assert data(world) == {"a": "2", "b": "1"}
    assert world.owned == {"applier": {"f:data": {"f:a": {}}}, "updater": {"f:data": {".": {}, "f:b": {}}}}


def test_an_update_takes_ownership_from_an_applier() -> None:
    world = World()
    world.apply(config_map({"a": "1"}))
    world.change("updater", data={"a": "3"})
    assert world.owned == {"updater": {"f:data": {"f:a": {}}}}
    assert refusal(world, config_map({"a": "1"})).code == 409


def test_sets_and_keyed_lists_are_owned_by_item() -> None:
    world = World()
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a"}
    world.apply(
        config_map(finalizers=["a.b/c", "a.b/d"], ownerReferences=[{**owner, "uid": "u1"}, {**owner, "uid": "u2"}])
    )
    world.apply(config_map(finalizers=["a.b/d", "a.b/e"]), "other")
    world.apply(config_map(finalizers=["a.b/c"], ownerReferences=[{**owner, "uid": "u2"}]))
    assert world.live is not None
    assert world.live["metadata"]["finalizers"] == ["a.b/c", "a.b/d", "a.b/e"]
    assert [ref["uid"] for ref in world.live["metadata"]["ownerReferences"]] == ["u2"]
    assert world.owned["other"] == {"f:metadata": {"f:finalizers": {'v:"a.b/d"': {}, 'v:"a.b/e"': {}}}}
    # An owner reference is atomic: its fields have no paths.
    assert world.owned["applier"]["f:metadata"]["f:ownerReferences"] == {'k:{"uid":"u2"}': {}}


def env_of(world: World) -> str:
    containers = objects.get(world.live, "spec", "template", "spec", "containers")
    return "".join(variable["name"] for variable in containers[0]["env"])


def with_env(names: str) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "env": [{"name": name, "value": "1"} for name in names]}
    return {"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [container]}}}}


def test_merged_items_stand_as_the_applier_ordered_them() -> None:
    world = World("Deployment", "apps/v1")
    seen = []
    for manager, names in (("x", "ABC"), ("y", "CDA"), ("z", "ECFB"), ("z", "FE")):
        world.apply(with_env(names), manager)
        seen.append(env_of(world))
    assert seen == ["ABC", "BCDA", "ECDAFB", "CDAFBE"]


def test_an_apply_may_not_bring_what_is_not_its_to_bring() -> None:
    world = World()
    assert refusal(world, config_map(managedFields=[])).message == "metadata.managedFields must be nil"
    assert refusal(world, {"kind": "Foo"}).message == "invalid object type: /v1, Kind=Foo"
    assert refusal(world, {"apiVersion": "apps/v1"}, api_version="v1").message == (
        "invalid object type: apps/v1, Kind=ConfigMap"
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"foo": 1}, ".spec.foo: field not declared in schema"),
        ({"replicas": "7"}, ".spec.replicas: expected numeric (int or float), got string"),
        ({"paused": "x"}, ".spec.paused: expected boolean, got &{x}"),
        ([], ".spec: expected map, got &{[]}"),
        (
            {"template": {"metadata": {"labels": {"a": 5}}}},
            ".spec.template.metadata.labels.a: expected string, got &value.valueUnstructured{Value:5}",
        ),
        (
            {"template": {"spec": {"containers": [{"name": "c"}, {"name": "c"}]}}},
            '.spec.template.spec.containers: duplicate entries for key [name="c"]',
        ),
        (
            {"template": {"spec": {"containers": [None]}}},
            ".spec.template.spec.containers: element 0: associative list with keys may not have a null element",
        ),
        (
            {"template": {"spec": {"containers": {"a": "b"}}}},
            ".spec.template.spec.containers: expected list, got &{map[a:b]}",
        ),
        (
            {"template": {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": {}}}}]}}},
            '.spec.template.spec.containers[name="c"].resources.limits.cpu: expected any scalar, got &{map[]}',
        ),
        (
            {"template": {"metadata": {"finalizers": ["a", "a"]}}},
            '.spec.template.metadata.finalizers: duplicate entries for key [="a"]',
        ),
        (
            {"template": {"metadata": {"finalizers": [{"a": 1}]}}},
            ".spec.template.metadata.finalizers: element 0: associative list without keys has an element that's a map type",
        ),
    ],
)
def test_what_does_not_fit_the_type_is_told_with_its_path(spec: Any, text: str) -> None:
    error = refusal(World("Deployment", "apps/v1"), {"metadata": {"name": "d"}, "spec": spec})
    assert (error.code, error.reason) == (500, "")
    assert error.message == f"failed to create typed patch object (/d; apps/v1, Kind=Deployment): {text}"


def test_kubectl_takes_over_what_its_client_side_apply_set() -> None:
    last = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", **config_map({"a": "1", "b": "2"})})
    world = World()
    world.write(config_map({"a": "1", "b": "2"}, annotations={LAST_APPLIED: last}), "kubectl-client-side-apply")
    assert refusal(world, config_map({"a": "2", "b": "2"}), manager="other").code == 409
    world.apply(config_map({"a": "2", "b": "2", "c": "<&>"}, annotations={"z": "1"}), "kubectl")
    assert data(world) == {"a": "2", "b": "2", "c": "<&>"}
    assert world.live is not None
    assert world.live["metadata"]["annotations"][LAST_APPLIED] == (
        '{"apiVersion":"v1","data":{"a":"2","b":"2","c":"\\u003c\\u0026\\u003e"},"kind":"ConfigMap",'
        '"metadata":{"annotations":{"z":"1"},"name":"c"}}\n'
    )
    world.change("updater", data={"a": "2", "b": "9", "c": "<&>"})
    assert refusal(world, config_map({"a": "3", "b": "2"}), manager="kubectl").message == (
        'Apply failed with 1 conflict: conflict with "updater" using v1: .data.b'
    )


def test_reset_fields_are_never_owned() -> None:
    world = World("Pod")
    pod = {"spec": {"containers": [{"name": "a"}]}, "status": {"phase": "Running"}}
    world.apply(pod, reset_fields=(("status",),))
    assert world.owned["applier"].keys() == {"f:spec"}


def test_the_result_shares_nothing_with_what_it_was_made_of() -> None:
    world = World()
    config = config_map({"a": "1"}, labels={"x": "y"})
    result = world.apply(config)
    result["data"]["z"] = "9"
    result["metadata"]["labels"]["z"] = "9"
    assert config == config_map({"a": "1"}, labels={"x": "y"})
