"""Watches in virtual time: what was, what comes, and how they end."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object, get
from apiserver.registry import watching
from apiserver.registry.rendition import Form
from apiserver.registry.resource import Column
from apiserver.registry.tests.watchers import Client, told
from apiserver.registry.tests.world import World, opened, virtual, widgets
from apiserver.storage.cacher.history import FRESH, LEAST

INDEXED = widgets(
    selectable={"spec.node": lambda obj: str(get(obj, "spec", "node", default=""))},
    watch_index="spec.node",
    columns=(Column("Name", lambda obj, now: get(obj, "metadata", "name", default="")),),
    empty={"spec": {}},
)


BIG = "x" * (watching.BUFFER_LIMIT // 4)


async def settle() -> None:
    """Let events through and a busy hub's window pass."""
    await asyncio.sleep(0.1)


def labelled(value: str) -> dict[str, Any]:
    return {"meta": {"labels": {"colour": value}}}


async def relabel(world: World, value: str, name: str = "a") -> Object:
    return await world.change(lambda obj: obj["metadata"].update(labels={"colour": value}), name)


def revision(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


@virtual()
async def test_a_watch_from_a_revision_tells_every_event_after_it(world: World) -> None:
    a = await world.create("a")
    b = await world.create("b")
    client = Client(world, resourceVersion=revision(a))
    await settle()
    c = await relabel(world, "red", "b")
    await world.delete("a")
    await settle()
    last = await world.revision()
    assert client.told == [f"ADDED b {revision(b)}", f"MODIFIED b {revision(c)}", f"DELETED a {last}"]
    await client.close()
    assert len(world.store.watches.hub) == 0


@pytest.mark.parametrize("start", ["", "0"])
def test_a_watch_from_nowhere_begins_with_what_exists_in_key_order(start: str) -> None:
    @virtual()
    async def check(world: World) -> None:
        b = await world.create("b")
        a = await world.create("a")
        await world.store.cacher.wait_current()
        client = Client(world, resourceVersion=start)
        await settle()
        c = await world.create("c")
        await settle()
        assert client.told == [f"ADDED a {revision(a)}", f"ADDED b {revision(b)}", f"ADDED c {revision(c)}"]
        await client.close()

    check()


@virtual()
async def test_a_watch_list_says_when_the_initial_events_end(world: World) -> None:
    a = await world.create("a")
    last = await world.revision()
    client = Client(world, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true")
    await settle()
    assert client.told == [f"ADDED a {revision(a)}", f"BOOKMARK {last} end"]
    annotations = client.sink.events[1]["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}
    await client.close()


@virtual()
async def test_a_watch_list_waits_for_its_revision_and_then_fails_with_an_event(world: World) -> None:
    client = Client(
        world,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
        resourceVersion=await world.revision() + 1,
    )
    await client.task
    assert client.told == ["ERROR 504 Timeout"]
    assert client.ended == pytest.approx(3.0)


@virtual()
async def test_without_initial_events_a_watch_begins_now(world: World) -> None:
    await world.create("a")
    client = Client(world, sendInitialEvents="false", resourceVersionMatch="NotOlderThan")
    await settle()
    b = await world.create("b")
    await settle()
    assert client.told == [f"ADDED b {revision(b)}"]
    await client.close()


@virtual()
async def test_entering_a_selection_is_added_and_leaving_it_deleted_with_the_old_content(world: World) -> None:
    start = await world.revision()
    client = Client(world, resourceVersion=start, labelSelector="colour=red")
    await settle()
    await world.create("a", **labelled("blue"))
    red = await relabel(world, "red")
    again = await world.change(lambda obj: obj["spec"].update(size=2))
    blue = await relabel(world, "blue")
    await settle()
    assert client.told == [
        f"ADDED a {revision(red)}",
        f"MODIFIED a {revision(again)}",
        f"DELETED a {revision(blue)}",
    ]
    left = client.sink.events[2]["object"]
    assert left["metadata"]["labels"] == {"colour": "red"}
    resumed = Client(world, resourceVersion=start, labelSelector="colour=red")
    await settle()
    assert resumed.sink.payload == client.sink.payload, "history tells it in the same bytes"
    await client.close()
    await resumed.close()


@virtual(INDEXED)
async def test_an_indexed_watcher_sees_objects_come_and_go(world: World) -> None:
    client = Client(world, resourceVersion=await world.revision(), fieldSelector="spec.node=n1")
    other = Client(world, resourceVersion=await world.revision(), fieldSelector="spec.node=n2")
    await settle()
    await world.create("a")
    bound = await world.change(lambda obj: obj["spec"].update(node="n1"))
    moved = await world.change(lambda obj: obj["spec"].update(node="n2"))
    await world.delete()
    await settle()
    assert client.told == [f"ADDED a {revision(bound)}", f"DELETED a {revision(moved)}"]
    assert other.told == [f"ADDED a {revision(moved)}", f"DELETED a {await world.revision()}"]
    await client.close()
    await other.close()


@virtual()
async def test_namespaces_and_names_are_kept_apart(world: World) -> None:
    start = await world.revision()
    everywhere = Client(world, namespace="", resourceVersion=start)
    here = Client(world, resourceVersion=start)
    one = Client(world, resourceVersion=start, fieldSelector="metadata.name=b")
    anywhere = Client(world, namespace="", resourceVersion=start, fieldSelector="metadata.name=b")
    await settle()
    for namespace in ("default", "other"):
        for name in ("a", "b"):
            await world.store.create(
                world.context(namespace=namespace), {"metadata": {"name": name}, "spec": {"size": 1}}
            )
    await settle()

    def seen(client: Client) -> list[str]:
        return [f"{e['object']['metadata']['namespace']}/{e['object']['metadata']['name']}" for e in client.sink.events]

    assert seen(everywhere) == ["default/a", "default/b", "other/a", "other/b"]
    assert seen(here) == ["default/a", "default/b"]
    assert seen(one) == ["default/b"]
    assert seen(anywhere) == ["default/b", "other/b"]
    for client in (everywhere, here, one, anywhere):
        await client.close()


@virtual()
async def test_bookmarks_come_every_minute_and_before_the_end(world: World) -> None:
    client = Client(world, resourceVersion=await world.revision(), allowWatchBookmarks="1", timeoutSeconds=130)
    plain = Client(world, resourceVersion=await world.revision(), timeoutSeconds=130)
    await asyncio.sleep(100)
    a = await world.create("a")
    await asyncio.gather(client.task, plain.task)
    first = int(revision(a)) - 1
    assert client.told == [
        f"BOOKMARK {first}",
        f"ADDED a {revision(a)}",
        f"BOOKMARK {revision(a)}",
        f"BOOKMARK {revision(a)}",
        f"BOOKMARK {revision(a)}",
    ]
    assert [round(t) for t in client.sink.times] == [60, 100, 120, 128, 129]
    assert plain.told == [f"ADDED a {revision(a)}"]
    assert client.ended == plain.ended == pytest.approx(130.0)


@virtual()
async def test_a_watch_without_a_timeout_ends_between_half_an_hour_and_an_hour(world: World) -> None:
    clients = [Client(world, resourceVersion=1) for _ in range(5)]
    await asyncio.gather(*(client.task for client in clients))
    assert all(1800 <= client.ended <= 3600 for client in clients)
    assert len({client.ended for client in clients}) == 5


@virtual()
async def test_timeouts_no_timer_can_count_are_taken(world: World) -> None:
    await world.create("a")
    past = Client(world, timeoutSeconds=-5)
    await past.task
    assert (past.ended < 1, past.told) == (True, [])
    far = Client(world, resourceVersion=1, timeoutSeconds=2**63 - 1)
    await settle()
    await far.close()


@virtual()
async def test_a_watch_resumes_from_before_the_window(world: World) -> None:
    first = await world.create("a")
    for n in range(2 * LEAST):
        await relabel(world, str(n))
        await asyncio.sleep(FRESH / 20)
    await world.store.cacher.wait_current()
    assert world.store.cacher.floor > int(revision(first))
    client = Client(world, resourceVersion=revision(first))
    await settle()
    begin = int(revision(first))
    assert client.told == [f"MODIFIED a {n}" for n in range(begin + 1, begin + 2 * LEAST + 1)]
    await client.close()


@virtual()
async def test_what_storage_has_forgotten_is_a_410_event(world: World) -> None:
    first = await world.create("a")
    for n in range(2 * LEAST):
        await relabel(world, str(n))
        await asyncio.sleep(FRESH / 20)
    await world.store.cacher.wait_current()
    await world.storage.compact(await world.revision())
    client = Client(world, resourceVersion=revision(first))
    await client.task
    assert client.told == ["ERROR 410 Expired"]
    floor = world.store.cacher.floor
    assert client.sink.events[0]["object"]["message"] == f"too old resource version: {revision(first)} ({floor})"


@virtual()
async def test_a_watch_from_the_future_tells_only_what_comes_after_that(world: World) -> None:
    ahead = await world.revision() + 2
    client = Client(world, resourceVersion=ahead)
    await settle()
    for name in ("a", "b", "c"):
        await world.create(name)
        await settle()
    assert client.told == [f"ADDED c {ahead + 1}"]
    await client.close()


@virtual()
async def test_a_client_that_does_not_keep_up_is_ended_with_no_event_missing(world: World) -> None:
    client = Client(world, resourceVersion=await world.revision(), stuck=True)
    await settle()
    for n in range(8):
        await world.create(f"a{n}", spec={"size": 1, "big": BIG})
        await settle()
    await client.task
    assert [e["object"]["metadata"]["name"] for e in client.sink.events] == [f"a{n}" for n in range(4)]
    assert len(world.store.watches.hub) == 0


@virtual()
async def test_a_client_that_does_not_take_its_replay_is_ended_too(world: World) -> None:
    await world.create("a", spec={"size": 1, "big": BIG})
    await world.store.cacher.wait_current()
    client = Client(world, stuck=True)
    await settle()
    for n in range(8):
        await world.create(f"b{n}", spec={"size": 1, "big": BIG})
        await settle()
    await client.task
    assert [e["object"]["metadata"]["name"] for e in client.sink.events] == ["a"]


@virtual()
async def test_what_happens_during_the_replay_comes_behind_it_in_order(world: World) -> None:
    for n in range(30):
        await world.create(f"a{n:02}", meta={"annotations": {"big": "x" * 20_000}})
    await world.store.cacher.wait_current()
    client = Client(world)
    for n in range(5):
        await asyncio.sleep(0)
        await world.create(f"b{n}")
    await settle()
    names = [e["object"]["metadata"]["name"] for e in client.sink.events]
    assert names == [f"a{n:02}" for n in range(30)] + [f"b{n}" for n in range(5)]
    await client.close()


@virtual()
async def test_watches_end_with_their_resource(world: World) -> None:
    client = Client(world, resourceVersion=1)
    await settle()
    world.store.close()
    await client.task
    assert client.told == []
    late = Client(world, resourceVersion=1)
    await late.task


@virtual()
async def test_cancelling_the_request_goes_through(world: World) -> None:
    client = Client(world, resourceVersion=1)
    await settle()
    client.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client.task
    assert len(world.store.watches.hub) == 0


@virtual(INDEXED)
async def test_a_table_names_its_columns_once(world: World) -> None:
    await world.create("a")
    client = Client(
        world,
        Form("v1", kind="table"),
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="1",
    )
    await settle()
    await world.create("b")
    await settle()
    tables = [event["object"] for event in client.sink.events]
    assert [bool(table["columnDefinitions"]) for table in tables] == [True, False, False]
    assert [table["rows"][0]["cells"] for table in tables] == [["a"], [""], ["b"]]
    end = tables[1]["rows"][0]["object"]
    assert end["kind"] == "PartialObjectMetadata" and "k8s.io/initial-events-end" in end["metadata"]["annotations"]
    await client.close()


@virtual(INDEXED)
async def test_a_live_table_watch_gets_its_columns_with_the_first_event(world: World) -> None:
    start = await world.revision()
    first = Client(world, Form("v1", kind="table"), resourceVersion=start)
    await settle()
    await world.create("a")
    await settle()
    second = Client(world, Form("v1", kind="table"), resourceVersion=await world.revision())
    await settle()
    await world.create("b")
    await settle()
    assert [bool(e["object"]["columnDefinitions"]) for e in first.sink.events] == [True, False]
    assert [bool(e["object"]["columnDefinitions"]) for e in second.sink.events] == [True]
    await first.close()
    await second.close()


@virtual(INDEXED)
async def test_partial_metadata_and_the_kinds_empty_form_in_bookmarks(world: World) -> None:
    await world.create("a")
    query: dict[str, Any] = {"sendInitialEvents": 1, "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": 1}
    partial = Client(world, Form("v1", kind="partial"), **query)
    whole = Client(world, **query)
    await settle()
    assert [e["object"]["kind"] for e in partial.sink.events] == ["PartialObjectMetadata"] * 2
    assert "spec" not in partial.sink.events[0]["object"]
    bookmark = whole.sink.events[1]["object"]
    assert (bookmark["kind"], bookmark["apiVersion"], bookmark["spec"]) == ("Widget", "test.example/v1", {})
    await partial.close()
    await whole.close()


@pytest.mark.parametrize("seed", range(10))
def test_watchers_of_any_start_and_selection_agree_with_the_writes(seed: int) -> None:
    """Each sees, in order and once, what a model of its selection says, whenever it came."""

    async def main() -> list[str]:
        rand = random.Random(seed)
        async with opened(INDEXED) as world:
            log: list[tuple[int, str, Object | None, Object | None]] = []
            clients: list[tuple[int, str, Client]] = []
            state: dict[str, Object] = {}
            for _ in range(150):
                if rand.random() < 0.1:
                    start = rand.randrange(1, await world.revision() + 1)
                    selector = rand.choice(("", "colour=red", "colour!=red"))
                    clients.append((start, selector, Client(world, resourceVersion=start, labelSelector=selector)))
                await write(world, rand, state, log)
                await asyncio.sleep(rand.choice((0, 0, 0.001, 0.004, 1)))
            await settle()
            for start, selector, client in clients:
                assert client.told == expected(log, start, selector)
                await client.close()
            return [line for _, _, client in clients for line in client.told]

    assert run_virtual(main()) == run_virtual(main()), "the same seed gives the same history"


async def write(world: World, rand: random.Random, state: dict[str, Object], log: list[Any]) -> None:
    name = rand.choice("abcde")
    old = state.get(name)
    colour = rand.choice(("red", "blue"))
    new: Object | None
    if old is None:
        new = await world.create(name, **labelled(colour))
    elif rand.random() < 0.3:
        await world.delete(name)
        new = None
    else:
        new = await relabel(world, colour, name)
    if new is not None and old is not None and revision(new) == revision(old):
        return
    log.append((await world.revision(), name, old, new))
    if new is None:
        del state[name]
    else:
        state[name] = new


def expected(log: list[tuple[int, str, Object | None, Object | None]], start: int, selector: str) -> list[str]:
    def inside(obj: Object | None) -> bool:
        if obj is None:
            return False
        red: bool = obj["metadata"]["labels"]["colour"] == "red"
        return {"": True, "colour=red": red, "colour!=red": not red}[selector]

    found = []
    for number, name, old, new in log:
        if number <= start or not (inside(old) or inside(new)):
            continue
        kind = "DELETED" if not inside(new) else "MODIFIED" if inside(old) else "ADDED"
        found.append(f"{kind} {name} {number}")
    return found


def test_told_names_errors() -> None:
    assert told({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}) == "ERROR 410 Expired"


@virtual()
async def test_a_watch_that_is_over_is_not_kept_until_its_time(world: World) -> None:
    """Else every client that comes and goes leaves its connection's buffers behind for up to an hour."""
    hub = world.store.watches.hub
    for _ in range(3):
        clients = [Client(world, allowWatchBookmarks=number % 2) for number in range(1200)]
        await asyncio.sleep(1)
        assert len(hub) == 1200
        for client in clients:
            client.sink.gone.set()
        await asyncio.sleep(1)
        assert (len(hub), len(hub._scheduled)) == (0, 0)
    assert len(hub._due) <= 1000
    last = Client(world, allowWatchBookmarks=1)
    await asyncio.sleep(61)
    assert last.sink.told[-1].startswith("BOOKMARK")
