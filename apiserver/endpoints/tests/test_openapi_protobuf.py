"""The swagger document as protobuf: the numbers are gnostic's; held against the real server's 2 MB byte for byte but for YAML."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.endpoints import openapi_protobuf

Message = list[tuple[int, Any]]


def fields(data: bytes) -> Message:
    """The fields of a message as they come: number and value."""
    found: Message = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        number, wire = divmod(varint(), 8)
        length = {1: 8}.get(wire) or varint()
        if wire == 0:
            found.append((number, length))
            continue
        found.append((number, data[at : at + length]))
        at += length
    return found


def inner(data: bytes, *path: int) -> bytes:
    """The first value under these numbers, one in the other."""
    for number in path:
        data = dict(reversed(fields(data)))[number]
    return data


async def encoded(**more: Any) -> bytes:
    return await openapi_protobuf.encode(
        {"swagger": "2.0", "info": {"title": "K", "version": "v1"}, "paths": {}, "definitions": {}, **more}
    )


async def schema(document: Any) -> bytes:
    return inner(await encoded(definitions={"x": document}), 9, 1, 2)


async def test_a_document_has_its_parts_under_their_numbers() -> None:
    security = {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}}
    found = fields(await encoded(security=[{"BearerToken": []}], securityDefinitions=security))
    assert [number for number, _ in found] == [1, 2, 8, 9, 12, 13]
    assert found[0] == (1, b"2.0")
    assert fields(found[1][1]) == [(1, b"K"), (2, b"v1")]
    assert fields(inner(found[4][1], 1)) == [(1, b"BearerToken"), (2, b"")]
    assert fields(inner(found[5][1], 1, 2, 2)) == [(1, b"apiKey"), (2, b"authorization"), (3, b"header")]


async def test_properties_keep_their_order_and_extensions_are_texts_that_can_be_read_as_yaml() -> None:
    gvk = [{"group": "", "kind": "X", "version": "v1"}]
    data = await schema(
        {
            "type": "object",
            "properties": {"b": {"$ref": "#/definitions/y"}, "a": {"type": "array", "items": {"type": "string"}}},
            "x-kubernetes-group-version-kind": gvk,
        }
    )
    properties = [fields(entry) for _, entry in fields(inner(data, 25))]
    assert [entry[0][1] for entry in properties] == [b"b", b"a"]
    assert fields(properties[0][1][1]) == [(1, b"#/definitions/y")]
    assert inner(properties[1][1][1], 23, 1, 22, 1) == b"string"
    assert inner(data, 31, 1) == b"x-kubernetes-group-version-kind"
    assert orjson.loads(inner(data, 31, 2, 2)) == gvk


@pytest.mark.parametrize(("given", "number"), [(True, 2), (False, 2), ({"type": "string"}, 1)])
async def test_additional_properties_are_a_schema_or_a_yes_or_no_that_is_always_written(
    given: Any, number: int
) -> None:
    found = fields(inner(await schema({"additionalProperties": given}), 21))
    assert found[0] == (number, given) if number == 2 else found[0][0] == number


async def test_what_is_zero_is_left_out() -> None:
    assert fields(await schema({"description": "", "minLength": 0, "readOnly": False, "maxItems": 300})) == [(14, 300)]


@pytest.mark.parametrize(("place", "path"), [("body", (1,)), ("query", (2, 3)), ("path", (2, 4)), ("header", (2, 1))])
async def test_a_parameter_is_of_the_kind_of_its_place(place: str, path: tuple[int, ...]) -> None:
    parameter = {"name": "p", "in": place, "required": True}
    operation = {"parameters": [parameter, {"$ref": "#/parameters/q"}], "responses": {"200": {"description": "OK"}}}
    data = inner(await encoded(paths={"/a": {"get": operation}}), 8, 2, 2, 2)
    items = [item for number, item in fields(data) if number == 8]
    assert {(n, v) for n, v in fields(inner(items[0], 1, *path)) if isinstance(v, bytes)} >= {
        (n, v) for n, v in ([(2, b"p"), (3, b"body")] if place == "body" else [(2, place.encode()), (4, b"p")])
    }
    assert inner(items[1], 2, 1) == b"#/parameters/q"
    assert fields(inner(data, 9, 1)) == [(1, b"200"), (2, b"\n\x04\n\x02OK")]
