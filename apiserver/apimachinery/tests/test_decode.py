"""Bodies as Go decodes them and writes them back: checked against Go's decoder and the real server (v1.37.2)."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from apiserver.apimachinery.codec.json import has_duplicates
from apiserver.apimachinery.decode import Decoded, decode, normalize, typed
from apiserver.apimachinery.decoding.exact import DecodeError, Decoder, go_base64, parse
from apiserver.apimachinery.decoding.fast import Irregular, table, walk
from apiserver.apimachinery.decoding.times import TimeError, canonical, canonical_micro
from apiserver.apimachinery.decoding.types import struct_type
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.schema import MAP, OBJECT, STRING, Schema
from apiserver.apimachinery.schemas import builtin

POD = GroupVersionKind("", "v1", "Pod")
CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")
JSON, YAML = "application/json", "application/yaml"


def read(body: Any, gvk: GroupVersionKind = CONFIG_MAP, validation: str = "Warn", content_type: str = JSON) -> Decoded:
    data = body if isinstance(body, bytes) else orjson.dumps({"kind": gvk.kind, "apiVersion": gvk.api_version, **body})
    return decode(data, content_type, builtin().schema(gvk), gvk, validation=validation)


def refusal(body: Any, gvk: GroupVersionKind = CONFIG_MAP, validation: str = "Warn", content_type: str = JSON) -> str:
    with pytest.raises(StatusError) as refused:
        read(body, gvk, validation, content_type)
    assert refused.value.code == 400
    return refused.value.message


def test_what_go_leaves_out_is_dropped_and_what_it_always_writes_is_there() -> None:
    container: dict[str, Any] = {
        "name": "a",
        "args": [],
        "env": None,
        "resources": {"limits": {"cpu": "1000m", "memory": 5}},
    }
    spec = {"containers": [container], "hostNetwork": False}
    found = read({"metadata": {"name": "x", "labels": {}, "creationTimestamp": None}, "spec": spec}, POD).obj
    assert found == {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "5"}}}]},
        "status": {},
    }


def test_absent_lists_without_omitempty_are_null_and_pointers_keep_their_zero() -> None:
    assert read({"spec": {"terminationGracePeriodSeconds": 0}}, POD).obj["spec"] == {
        "terminationGracePeriodSeconds": 0,
        "containers": None,
    }
    role = GroupVersionKind("rbac.authorization.k8s.io", "v1", "ClusterRole")
    assert read({}, role).obj["rules"] is None
    assert read({"rules": []}, role).obj["rules"] == []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"containers": 5},
            "json: cannot unmarshal number into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            {"containers": [{"ports": [{"containerPort": "80"}]}]},
            "json: cannot unmarshal string into Go struct field "
            "ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            {"volumes": [{"emptyDir": "x"}]},
            "json: cannot unmarshal string into Go struct field "
            "Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            {"priority": 3_000_000_000},
            "json: cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority of type int32",
        ),
        (
            {"hostNetwork": "yes"},
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (
            {"containers": [{"resources": {"limits": {"cpu": "x"}}}]},
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_type_errors_are_gos(spec: dict[str, Any], message: str) -> None:
    assert refusal({"spec": spec}, POD) == f'Pod in version "v1" cannot be handled as a Pod: {message}'


def test_times_and_bytes_are_read_as_go_reads_them() -> None:
    body = {"metadata": {"creationTimestamp": "2020-01-01T02:00:00.5+02:00"}, "binaryData": {"a": "YQ\n=="}}
    found = read(body).obj
    assert found["metadata"]["creationTimestamp"] == "2020-01-01T00:00:00Z"
    assert found["binaryData"] == {"a": "YQ=="}
    assert refusal({"metadata": {"creationTimestamp": "x"}}).endswith(
        'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'
    )
    assert refusal({"binaryData": {"a": "!"}}).endswith("illegal base64 data at input byte 0")


def test_unknown_and_repeated_fields_are_warned_of_refused_or_ignored() -> None:
    body = b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","nope":1},"data":{"a":"1","a":"2"},"data":{"b":"3"},"z":1}'
    expected = [
        'unknown field "metadata.nope"',
        'duplicate field "data.a"',
        'duplicate field "data"',
        'unknown field "z"',
    ]
    found = read(body)
    assert list(found.warnings) == expected
    assert found.obj == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "x"},
        "data": {"a": "2", "b": "3"},
    }
    strict = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
    assert refusal(body, validation="Strict") == strict + ", ".join(expected)
    assert read(body, validation="Ignore") == Decoded(found.obj, ())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
        (
            b"a: b",
            "couldn't get version/kind; json parse error: invalid character 'a' looking for beginning of value (613a2062)",
        ),
        (
            b'{"kind":"ConfigMap","apiVersion":"a/b/c"}',
            'unexpected GroupVersion string: a/b/c ({"kind":"ConfigMap","apiVersio ...)',
        ),
        (
            b'{"kind":5}',
            "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind "
            'of type string ({"kind":5})',
        ),
    ],
)
def test_what_is_no_object_is_unrecognized(body: bytes, message: str) -> None:
    assert refusal(body) == f"the object provided is unrecognized (must be of type ConfigMap): {message}"


@pytest.mark.parametrize(
    ("kind", "api_version", "why"),
    [
        ("Foo", "v1", 'no kind "Foo" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"'),
        ("Pod", "v1", "converting (v1.Pod) to (core.ConfigMap): unknown conversion"),
        ("List", "v1", "converting (v1.List) to (core.ConfigMap): unknown conversion"),
        ("CreateOptions", "v1", "converting (v1.CreateOptions) to (core.ConfigMap): unknown conversion"),
        ("ConfigMap", "v2", 'no kind "ConfigMap" is registered for version "v2" in scheme "pkg/runtime/scheme.go:111"'),
    ],
)
def test_other_kinds_are_refused(kind: str, api_version: str, why: str) -> None:
    message = f'{kind} in version "{api_version}" cannot be handled as a ConfigMap: {why}'
    assert refusal(orjson.dumps({"kind": kind, "apiVersion": api_version})) == message


def test_the_hubs_version_is_not_for_clients() -> None:
    expected = "the API version in the data (__internal) does not match the expected API version (v1)"
    assert refusal(b'{"kind":"ConfigMap","apiVersion":"__internal"}') == expected


def test_another_version_of_the_kind_is_named_and_accepted_where_it_may_be() -> None:
    old = GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler")
    new = GroupVersionKind("autoscaling", "v2", "HorizontalPodAutoscaler")
    data = orjson.dumps({"kind": old.kind, "apiVersion": "autoscaling/v1"})
    expected = "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
    assert refusal(data, new) == expected
    found = decode(data, JSON, builtin().schema(new), new, accepted=(old.group_version,))
    assert found.obj["apiVersion"] == "autoscaling/v1"


def test_kind_and_version_may_be_left_out_and_null_is_an_empty_object() -> None:
    empty = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}}
    assert read(b"{}").obj == read(b"null").obj == empty


def test_yaml_bodies_are_read_and_judged_alike() -> None:
    body = b"metadata: {name: x, name: z}\ndata: {a: b}\nfoo: 1\n"
    found = read(body, content_type=YAML)
    assert found.obj["metadata"] == {"name": "z"}
    assert list(found.warnings) == ['line 1: key "name" already set in map', 'unknown field "foo"']
    assert refusal(body, validation="Strict", content_type=YAML).endswith(
        'strict decoding error: yaml: unmarshal errors:\n  line 1: key "name" already set in map, unknown field "foo"'
    )
    assert "yaml: line 2: mapping values are not allowed in this context" in refusal(b"a: b\n c: d", content_type=YAML)


def test_deep_nesting_is_a_refusal_not_a_crash() -> None:
    data = b'{"kind":"ConfigMap","apiVersion":"v1","x":' + b"[" * 5000 + b"]" * 5000 + b"}"
    assert "exceeded max depth" in refusal(data)


def test_parsed_objects_are_decoded_alike() -> None:
    schema = builtin().schema(CONFIG_MAP)
    assert list(typed({"data": {"a": "b"}, "z": 1}, schema).warnings) == ['unknown field "z"']
    assert normalize({"metadata": {"labels": {}}, "data": {}}, schema) == {"metadata": {}}
    with pytest.raises(DecodeError, match=r"cannot unmarshal number into Go struct field ConfigMap.data of type map"):
        typed({"data": 5}, schema)
    with pytest.raises(DecodeError, match=r"json: cannot unmarshal array into Go value of type v1.ConfigMap"):
        typed([], schema)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2020-01-01T00:00:00.999Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T0:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-03-01T00:30:00+01:00", "2020-02-29T23:30:00Z"),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_times_are_written_in_utc_seconds(text: str, written: str | None) -> None:
    assert canonical(text) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2020-13-01T00:00:00Z", 'parsing time "2020-13-01T00:00:00Z": month out of range'),
        ("2020-02-30T00:00:00Z", 'parsing time "2020-02-30T00:00:00Z": day out of range'),
        ("2020-01-01", 'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2020-01-01T00:00:00Zx", 'parsing time "2020-01-01T00:00:00Zx": extra text: "x"'),
    ],
)
def test_what_is_no_time_is_refused_in_gos_words(text: str, message: str) -> None:
    with pytest.raises(TimeError) as refused:
        canonical(text)
    assert str(refused.value) == message


def test_micro_times_need_six_digits() -> None:
    assert canonical_micro("2020-01-01T00:00:00.123456Z") == "2020-01-01T00:00:00.123456Z"
    with pytest.raises(TimeError, match=r'cannot parse "Z" as ".000000"'):
        canonical_micro("2020-01-01T00:00:00Z")


def test_base64_says_where_it_is_wrong() -> None:
    assert go_base64("YW\nI=") == b"ab"
    for text, byte in (("YQ", 0), ("YWJjZ", 4), ("Y!==", 1), ("YQ==x", 4), ("YQ=", 3)):
        with pytest.raises(ValueError, match=f"illegal base64 data at input byte {byte}$"):
            go_base64(text)


def custom_schema() -> Schema:
    schema, spec, text, labels = Schema(OBJECT), Schema(OBJECT), Schema(STRING), Schema(MAP)
    labels.additional = text
    spec.properties = {"size": text, "labels": labels}
    schema.properties = {"spec": spec}
    return schema


def test_custom_objects_lose_what_their_schema_does_not_name() -> None:
    gvk = GroupVersionKind("example.com", "v1", "Foo")
    body = {"metadata": {"name": "x", "zz": 1}, "spec": {"size": "a", "no": 1, "labels": {"k": "v"}}, "extra": {}}
    data = orjson.dumps({"kind": "Foo", "apiVersion": "example.com/v1", **body})
    found = decode(data, JSON, custom_schema(), gvk)
    assert found.obj["spec"] == {"size": "a", "labels": {"k": "v"}}
    assert found.obj["metadata"] == {"name": "x"}
    assert list(found.warnings) == ['unknown field "metadata.zz"', 'unknown field "extra"', 'unknown field "spec.no"']


def random_value(rand: random.Random, depth: int = 0) -> Any:
    """Something that may or may not fit."""
    simple = ["a", "", 0, 1, 80, True, False, None, "1Gi", "0.5", 1.5, "2021-03-04T05:06:07Z", "YQ=="]
    if depth > 3 or rand.random() < 0.5:
        return rand.choice(simple)
    if rand.random() < 0.3:
        return [random_value(rand, depth + 1) for _ in range(rand.randint(0, 2))]
    return {rand.choice("abc"): random_value(rand, depth + 1) for _ in range(rand.randint(0, 2))}


def random_object(rand: random.Random, schema: Schema, depth: int = 0) -> Any:
    if rand.random() < 0.05 or depth > 6:
        return random_value(rand, depth)
    if schema.items is not None:
        return [random_object(rand, schema.items, depth + 1) for _ in range(rand.randint(0, 2))]
    if schema.additional is not None:
        return {
            rand.choice("abc"): random_object(rand, schema.additional, depth + 1) for _ in range(rand.randint(0, 2))
        }
    if schema.properties:
        names = rand.sample(sorted(schema.properties), min(len(schema.properties), rand.randint(0, 4)))
        return {name: random_object(rand, schema.properties[name], depth + 1) for name in names}
    fitting: dict[str, list[Any]] = {
        "string": ["a", ""],
        "integer": [0, 80],
        "boolean": [True, False],
        "quantity": ["1", "100m", 5],
    }
    return rand.choice(fitting.get(schema.type, ["a", 1]))


def test_the_fast_way_and_the_exact_way_agree() -> None:
    rand, fast = random.Random(7), 0
    for _ in range(400):
        gvk = rand.choice([POD, CONFIG_MAP, GroupVersionKind("", "v1", "Service"), GroupVersionKind("", "v1", "Node")])
        schema = builtin().schema(gvk)
        obj = random_object(rand, schema)
        data = orjson.dumps(obj if isinstance(obj, dict) else {})
        obj = orjson.loads(data)
        assert not has_duplicates(data, obj)
        try:
            walk(table(schema.name), obj)
        except Irregular:
            continue
        fast += 1
        assert Decoder().decode(parse(data), struct_type(schema.name)) == (obj, []), data
    assert fast > 100
