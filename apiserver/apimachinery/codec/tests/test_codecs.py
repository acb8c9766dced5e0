"""YAML by Go's rules, duplicate keys, content negotiation: checked against Go's libraries and the real server (v1.37.2)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.apimachinery.codec import yaml
from apiserver.apimachinery.codec.json import SyntaxFault, has_duplicates, loads
from apiserver.apimachinery.codec.negotiate import CUSTOM, JSON, YAML, body_media_type, negotiate
from apiserver.apimachinery.errors import StatusError

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: y", {"a": True}),
        ("n: 1", {"false": 1}),
        ("a: 0o17\nb: 010\nc: 0x1F\nd: 1_000", {"a": 15, "b": 8, "c": 31, "d": 1000}),
        ("a: 1:30\nb: 2020-01-01", {"a": "1:30", "b": "2020-01-01"}),
        ("a: .5\nb: 1e3\nc: 1.0", {"a": 0.5, "b": 1000, "c": 1}),
        ("a: !!str 5\nb: !!binary aGk=\nc: !foo x", {"a": "5", "b": "hi", "c": "x"}),
        ("a: ~\nb:\nc: ''", {"a": None, "b": None, "c": ""}),
        ("a: &x {z: 1}\nb: *x\n<<: {q: 1}", {"a": {"z": 1}, "b": {"z": 1}, "q": 1}),
        ("a: 1\n---\nb: 2", {"a": 1}),
        ("# nothing", None),
    ],
)
def test_yaml_scalars_mean_what_they_mean_to_go(text: str, value: Any) -> None:
    assert yaml.loads(text.encode()) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b\n  c: 1", "yaml: line 2: mapping values are not allowed in this context"),
        ("\tx", "yaml: found character that cannot start any token"),
        ("x: *b", "yaml: unknown anchor 'b' referenced"),
        ("- x\n: y", "yaml: line 1: did not find expected '-' indicator"),
        ("a: .inf", "json: unsupported value: +Inf"),
    ],
)
def test_yaml_is_refused_in_goyamls_words(text: str, message: str) -> None:
    with pytest.raises(yaml.YamlError) as refused:
        yaml.parse(text.encode())
    assert str(refused.value) == message


def test_repeated_keys_of_yaml_are_listed_with_their_lines() -> None:
    assert yaml.parse(b"a: 1\nb: 2\na: 3").duplicates == ['line 3: key "a" already set in map']


def test_yaml_that_expands_without_end_is_refused() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)
    )
    with pytest.raises(yaml.YamlError, match="excessive aliasing"):
        yaml.parse(bomb.encode())


def test_yaml_written_is_yaml_read() -> None:
    obj = {"b": ["yes", "1e3", "", "x: y", "line\nline\n"], "a": {"n": None, "t": True, "i": 5}}
    assert yaml.loads(yaml.dump(obj)) == obj
    assert yaml.dump({"a": ["y"]}) == b'a:\n- "y"\n'


@pytest.mark.parametrize(
    ("data", "repeated"),
    [
        (b'{"a":1,"b":{"a":2}}', False),
        (b'{"a":1,"a":2}', True),
        (b'{"a" : 1,\n"a"\t:2}', True),
        (b'{"a":"x:y","b":":80"}', False),
        (b'{"a":"{\\"k\\":1,\\"k\\":2}"}', False),
        (b'{"a":":","b":{"c":1,"c":":"}}', True),
    ],
)
def test_repeated_keys_are_noticed_by_counting(data: bytes, repeated: bool) -> None:
    assert has_duplicates(data, orjson.loads(data)) is repeated


def test_an_escaped_colon_cannot_hide_a_repeated_key() -> None:
    data = b'{"a":1,"a":"\\u003a"}'
    assert has_duplicates(data, orjson.loads(data))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a":01}', "invalid character '1' after object key:value pair"),
        (b"nul", "invalid character ' ' in literal null (expecting 'l')"),
        (b'{"a":"\\x"}', "invalid character 'x' in string escape code"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"[" * 20000, "invalid character '[' exceeded max depth"),
    ],
)
def test_malformed_json_is_refused_in_gos_words(text: bytes, message: str) -> None:
    with pytest.raises(SyntaxFault) as refused:
        loads(text)
    assert str(refused.value) == message


def test_json_that_is_not_utf8_is_read_as_go_reads_it() -> None:
    assert loads(b'{"a":"\xff","b":"\\ud800"}') == {"a": "\ufffd", "b": "\ufffd"}


@pytest.mark.parametrize(
    ("accept", "media_type", "kind"),
    [
        ("", JSON, ""),
        ("*/*", JSON, ""),
        ("application/vnd.kubernetes.protobuf,application/json", JSON, ""),
        ("application/json;q=0.5,application/yaml;q=0.9", YAML, ""),
        (TABLE + ",application/json", JSON, "Table"),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", JSON, ""),
        ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", JSON, "PartialObjectMetadataList"),
    ],
)
def test_the_best_form_on_offer_is_chosen(accept: str, media_type: str, kind: str) -> None:
    found = negotiate(accept)
    assert (found.media_type, found.as_kind) == (media_type, kind)


def test_what_cannot_be_had_is_a_406_that_lists_what_can() -> None:
    with pytest.raises(StatusError) as refused:
        negotiate("text/plain", CUSTOM)
    assert refused.value.message == "only the following media types are accepted: application/json, application/yaml"
    with pytest.raises(StatusError) as refused:
        negotiate("application/yaml", stream=True)
    assert refused.value.message.endswith(
        "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    )


def test_tables_are_not_for_who_has_none() -> None:
    with pytest.raises(StatusError):
        negotiate(TABLE, tables=False)
    with pytest.raises(StatusError):
        negotiate(TABLE, transforms=False)


@pytest.mark.parametrize("header", ["application/json; charset=utf-8", "Application/JSON", "application/json;", ""])
def test_json_bodies_are_known_by_many_names(header: str) -> None:
    assert body_media_type(header) == JSON


@pytest.mark.parametrize("header", ["text/plain", "application/json; charset", "json", "application/json;a=b;a=c"])
def test_other_bodies_are_refused_with_415(header: str) -> None:
    with pytest.raises(StatusError) as refused:
        body_media_type(header)
    assert refused.value.code == 415
