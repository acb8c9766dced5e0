"""managedFields after creates, updates and patches. Every expectation was seen on a real kube-apiserver v1.37."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.apimachinery.apply import BadManagedFields, check, decode_fields, encode_fields
from apiserver.apimachinery.apply.tests.worlds import World, config_map


def entry(manager: str, fields: Any, **more: Any) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T12:01:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def test_a_create_owns_what_it_set() -> None:
    world = World()
    world.write(config_map({"a": "1", "b": "2"}, labels={"x": "y"}, namespace="default"), "creator")
    fields = {
        "f:data": {".": {}, "f:a": {}, "f:b": {}},
        "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
    }
    assert world.entries == [entry("creator", fields)]
    assert orjson.dumps(world.entries[0]).startswith(
        b'{"manager":"creator","operation":"Update","apiVersion":"v1","time"'
    )


def test_structs_of_the_kind_are_no_fields_of_their_own_but_new_parts_are() -> None:
    world = World("Pod")
    container = {
        "name": "a",
        "image": "i",
        "ports": [{"containerPort": p, "protocol": "TCP"} for p in (8080, 80)],
        "resources": {},
    }
    spec = {"containers": [container], "tolerations": [{"key": "x"}], "nodeSelector": {"a": "b"}, "securityContext": {}}
    world.write({"spec": spec, "status": {"phase": "Pending"}}, "m", reset_fields=(("status",),))
    port: dict[str, Any] = {".": {}, "f:containerPort": {}, "f:protocol": {}}
    assert orjson.dumps(world.owned["m"]) == orjson.dumps(
        {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"a"}': {
                        ".": {},
                        "f:image": {},
                        "f:name": {},
                        "f:ports": {
                            ".": {},
                            'k:{"containerPort":80,"protocol":"TCP"}': port,
                            'k:{"containerPort":8080,"protocol":"TCP"}': port,
                        },
                        "f:resources": {},
                    }
                },
                "f:nodeSelector": {},
                "f:securityContext": {},
                "f:tolerations": {},
            }
        }
    )


def test_a_change_moves_ownership_and_its_time() -> None:
    world = World()
    world.write(config_map({"a": "1", "b": "2"}), "first")
    world.change("second", data={"a": "1", "b": "3"})
    assert world.owned == {"first": {"f:data": {".": {}, "f:a": {}}}, "second": {"f:data": {"f:b": {}}}}
    assert [e["time"][14:16] for e in world.entries] == ["01", "02"]


def test_writing_the_same_owns_nothing_and_keeps_times() -> None:
    world = World()
    world.write(config_map({"a": "1"}), "first")
    before = world.entries
    world.change("second", data={"a": "1"})
    assert world.entries == before


def test_who_lost_everything_is_gone() -> None:
    world = World()
    world.write(config_map({"a": "1"}), "first")
    world.write(config_map(), "second")
    assert world.entries == []


def test_subresources_have_entries_of_their_own() -> None:
    world = World("Pod")
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "a"}]}, "status": {}}
    world.write(pod, "kubelet")
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    world.write({**pod, "status": ready}, "kubelet", "status", reset_fields=(("spec",),))
    assert [(e["operation"], e.get("subresource"), e["fieldsV1"].keys()) for e in world.entries] == [
        ("Update", None, {"f:spec"}),
        ("Update", "status", {"f:status"}),
    ]
    assert world.entries[1]["fieldsV1"]["f:status"] == {
        "f:conditions": {".": {}, 'k:{"type":"Ready"}': {".": {}, "f:status": {}, "f:type": {}}},
        "f:phase": {},
    }


def test_a_client_may_reset_managed_fields() -> None:
    world = World()
    world.write(config_map({"a": "1"}), "first")
    world.write(config_map({"a": "2"}, managedFields=[{}]), "second")
    assert world.entries == []
    world.change("second", data={"a": "3"})
    assert world.entries == [], "what is not tracked stays so until the first apply"


def test_entries_from_the_client_count_unless_they_are_bad() -> None:
    theirs = entry("theirs", {"f:data": {"f:b": {}, "f:a": {}}}, time="2020-01-01T02:00:00+02:00")
    world = World()
    world.write(config_map({"a": "1"}), "first")
    world.write(config_map({"a": "1"}, managedFields=[theirs]), "second")
    assert world.entries == [entry("theirs", {"f:data": {"f:a": {}, "f:b": {}}}, time="2020-01-01T00:00:00Z")]
    bad: dict[str, Any]
    gone = {"apiVersion": "apps/v1", "operation": "Foo"}
    for bad in (gone, {"operation": "Foo"}, {"apiVersion": ""}, {"fieldsType": ""}, {"fieldsV1": {"f:a": {"k:5": {}}}}):
        world.write(config_map({"a": "1"}, managedFields=[{**theirs, **bad}]), "second")
        assert list(world.owned) == ["theirs"]


def test_owners_of_a_version_gone_by_are_dropped() -> None:
    world = World()
    world.write(config_map({"a": "1"}), "first")
    world.write(config_map({"a": "2"}, managedFields=[entry("x", {"f:data": {"f:a": {}}}, apiVersion="apps/v1")]), "m")
    assert world.owned == {"m": {"f:data": {"f:a": {}}}}


def test_what_became_atomic_is_owned_whole() -> None:
    old = entry("old", {"f:spec": {"f:tolerations": {"k:{}": {"f:key": {}}}, "f:nodeSelector": {"f:a": {}}}})
    world = World("Pod")
    pod: dict[str, Any] = {"spec": {"containers": [{"name": "a"}]}, "metadata": {"managedFields": [old]}}
    world.write(pod, "m")
    world.write({**pod, "metadata": {"labels": {"a": "b"}}}, "m")
    assert world.owned["old"] == {"f:spec": {"f:nodeSelector": {}, "f:tolerations": {}}}


def test_only_ten_updaters_are_kept() -> None:
    world = World()
    world.write(config_map({"k0": "1"}), "m0")
    for i in range(1, 12):
        world.change(f"m{i}", data={**(world.live or {})["data"], f"k{i}": "1"})
    assert list(world.owned) == ["ancient-changes", *[f"m{i}" for i in range(3, 12)]]
    assert world.owned["ancient-changes"] == {"f:data": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}


def test_duplicate_items_are_owned_as_one() -> None:
    world = World("Pod")
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}, {"name": "B", "value": "3"}]
    world.write({"spec": {"containers": [{"name": "a", "env": env}]}}, "m")
    assert world.owned["m"]["f:spec"]["f:containers"]['k:{"name":"a"}']["f:env"] == {
        ".": {},
        'k:{"name":"A"}': {},
        'k:{"name":"B"}': {".": {}, "f:name": {}, "f:value": {}},
    }
    world.write({"spec": {"containers": [{"name": "a", "env": env[1:]}]}}, "n")
    assert world.owned["n"]["f:spec"]["f:containers"]['k:{"name":"a"}']["f:env"] == {
        'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}
    }


def test_an_item_without_its_keys_leaves_managed_fields_as_they_were() -> None:
    world = World("Pod")
    world.write({"spec": {"containers": [{"name": "a", "volumeMounts": [{"mountPath": "/a"}]}]}}, "m")
    before = world.entries
    world.write({"spec": {"containers": [None]}}, "n")
    assert world.entries == before


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"operation": "Foo"}, "operation must be `Apply` or `Update`"),
        ({"apiVersion": ""}, "apiVersion must not be empty"),
        ({"fieldsType": ""}, "missing fieldsType in managed fields entry 1"),
        ({"fieldsType": "x"}, 'invalid fieldsType "x" in managed fields entry 1'),
    ],
)
def test_bad_entries_are_told_in_upstreams_words(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(BadManagedFields) as caught:
        check([entry("good", {}), entry("bad", {}, **bad)])
    assert str(caught.value) == message


def test_fields_go_to_bytes_and_back() -> None:
    fields: dict[str, Any] = {"f:data": {".": {}, "f:a": {}}}
    assert encode_fields(fields) == b'{"f:data":{".":{},"f:a":{}}}'
    assert decode_fields(b'{"f:data":{"f:a":{},".":{}}}') == fields
    assert decode_fields(None) == {}
    for bad in (b"{", b"[1]", b'{"a":{}}', b'{"v:{":{}}', b'{"i:x":{}}'):
        with pytest.raises(BadManagedFields):
            decode_fields(bad)
