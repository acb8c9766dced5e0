"""How single plugins score nodes: upstream's numbers for upstream's cases."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.scheduler.plugins.image_locality import normalized
from controllers.scheduler.plugins.resource_scores import broken_linear
from controllers.scheduler.plugins.tests.made import Bench, bound, node, pod

MB = 1024 * 1024


def strategy(kind: str, **more: Any) -> dict[str, Any]:
    return {"scoringStrategy": {"type": kind, **more}}


SHAPE = {"requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]}}
BIN_PACKING = {
    "requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}
}
WANTED = {"cpu": "3", "memory": "5000"}


@pytest.mark.parametrize(
    ("args", "scores"),
    [
        ({}, {"a": 37, "b": 50}),
        (
            strategy("LeastAllocated", resources=[{"name": "cpu", "weight": 2}, {"name": "memory", "weight": 1}]),
            {"a": 33, "b": 50},
        ),
        (strategy("MostAllocated"), {"a": 62, "b": 50}),
        (strategy("RequestedToCapacityRatio", **SHAPE), {"a": 38, "b": 50}),
        (strategy("RequestedToCapacityRatio", **BIN_PACKING), {"a": 63, "b": 50}),
    ],
)
def test_fit_scores_by_strategy(args: dict[str, Any], scores: dict[str, int]) -> None:
    bench = Bench([node("a", cpu="4", memory="10000"), node("b", cpu="6", memory="10000")])
    assert bench.scores("NodeResourcesFit", pod(requests=WANTED), **args) == scores


def test_containers_that_ask_for_nothing_count_for_something() -> None:
    bench = Bench([node("a"), node("b")], [bound(pod("u"), "a")])
    scores = bench.scores("NodeResourcesFit", pod())
    assert scores["a"] < scores["b"]


def test_balance_is_scored_by_what_the_pod_does_to_it() -> None:
    used = bound(pod("u", requests={"cpu": "3", "memory": "2000"}), "c")
    bench = Bench(
        [node("a", cpu="4", memory="10000"), node("b", cpu="6", memory="10000"), node("c", cpu="8", memory="10000")],
        [used],
    )
    scores = bench.scores("NodeResourcesBalancedAllocation", pod(requests=WANTED))
    assert scores == {"a": 68, "b": 75, "c": 78}


def test_best_effort_pods_are_not_scored_by_balance() -> None:
    assert Bench([node()]).scores("NodeResourcesBalancedAllocation", pod()) == {}


def test_nodes_with_the_images_are_better_the_larger_and_the_more_common_these_are() -> None:
    def images(**sizes: int) -> dict[str, Any]:
        return {
            "images": [{"names": [f"gcr.io/{name}:latest"], "sizeBytes": size * MB} for name, size in sizes.items()]
        }

    a = node("a", status=images(small=40, large=300))
    b = node("b", status=images(middle=250))
    bench = Bench([a, b])
    containers = [{"name": name, "image": f"gcr.io/{name}"} for name in ("small", "large")]
    assert bench.scores("ImageLocality", pod(containers=containers)) == {"a": 7, "b": 0}
    containers = [{"name": name, "image": f"gcr.io/{name}"} for name in ("small", "middle")]
    assert bench.scores("ImageLocality", pod(containers=containers)) == {"a": 0, "b": 5}


@pytest.mark.parametrize(
    ("given", "meant"),
    [("root", "root:latest"), ("root:tag", "root:tag"), ("gcr.io:5000/root", "gcr.io:5000/root:latest")],
)
def test_an_image_without_a_tag_means_latest(given: str, meant: str) -> None:
    assert normalized(given) == meant


def test_intolerable_preferences_cost_points() -> None:
    soft = [{"key": f"k{i}", "value": "v", "effect": "PreferNoSchedule"} for i in range(2)]
    bench = Bench([node("none"), node("one", taints=soft[:1]), node("two", taints=soft)])
    assert bench.scores("TaintToleration", pod()) == {"none": 100, "one": 50, "two": 0}
    tolerant = pod(tolerations=[{"operator": "Exists", "effect": "PreferNoSchedule"}])
    assert bench.scores("TaintToleration", tolerant) == {"none": 100, "one": 100, "two": 100}
    hard_only = pod(tolerations=[{"operator": "Exists", "effect": "NoSchedule"}])
    assert bench.scores("TaintToleration", hard_only) == {"none": 100, "one": 50, "two": 0}


def test_preferred_node_affinity_sums_weights() -> None:
    def preference(weight: int, key: str, value: str) -> dict[str, Any]:
        expression = {"key": key, "operator": "In", "values": [value]}
        return {"weight": weight, "preference": {"matchExpressions": [expression]}}

    bench = Bench(
        [
            node("a", labels={"foo": "bar"}),
            node("b", labels={"key": "value"}),
            node("c", labels={"foo": "bar", "key": "value"}),
        ]
    )
    terms = [preference(2, "foo", "bar"), preference(4, "key", "value"), preference(0, "foo", "bar")]
    wanted = pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}})
    assert bench.scores("NodeAffinity", wanted) == {"a": 33, "b": 66, "c": 100}
    assert bench.scores("NodeAffinity", pod()) == {}


@pytest.mark.parametrize(("x", "y"), [(0, 0), (5, 5), (10, 10), (55, 55), (100, 100), (120, 100), (-1, 0)])
def test_a_broken_line_is_followed_and_ends_level(x: int, y: int) -> None:
    assert broken_linear([(0, 0), (10, 10), (100, 100)], x) == y


def test_a_falling_line_rounds_towards_zero_as_gos_integers_do() -> None:
    assert broken_linear([(0, 100), (70, 0)], 33) == 100 - 47
