"""The cache: pods counted on nodes, assumed and confirmed; snapshots that copy only what changed."""

from __future__ import annotations

import pytest

from controllers.scheduler.cache.cache import Cache
from controllers.scheduler.cache.snapshot import Snapshot
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.plugins.tests.made import bound, node, pod


def test_an_assumed_pod_counts_until_it_is_forgotten() -> None:
    cache = Cache()
    cache.add_node(node("n"))
    info = PodInfo(pod("a", requests={"cpu": "1"})).on_node("n")
    cache.assume(info)
    assert cache.is_assumed("uid-a") and cache.nodes["n"].requested.cpu == 1000
    with pytest.raises(ValueError, match="so can't be assumed"):
        cache.assume(info)
    cache.forget("uid-a")
    assert not cache.is_assumed("uid-a") and cache.nodes["n"].requested.cpu == 0 and cache.pod_count == 0


def test_what_the_informer_shows_confirms_an_assumed_pod_even_elsewhere() -> None:
    cache = Cache()
    for name in ("n", "m"):
        cache.add_node(node(name))
    cache.assume(PodInfo(pod("a", requests={"cpu": "1"})).on_node("n"))
    cache.add_pod(bound(pod("a", requests={"cpu": "1"}), "m"))
    assert [cache.nodes[name].requested.cpu for name in ("n", "m")] == [0, 1000]
    cache.forget("uid-a")  # too late: it is confirmed
    assert cache.pod_count == 1


def test_pods_of_a_node_not_seen_yet_are_counted_when_it_comes() -> None:
    cache, snapshot = Cache(), Snapshot()
    cache.add_pod(bound(pod("a", requests={"cpu": "1"}), "n"))
    cache.update_snapshot(snapshot)
    assert len(snapshot) == 0
    cache.add_node(node("n"))
    cache.update_snapshot(snapshot)
    assert snapshot.by_name["n"].requested.cpu == 1000


def test_pods_of_a_node_that_went_stay_counted_until_they_go() -> None:
    cache, snapshot = Cache(), Snapshot()
    cache.add_node(node("n"))
    cache.add_pod(bound(pod("a"), "n"))
    cache.remove_node(node("n"))
    cache.update_snapshot(snapshot)
    assert len(snapshot) == 0 and list(cache.nodes) == ["n"]
    cache.remove_pod("uid-a")
    assert not cache.nodes


def test_a_snapshot_copies_only_nodes_that_changed() -> None:
    cache, snapshot = Cache(), Snapshot()
    for name in ("a", "b"):
        cache.add_node(node(name))
    cache.update_snapshot(snapshot)
    before = dict(snapshot.by_name)
    cache.add_pod(bound(pod("p"), "b"))
    assert not snapshot.by_name["b"].pods  # the old one is as it was
    cache.update_snapshot(snapshot)
    assert snapshot.by_name["a"] is before["a"] and snapshot.by_name["b"] is not before["b"]
    assert [info.name for info in snapshot.nodes] == ["a", "b"] and list(snapshot.nodes[1].pods) == ["uid-p"]


def test_nodes_come_in_turns_by_zone() -> None:
    cache, snapshot = Cache(), Snapshot()
    for name in ("a1", "a2", "a3", "b1", "c1", "c2"):
        cache.add_node(node(name, labels={"topology.kubernetes.io/zone": name[0]}))
    cache.update_snapshot(snapshot)
    assert [info.name for info in snapshot.nodes] == ["a1", "b1", "c1", "a2", "c2", "a3"]
    cache.update_node(node("a1", labels={"topology.kubernetes.io/zone": "b"}))
    cache.remove_node(node("c1", labels={"topology.kubernetes.io/zone": "c"}))
    cache.update_snapshot(snapshot)
    assert [info.name for info in snapshot.nodes] == ["a2", "b1", "c2", "a3", "a1"]


def test_answers_about_a_node_are_kept_while_it_stays_as_it_is() -> None:
    cache, snapshot = Cache(), Snapshot()
    cache.add_node(node("n"))
    cache.update_snapshot(snapshot)
    asked: list[str] = []

    def answer(info: NodeInfo) -> int:
        asked.append(info.name)
        return len(info.pods)

    assert [snapshot.by_name["n"].remember(1, answer) for _ in range(2)] == [0, 0] and asked == ["n"]
    cache.add_pod(bound(pod("p"), "n"))
    cache.update_snapshot(snapshot)
    assert snapshot.by_name["n"].remember(1, answer) == 1 and asked == ["n", "n"]


def test_a_status_that_does_not_matter_leaves_answers_standing() -> None:
    cache, snapshot = Cache(), Snapshot()
    cache.add_node(node("n"))
    given = bound(pod("p", requests={"cpu": "1"}), "n")
    cache.add_pod(given)
    cache.update_snapshot(snapshot)
    snapshot.by_name["n"].remember(1, lambda info: 7)
    running = {**given, "status": {"phase": "Running", "containerStatuses": [{"name": "c"}]}}
    cache.update_pod({**given, "status": {"phase": "Running"}})
    cache.update_snapshot(snapshot)
    assert snapshot.by_name["n"].remember(1, lambda info: 8) == 7
    assert snapshot.by_name["n"].pods["uid-p"].pod["status"]["phase"] == "Running"
    running["status"]["containerStatuses"][0]["resources"] = {"requests": {"cpu": "2"}}
    cache.update_pod(running)
    cache.update_snapshot(snapshot)
    assert snapshot.by_name["n"].remember(1, lambda info: 8) == 8 and snapshot.by_name["n"].requested.cpu == 2000


def test_images_are_counted_over_nodes() -> None:
    cache, snapshot = Cache(), Snapshot()
    images = {"images": [{"names": ["i:1"], "sizeBytes": 5}]}
    for name in ("a", "b"):
        cache.add_node(node(name, status=images))
    cache.update_snapshot(snapshot)
    assert snapshot.by_name["a"].images["i:1"].nodes == 2
    cache.remove_node(node("b"))
    assert snapshot.by_name["a"].images["i:1"].nodes == 1
