"""A Resource that comes, changes and goes while the server runs: routes, watches, discovery and OpenAPI follow at once."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.schema import OBJECT, STRING, Schema
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy
from apiserver.server.server import APIServer
from apiserver.server.tests.wires import LoopbackWire, Wire, socket_world
from apiserver.server.tests.worlds import world

WIDGETS = "/apis/stable.example.com/v1/namespaces/default/widgets"
GROUP_RESOURCE = GroupResource("stable.example.com", "widgets")
DOCUMENT = "/openapi/v3/apis/stable.example.com/v1"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
DEFINITION = "com.example.stable.v1.Widget"


class WidgetStrategy(Strategy):
    """Widgets get a colour once their schema knows of colours."""

    def __init__(self, *, coloured: bool) -> None:
        self.coloured = coloured

    def default(self, obj: Object) -> None:
        if self.coloured:
            obj.setdefault("spec", {}).setdefault("color", "red")


def widgets(*fields: str, generation: int, short_name: str) -> Resource:
    schema, spec = Schema(OBJECT), Schema(OBJECT)
    spec.properties = dict.fromkeys(fields, Schema(STRING))
    schema.properties = {"spec": spec}
    return Resource(
        group=GROUP_RESOURCE.group,
        plural=GROUP_RESOURCE.resource,
        kind="Widget",
        versions=(ServedVersion("v1"),),
        storage_version="v1",
        storage_prefix="/registry/stable.example.com/widgets",
        strategy=WidgetStrategy(coloured="color" in fields),
        short_names=(short_name,),
        schemas={"v1": schema},
        generation=generation,
    )


def widget(name: str, **spec: str) -> dict[str, Any]:
    return {"apiVersion": "stable.example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


async def tags(wire: Wire) -> tuple[str, str, str]:
    """What tells clients that something changed: aggregated discovery's ETag, OpenAPI v2's, v3's hash in the index."""
    discovery = await wire.ask("GET", "/apis", Accept=AGGREGATED)
    v2 = await wire.ask("GET", "/openapi/v2")
    index = (await wire.ask("GET", "/openapi/v3")).json["paths"]
    found = index.get(DOCUMENT.removeprefix("/openapi/v3/"), {}).get("serverRelativeURL", "")
    return discovery.headers["etag"], v2.headers["etag"], found


async def described(wire: Wire) -> tuple[set[str], set[str]]:
    """The fields of a widget's spec in both versions of OpenAPI."""
    v3 = (await wire.ask("GET", DOCUMENT)).json["components"]["schemas"][DEFINITION]
    v2 = (await wire.ask("GET", "/openapi/v2")).json["definitions"][DEFINITION]
    return set(v3["properties"]["spec"]["properties"]), set(v2["properties"]["spec"]["properties"])


async def short_names(wire: Wire) -> tuple[list[str], list[str]]:
    """What the legacy and the aggregated documents say of widgets."""
    listed = (await wire.ask("GET", "/apis/stable.example.com/v1")).json["resources"]
    groups = (await wire.ask("GET", "/apis", Accept=AGGREGATED)).json["items"]
    group = next(g for g in groups if g["metadata"]["name"] == "stable.example.com")
    return listed[0]["shortNames"], group["versions"][0]["resources"][0]["shortNames"]


async def is_not_served(wire: Wire) -> bool:
    paths = (WIDGETS, f"{WIDGETS}/a", "/apis/stable.example.com", "/apis/stable.example.com/v1", DOCUMENT)
    answers = [(await wire.ask("GET", path)).status for path in paths]
    groups = [g["name"] for g in (await wire.ask("GET", "/apis")).json["groups"]]
    written = await wire.ask("POST", WIDGETS, widget("a"))
    return answers == [404] * len(paths) and "stable.example.com" not in groups and written.status == 404


async def installed_and_written(server: APIServer, wire: Wire) -> None:
    server.installer.install(widgets("size", generation=1, short_name="wd"))
    watch = await wire.watch(f"{WIDGETS}?watch=true")
    created = await wire.ask("POST", f"{WIDGETS}?fieldValidation=Strict", widget("a", size="1"))
    assert created.status == 201, created.body
    event = await watch.next()
    assert event is not None
    assert (event["type"], event["object"]) == ("ADDED", created.json)
    refused = await wire.ask("POST", f"{WIDGETS}?fieldValidation=Strict", widget("b", size="1", color="blue"))
    assert (refused.status, 'unknown field "spec.color"' in refused.json["message"]) == (400, True)
    assert await described(wire) == ({"size"}, {"size"})
    assert await short_names(wire) == (["wd"], ["wd"])
    await watch.close()


async def changed(server: APIServer, wire: Wire) -> None:
    seen = (await wire.ask("GET", WIDGETS)).json["metadata"]["resourceVersion"]
    old = await wire.watch(f"{WIDGETS}?watch=true&resourceVersion={seen}")
    before = await tags(wire)
    server.installer.replace(widgets("size", "color", generation=2, short_name="wg"))
    assert await old.next() is None  # ended in good order: its client comes back and sees the new form
    await old.close()
    after = await tags(wire)
    assert [was == now for was, now in zip(before, after, strict=True)] == [False, False, False]
    assert await described(wire) == ({"size", "color"}, {"size", "color"})
    assert await short_names(wire) == (["wg"], ["wg"])
    new = await wire.watch(f"{WIDGETS}?watch=true&resourceVersion={seen}")
    created = await wire.ask("POST", f"{WIDGETS}?fieldValidation=Strict", widget("b", size="1", color="blue"))
    assert created.status == 201, created.body
    event = await new.next()
    assert event is not None
    assert event["object"]["spec"] == {"size": "1", "color": "blue"}
    listed = (await wire.ask("GET", WIDGETS)).json["items"]
    assert [each["spec"].get("color") for each in listed] == ["red", "blue"]  # also what was written before
    await new.close()


async def removed(server: APIServer, wire: Wire) -> None:
    watch = await wire.watch(f"{WIDGETS}?watch=true")
    server.installer.remove(GROUP_RESOURCE)
    while (event := await watch.next()) is not None:
        assert event["type"] == "ADDED"
    await watch.close()
    assert await is_not_served(wire)


async def life_of_a_resource(server: APIServer, wire: Wire) -> None:
    neighbour = await wire.watch("/api/v1/namespaces/default/configmaps?watch=true")
    without = await tags(wire)
    assert await is_not_served(wire)
    await installed_and_written(server, wire)
    await changed(server, wire)
    await removed(server, wire)
    assert await tags(wire) == without
    server.installer.install(widgets("size", generation=3, short_name="wd"))
    assert [w["metadata"]["name"] for w in (await wire.ask("GET", WIDGETS)).json["items"]] == ["a", "b"]
    await wire.ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "still-watched"}})
    event = await neighbour.next()
    assert event is not None
    assert event["object"]["metadata"]["name"] == "still-watched"
    await neighbour.close()


def test_a_resource_comes_changes_and_goes_without_a_restart() -> None:
    async def main() -> None:
        async with world() as w:
            await life_of_a_resource(w.server, LoopbackWire(w.transport))

    run_virtual(main())


async def test_a_resource_comes_changes_and_goes_over_real_sockets() -> None:
    async with socket_world() as (server, wire):
        await life_of_a_resource(server, wire)
