"""Reads through their handlers: forms, options, refusals, and what the body is made of."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import (
    AnyResponse,
    Headers,
    Request,
    RequestInfo,
    Response,
    StreamResponse,
    UpgradeResponse,
)
from apiserver.client.transport import LoopbackSink
from apiserver.endpoints.handlers import table
from apiserver.endpoints.handlers.answers import SMALL
from apiserver.endpoints.handlers.tests.world import World, virtual

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


async def ask(
    world: World,
    verb: str,
    name: str = "",
    *,
    query: str = "",
    accept: str = "",
    agent: str = "tester",
    upgrade: Any = None,
) -> AnyResponse:
    resource = world.resource
    info = RequestInfo(True, verb, "/", "api", resource.group, "v1", resource.plural, "", "default", name)
    headers = Headers([("Accept", accept), ("User-Agent", agent)])
    request = Request("GET", "/", query, headers, info=info, upgrade=upgrade)
    return await table.of(world.scope())[verb](world.scope(), request)


async def body(world: World, verb: str, name: str = "", **more: Any) -> Any:
    response = await ask(world, verb, name, **more)
    assert isinstance(response, Response)
    return orjson.loads(response.body_bytes())


async def refusal(world: World, verb: str, name: str = "", **more: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await ask(world, verb, name, **more)
    return caught.value


@virtual()
async def test_a_get_is_the_object_in_one_line(world: World) -> None:
    created = await world.create("a", data={"k": "v"})
    response = await ask(world, "get", "a")
    assert isinstance(response, Response)
    assert response.body_bytes().endswith(b"}\n") and response.body_bytes().count(b"\n") == 1
    assert orjson.loads(response.body_bytes()) == created


@virtual()
async def test_people_get_indented_json(world: World) -> None:
    await world.create("a")
    response = await ask(world, "get", "a", agent="curl/8")
    assert isinstance(response, Response)
    assert response.body_bytes().startswith(b'{\n  "kind": "ConfigMap",\n')
    response = await ask(world, "get", "a", query="pretty=0", agent="curl/8")
    assert isinstance(response, Response)
    assert response.body_bytes().startswith(b'{"kind":"ConfigMap",')


@virtual()
async def test_yaml_of_one_and_of_many(world: World) -> None:
    await world.create("a", data={"k": "v"})
    response = await ask(world, "get", "a", accept="application/yaml")
    assert isinstance(response, Response)
    assert response.content_type == "application/yaml"
    assert response.body_bytes().startswith(b"apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\n")
    many = await ask(world, "list", accept="application/yaml")
    assert isinstance(many, Response)
    text = many.body_bytes().decode()
    assert text.startswith("apiVersion: v1\nitems:\n- data:\n    k: v\n  metadata:\n")
    assert text.endswith(f'kind: ConfigMapList\nmetadata:\n  resourceVersion: "{await world.revision()}"\n')


@virtual()
async def test_an_empty_yaml_list(world: World) -> None:
    response = await ask(world, "list", accept="application/yaml")
    assert isinstance(response, Response)
    assert response.body_bytes().startswith(b"apiVersion: v1\nitems: []\nkind: ConfigMapList\n")


@virtual()
async def test_tables_of_one_and_of_many(world: World) -> None:
    await world.create("a")
    one = await body(world, "get", "a", accept=TABLE)
    assert one["rows"][0]["cells"] == ["a", 0, "0s"]
    many = await body(world, "list", accept=TABLE, query="includeObject=None")
    assert [row["object"] for row in many["rows"]] == [None]
    assert (await refusal(world, "get", "a", accept=TABLE, query="includeObject=x")).code == 400
    assert (await refusal(world, "get", "nope", accept=TABLE, query="includeObject=x")).code == 404


@virtual()
async def test_partial_metadata_fits_one_or_many(world: World) -> None:
    await world.create("a")
    assert (await body(world, "get", "a", accept=PARTIAL))["kind"] == "PartialObjectMetadata"
    assert (await body(world, "list", accept=PARTIAL_LIST))["kind"] == "PartialObjectMetadataList"
    wrong = await refusal(world, "list", accept=PARTIAL)
    assert (
        wrong.message == "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)"
    )
    assert (await refusal(world, "get", "a", accept=PARTIAL_LIST)).code == 406


@virtual()
async def test_a_large_list_is_not_joined(world: World) -> None:
    for n in range(10):
        await world.create(f"a{n}", data={"k": "v" * (SMALL // 8)})
    response = await ask(world, "list")
    assert isinstance(response, Response) and not isinstance(response.body, bytes)
    assert [item["metadata"]["name"] for item in orjson.loads(response.body_bytes())["items"]] == [
        f"a{n}" for n in range(10)
    ]


@virtual()
async def test_an_export_is_refused_and_a_name_must_not_be_contradicted(world: World) -> None:
    await world.create("a")
    assert "no longer supported" in (await refusal(world, "get", "a", query="export=true")).message
    assert (await ask(world, "get", "a", query="export=0")).status == 200  # type: ignore[union-attr]
    assert [i["metadata"]["name"] for i in (await body(world, "list", "a"))["items"]] == ["a"]
    error = await refusal(world, "list", "a", query="fieldSelector=metadata.name%3Db")
    assert error.message == "fieldSelector metadata.name doesn't match requested name"
    error = await refusal(world, "list", "a", query="fieldSelector=metadata.name%3Db,spec.x%3Dy")
    assert "spec.x" in error.message


@virtual()
async def test_a_watch_streams_and_ends_with_its_timeout(world: World) -> None:
    await world.create("a")
    response = await ask(world, "watch", query="watch=1&timeoutSeconds=5&resourceVersion=1")
    assert isinstance(response, StreamResponse)
    sink = LoopbackSink()
    await response.run(sink)
    line = await sink.read()
    assert line is not None
    assert orjson.loads(line)["object"]["metadata"]["name"] == "a"
    assert asyncio.get_running_loop().time() == pytest.approx(5.0)


@virtual()
async def test_a_watch_cannot_be_yaml(world: World) -> None:
    error = await refusal(world, "watch", query="watch=1", accept="application/yaml")
    assert error.message == (
        "only the following media types are accepted: "
        "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    )


@virtual()
async def test_a_watch_of_metadata_as_a_list_ends_at_once(world: World) -> None:
    response = await ask(world, "watch", query="watch=1", accept=PARTIAL_LIST)
    assert isinstance(response, StreamResponse)
    await response.run(LoopbackSink())


class Socket:
    """A WebSocket handle whose messages go into a sink."""

    def __init__(self) -> None:
        self.accepted = False
        self.messages = LoopbackSink()

    async def accept(self, protocols: Any = ()) -> str:
        self.accepted = True
        return ""

    def sink(self, *, text: bool) -> LoopbackSink:
        assert text
        return self.messages


@virtual()
async def test_a_watch_over_a_websocket(world: World) -> None:
    await world.create("a")
    socket = Socket()
    response = await ask(world, "watch", query="watch=1&timeoutSeconds=5&resourceVersion=1", upgrade=socket)
    assert isinstance(response, UpgradeResponse)
    await response.run(socket)
    assert socket.accepted
    message = await socket.messages.read()
    assert message is not None and orjson.loads(message)["type"] == "ADDED"
