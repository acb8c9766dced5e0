"""Reflector and Informer: the copy equals the server's state through expiry, refusals, breaks and resumption."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.client.informer import Handler, Informer, Informers, MutationDetected
from apiserver.client.resources import Client
from apiserver.client.tests.scripted import Answer, ScriptedTransport

PODS = GroupVersionResource("", "v1", "pods")
INITIAL_END = {"k8s.io/initial-events-end": "true"}


def pod(name: str, revision: int, **labels: str) -> Object:
    meta = {"name": name, "namespace": "n", "resourceVersion": str(revision), "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


def added(obj: Object) -> Object:
    return {"type": "ADDED", "object": obj}


def deleted(obj: Object) -> Object:
    return {"type": "DELETED", "object": obj}


def bookmark(revision: int, annotations: dict[str, str] | None = None) -> Object:
    meta = {"resourceVersion": str(revision), "annotations": annotations or {}}
    return {"type": "BOOKMARK", "object": {"metadata": meta}}


def expired() -> Object:
    return {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


def bad_request() -> Answer:
    return Answer(400, {"kind": "Status", "code": 400, "reason": "BadRequest", "message": "no sendInitialEvents"})


def pods_seen(transport: ScriptedTransport, until: Callable[[Informer], bool]) -> tuple[dict[str, str], Informer]:
    """Run an informer over the transport in virtual time until the condition holds: name → revision."""

    async def main() -> tuple[dict[str, str], Informer]:
        informers = Informers(Client(transport), Random(1), detect_mutations=True)
        informer = informers.informer(PODS)
        informers.start()
        async with asyncio.timeout(3600):
            while not until(informer):  # noqa: ASYNC110 - virtual time: polling costs nothing
                await asyncio.sleep(0.1)
        await informers.close()
        return {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in informer.indexer}, informer

    work: Coroutine[Any, Any, tuple[dict[str, str], Informer]] = main()
    return run_virtual(work)


def test_the_initial_state_is_whole_or_nothing() -> None:
    transport = ScriptedTransport(
        Answer(200, added(pod("half", 1))),  # ends before the bookmark: nothing of it counts
        Answer(200, added(pod("a", 2)), added(pod("b", 3)), bookmark(5, INITIAL_END), None),
    )
    seen, _ = pods_seen(transport, lambda informer: informer.has_synced)
    assert seen == {"a": "2", "b": "3"}
    assert "sendInitialEvents=true" in transport.asked[0][1]
    assert "resourceVersionMatch=NotOlderThan" in transport.asked[0][1]


def test_a_server_that_refuses_watch_lists_is_listed_in_pages() -> None:
    first = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9", "continue": "c"}}
    transport = ScriptedTransport(
        bad_request(),
        Answer(200, {**first, "items": [pod("a", 1)]}),
        Answer(200, {**first, "metadata": {"resourceVersion": "9"}, "items": [pod("b", 2)]}),
        Answer(200, added(pod("c", 10)), deleted(pod("a", 11)), None),
    )
    seen, _ = pods_seen(
        transport, lambda informer: len(informer.indexer) == 2 and informer.lister.get("n", "c") is not None
    )
    assert seen == {"b": "2", "c": "10"}
    assert "continue=c" in transport.asked[2][1]
    assert "resourceVersion=9" in transport.asked[3][1]


def test_a_stream_that_ends_is_resumed_from_its_last_revision() -> None:
    transport = ScriptedTransport(
        Answer(200, added(pod("a", 2)), bookmark(5, INITIAL_END), bookmark(7)),
        ConnectionError("gone"),
        Answer(200, deleted(pod("a", 8)), None),
    )
    seen, informer = pods_seen(transport, lambda informer: informer.has_synced and not len(informer.indexer))
    assert seen == {}
    assert [("resourceVersion=7" in target) for _, target, _ in transport.asked] == [False, True, True]
    assert informer.reflector is not None
    assert informer.reflector.revision == "8"


def test_an_expired_watch_starts_over_and_tells_what_vanished() -> None:
    transport = ScriptedTransport(
        Answer(200, added(pod("a", 2)), added(pod("b", 3)), bookmark(5, INITIAL_END), expired()),
        Answer(200, added(pod("b", 3)), added(pod("c", 9)), bookmark(10, INITIAL_END), None),
    )
    seen, _ = pods_seen(transport, lambda informer: informer.lister.get("n", "c") is not None)
    assert seen == {"b": "3", "c": "9"}


def test_handlers_hear_each_change_once_in_order() -> None:
    heard: list[str] = []
    informer = Informer()
    informer.changed(pod("early", 1))
    informer.add_handler(
        Handler(
            added=lambda new: heard.append(f"+{new['metadata']['name']}"),
            updated=lambda old, new: heard.append(
                f"{old['metadata']['resourceVersion']}→{new['metadata']['resourceVersion']}"
            ),
            deleted=lambda old: heard.append(f"-{old['metadata']['name']}"),
        )
    )
    informer.changed(pod("a", 2))
    informer.changed(pod("a", 3))
    informer.replace([pod("early", 1), pod("b", 4)])
    assert heard == ["+early", "+a", "2→3", "-a", "1→1", "+b"]


def test_indexes_follow_changes() -> None:
    informer = Informer()
    informer.add_index("app", lambda obj: [obj["metadata"]["labels"].get("app", "")])
    informer.changed(pod("a", 1, app="x"))
    informer.changed(pod("b", 2, app="x"))
    informer.changed(pod("a", 3, app="y"))
    assert [o["metadata"]["name"] for o in informer.lister.by_index("app", "x")] == ["b"]
    informer.deleted(pod("b", 4, app="x"))
    assert informer.lister.by_index("app", "x") == []


def test_a_changed_shared_object_is_detected() -> None:
    informer = Informer(detect_mutations=True)
    informer.changed(pod("a", 1))
    shared = informer.lister.get("n", "a")
    assert shared is not None
    shared["metadata"]["labels"]["oops"] = "1"
    with pytest.raises(MutationDetected):
        informer.changed(pod("a", 2))
