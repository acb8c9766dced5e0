"""Inter-pod affinity and topology spread, plugin by plugin."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.framework import kinds
from controllers.scheduler.framework.interface import CycleState
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.plugins.tests.made import Bench, bound, node, pod

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
NODES = [node(name, labels={ZONE: name[0]}) for name in ("a1", "a2", "b1", "b2")]
NO_FRIEND = "node(s) didn't match pod affinity rules"
ENEMY = "node(s) didn't match pod anti-affinity rules"
UNWELCOME = "node(s) didn't satisfy existing pods anti-affinity rules"
UNEVEN = "node(s) didn't match pod topology spread constraints"


def term(app: str, key: str, **more: Any) -> dict[str, Any]:
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}


def near(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"affinity": {"podAffinity": {REQUIRED: list(terms)}}}


def far(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"affinity": {"podAntiAffinity": {REQUIRED: list(terms)}}}


def web(name: str, where: str, **spec: Any) -> Any:
    return bound(pod(name, labels={"app": "web"}, **spec), where)


def refused(verdicts: dict[str, str]) -> dict[str, str]:
    return {name: why for name, why in verdicts.items() if why}


def test_affinity_reaches_as_far_as_its_topology() -> None:
    bench = Bench(NODES, [web("w", "a1")])
    assert refused(bench.verdicts("InterPodAffinity", pod(**near(term("web", ZONE))))) == {
        "b1": NO_FRIEND,
        "b2": NO_FRIEND,
    }
    assert sorted(refused(bench.verdicts("InterPodAffinity", pod(**near(term("web", HOST)))))) == ["a2", "b1", "b2"]


def test_all_terms_must_be_met_by_the_same_pod() -> None:
    both = pod("x", labels={"app": "web", "tier": "front"})
    bench = Bench(NODES, [web("w", "a1"), bound(pod("f", labels={"tier": "front"}), "a2")])
    front = {"labelSelector": {"matchLabels": {"tier": "front"}}, "topologyKey": ZONE}
    assert len(refused(bench.verdicts("InterPodAffinity", pod(**near(term("web", ZONE), front))))) == 4
    bench = Bench(NODES, [bound(both, "a1")])
    assert len(refused(bench.verdicts("InterPodAffinity", pod(**near(term("web", ZONE), front))))) == 2


def test_a_nodes_missing_label_counts_against_affinity_and_for_anti_affinity() -> None:
    bench = Bench([*NODES, node("bare")], [web("w", "a1")])
    assert "bare" in refused(bench.verdicts("InterPodAffinity", pod(**near(term("web", ZONE)))))
    assert refused(bench.verdicts("InterPodAffinity", pod(**far(term("web", ZONE))))) == {"a1": ENEMY, "a2": ENEMY}


def test_the_first_of_its_kind_may_begin_anywhere_with_the_label() -> None:
    bench = Bench([*NODES, node("bare")])
    first = pod(labels={"app": "web"}, **near(term("web", ZONE)))
    assert refused(bench.verdicts("InterPodAffinity", first)) == {"bare": NO_FRIEND}
    stranger = pod(labels={"app": "db"}, **near(term("web", ZONE)))
    assert len(refused(bench.verdicts("InterPodAffinity", stranger))) == 5


def test_anti_affinity_of_those_that_are_there_holds_too() -> None:
    bench = Bench(NODES, [bound(pod("h", **far(term("web", ZONE))), "b1")])
    assert refused(bench.verdicts("InterPodAffinity", pod(labels={"app": "web"}))) == {"b1": UNWELCOME, "b2": UNWELCOME}
    assert refused(bench.verdicts("InterPodAffinity", pod(labels={"app": "db"}))) == {}


def test_terms_mean_their_own_namespace_unless_they_say_otherwise() -> None:
    there = web("w", "a1")
    there["metadata"]["namespace"] = "other"
    bench = Bench(NODES, [there])
    bench.know(kinds.NAMESPACES, {"metadata": {"name": "other", "labels": {"team": "x"}}})
    for more, found in (
        ({}, False),
        ({"namespaces": ["other"]}, True),
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}}, True),
        ({"namespaceSelector": {"matchLabels": {"team": "y"}}}, False),
    ):
        verdicts = refused(bench.verdicts("InterPodAffinity", pod(**near(term("web", ZONE, **more)))))
        assert len(verdicts) == (2 if found else 4), more


def test_what_is_counted_follows_pods_taken_off_and_put_on() -> None:
    bench = Bench(NODES, [web("w", "a1")])
    plugin, state, wanted = bench.plugin("InterPodAffinity"), CycleState(), PodInfo(pod(**far(term("web", ZONE))))
    plugin.pre_filter(state, wanted, bench.snapshot.nodes)
    tried = state.clone()
    plugin.remove_pod(tried, wanted, bench.node("a1").pods["uid-w"], bench.node("a1"))
    assert plugin.filter(tried, wanted, bench.node("a2")) is None
    assert plugin.filter(state, wanted, bench.node("a2")) is not None  # the original is as it was
    plugin.add_pod(tried, wanted, PodInfo(web("v", "b1")), bench.node("b1"))
    assert plugin.filter(tried, wanted, bench.node("b2")) is not None


def test_preferences_of_both_sides_add_up() -> None:
    def weighted(kind: str, weight: int) -> dict[str, Any]:
        return {kind: {PREFERRED: [{"weight": weight, "podAffinityTerm": term("web", ZONE)}]}}

    bench = Bench(NODES, [web("w", "a1")])
    assert bench.scores("InterPodAffinity", pod(affinity=weighted("podAffinity", 5))) == {
        "a1": 100,
        "a2": 100,
        "b1": 0,
        "b2": 0,
    }
    assert bench.scores("InterPodAffinity", pod(affinity=weighted("podAntiAffinity", 5))) == {
        "a1": 0,
        "a2": 0,
        "b1": 100,
        "b2": 100,
    }
    bench = Bench(
        NODES,
        [bound(pod("f", affinity=weighted("podAffinity", 8)), "b1"), bound(pod("h", **near(term("web", HOST))), "b1")],
    )
    wanted = pod(labels={"app": "web"})
    assert bench.scores("InterPodAffinity", wanted) == {"a1": 0, "a2": 0, "b1": 100, "b2": 88}
    assert bench.scores("InterPodAffinity", wanted, ignorePreferredTermsOfExistingPods=True) == {}
    assert bench.scores("InterPodAffinity", pod(labels={"app": "db"})) == {}


def spread(key: str, **more: Any) -> dict[str, Any]:
    constraint = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term("web", key), **more}
    return {"labels": {"app": "web"}, "topologySpreadConstraints": [constraint]}


@pytest.mark.parametrize(
    ("there", "wanted", "turned_down"),
    [
        ([], spread(ZONE), []),
        (["a1"], spread(ZONE), ["a1", "a2"]),
        (["a1", "b1"], spread(ZONE), []),
        (["a1", "a1", "b1"], spread(ZONE, maxSkew=2), []),
        (["a1", "a1", "a2", "b1"], spread(ZONE, maxSkew=2), ["a1", "a2"]),
        (["a1", "b1"], spread(HOST), ["a1", "b1"]),
        (["a1"], spread(ZONE, minDomains=3), ["a1", "a2"]),
        (["a1"], {**spread(ZONE), "labels": {"app": "other"}}, []),  # it does not count itself
        (["a1", "a1"], {**spread(ZONE), "labels": {"app": "other"}}, ["a1", "a2"]),
        (["a1"], spread(ZONE, whenUnsatisfiable="ScheduleAnyway"), []),
        (["a1"], {**spread(ZONE), "nodeSelector": {ZONE: "a"}}, []),  # zone b cannot be had: it does not count
        (["a1"], {**spread(ZONE, nodeAffinityPolicy="Ignore"), "nodeSelector": {ZONE: "a"}}, ["a1", "a2"]),
        (["a1", "a1"], spread(ZONE, matchLabelKeys=["version"]), ["a1", "a2"]),  # the pod has no such label
    ],
)
def test_hard_spread(there: list[str], wanted: dict[str, Any], turned_down: list[str]) -> None:
    bench = Bench(NODES, [web(f"w{i}", where) for i, where in enumerate(there)])
    assert refused(bench.verdicts("PodTopologySpread", pod(**wanted))) == dict.fromkeys(turned_down, UNEVEN)


def test_pods_on_their_way_out_and_of_other_namespaces_are_not_counted() -> None:
    leaving, foreign = web("l", "a1"), web("f", "a1")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    foreign["metadata"]["namespace"] = "other"
    assert refused(Bench(NODES, [leaving, foreign]).verdicts("PodTopologySpread", pod(**spread(ZONE)))) == {}


def test_nodes_without_the_label_say_so() -> None:
    verdicts = Bench([*NODES, node("bare")]).verdicts("PodTopologySpread", pod(**spread(ZONE)))
    assert refused(verdicts) == {"bare": f"{UNEVEN} (missing required label)"}


def test_tainted_nodes_count_unless_the_constraint_honours_taints() -> None:
    tainted = node("c1", labels={ZONE: "c"}, taints=[{"key": "k", "effect": "NoSchedule"}])
    there = [web("w1", "a1"), web("w2", "b1")]
    assert len(refused(Bench([*NODES, tainted], there).verdicts("PodTopologySpread", pod(**spread(ZONE))))) == 4
    honest = pod(**spread(ZONE, nodeTaintsPolicy="Honor"))
    assert refused(Bench([*NODES, tainted], there).verdicts("PodTopologySpread", honest)) == {}


def test_soft_spread_prefers_the_emptier() -> None:
    bench = Bench(NODES, [web("w1", "a1"), web("w2", "a2"), web("w3", "b1")])
    scores = bench.scores("PodTopologySpread", pod(**spread(HOST, whenUnsatisfiable="ScheduleAnyway")))
    assert scores == {"a1": 0, "a2": 0, "b1": 0, "b2": 100}
    scores = bench.scores("PodTopologySpread", pod(**spread(ZONE, whenUnsatisfiable="ScheduleAnyway")))
    assert scores["a1"] == scores["a2"] < scores["b1"] == scores["b2"]
    assert bench.scores("PodTopologySpread", pod(**spread(ZONE))) == {}


def test_default_constraints_select_what_the_pods_owner_selects() -> None:
    owned = pod(labels={"app": "web"})
    owned["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "r", "controller": True}
    ]
    bench = Bench(NODES, [web("w1", "a1")])
    assert bench.scores("PodTopologySpread", owned) == {}  # nothing is known of its owner
    replica_set = {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
    }
    bench.know(kinds.REPLICA_SETS, replica_set)
    scores = bench.scores("PodTopologySpread", owned)
    assert scores["a1"] < scores["a2"] < scores["b1"] == scores["b2"] == 100
    listed = [{"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"}]
    verdicts = bench.verdicts("PodTopologySpread", owned, defaultingType="List", defaultConstraints=listed)
    assert refused(verdicts) == {"a1": UNEVEN, "a2": UNEVEN}
