"""Which changes wake a pod that a plugin has turned down (after upstream's tables of queueing hints)."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.objects import Object
from controllers.scheduler.framework import events
from controllers.scheduler.framework.events import ClusterEvent
from controllers.scheduler.plugins.tests.made import Bench, bound, node, pod

ZONE = "topology.kubernetes.io/zone"


def wakes(plugin: str, waiting: Object, event: ClusterEvent, old: Any, new: Any) -> bool:
    """Would the event bring the pod back?"""
    found = [hint for hint in Bench().plugin(plugin).events() if hint.event.covers(event)]
    return any(hint.hint is None or hint.hint(waiting, old, new) for hint in found)


def node_event(action: int) -> ClusterEvent:
    return ClusterEvent(events.NODE, action)


GREW = node_event(events.UPDATE_NODE_ALLOCATABLE)
SHRANK = ClusterEvent(events.ASSIGNED_POD, events.UPDATE_POD_SCALE_DOWN)
LABELLED = node_event(events.UPDATE_NODE_LABEL)
DECLARED = node_event(events.UPDATE_NODE_DECLARED_FEATURE)
TWO_CPUS, ONE_CPU = pod(requests={"cpu": "2"}), pod(requests={"cpu": "1"})
SELECTS = pod(nodeSelector={"a": "b"})
TAINT = [{"key": "k", "effect": "NoSchedule"}]
ASSIGNED_GONE = ClusterEvent(events.ASSIGNED_POD, events.DELETE)
ASSIGNED_CAME = ClusterEvent(events.ASSIGNED_POD, events.ADD)


@pytest.mark.parametrize(
    ("plugin", "waiting", "event", "old", "new", "woken"),
    [
        ("NodeResourcesFit", TWO_CPUS, node_event(events.ADD), None, node(cpu="4"), True),
        ("NodeResourcesFit", TWO_CPUS, node_event(events.ADD), None, node(cpu="1"), False),
        ("NodeResourcesFit", TWO_CPUS, GREW, node(cpu="1"), node(cpu="4"), True),
        ("NodeResourcesFit", TWO_CPUS, GREW, node(cpu="4"), node(cpu="3"), False),
        ("NodeResourcesFit", TWO_CPUS, GREW, node(memory="1Gi"), node(), False),
        ("NodeResourcesFit", pod(), GREW, node(pods="1"), node(pods="2"), True),
        ("NodeResourcesFit", TWO_CPUS, LABELLED, node(), node(), False),
        ("NodeResourcesFit", pod(), ASSIGNED_GONE, bound(pod("x"), "n"), None, True),
        ("NodeResourcesFit", pod(), ASSIGNED_GONE, pod("x"), None, False),
        ("NodeResourcesFit", ONE_CPU, SHRANK, TWO_CPUS, ONE_CPU, True),
        ("NodeResourcesFit", pod(requests={"memory": "1"}), SHRANK, TWO_CPUS, ONE_CPU, False),
        ("TaintToleration", pod(), node_event(events.UPDATE_NODE_TAINT), node(taints=TAINT), node(), True),
        ("TaintToleration", pod(), node_event(events.UPDATE_NODE_TAINT), node(), node(), False),
        ("TaintToleration", pod(), node_event(events.ADD), None, node(taints=TAINT), False),
        ("TaintToleration", pod(), ClusterEvent(events.TARGET_POD, events.UPDATE_POD_TOLERATION), pod(), pod(), True),
        ("NodeUnschedulable", pod(), node_event(events.UPDATE_NODE_TAINT), node(unschedulable=True), node(), True),
        ("NodeUnschedulable", pod(), node_event(events.ADD), None, node(unschedulable=True), False),
        ("NodeAffinity", SELECTS, node_event(events.ADD), None, node(labels={"a": "b"}), True),
        ("NodeAffinity", SELECTS, LABELLED, node(), node(labels={"a": "b"}), True),
        ("NodeAffinity", SELECTS, LABELLED, node(labels={"a": "b"}), node(labels={"a": "b", "c": "d"}), False),
        ("NodeName", pod(), node_event(events.ADD), None, node(), True),
        (
            "SchedulingGates",
            pod(),
            ClusterEvent(events.TARGET_POD, events.UPDATE_POD_GATES_ELIMINATED),
            pod(),
            pod(),
            True,
        ),
        ("SchedulingGates", pod(), ClusterEvent(events.TARGET_POD, events.UPDATE_POD_LABEL), pod(), pod(), False),
        ("DefaultPreemption", pod(), ASSIGNED_GONE, bound(pod("x"), "n"), None, False),
        ("NodeDeclaredFeatures", pod(), DECLARED, node(), node(status={"declaredFeatures": ["x"]}), True),
    ],
)
def test_hints(plugin: str, waiting: Object, event: ClusterEvent, old: Any, new: Any, woken: bool) -> None:
    assert wakes(plugin, waiting, event, old, new) is woken


def with_port(name: str, port: int) -> Object:
    made = pod(name)
    made["spec"]["containers"][0]["ports"] = [{"hostPort": port}]
    return made


def test_a_pod_that_wants_a_port_wakes_when_that_port_is_freed() -> None:
    waiting = with_port("a", 80)
    assert wakes("NodePorts", waiting, ASSIGNED_GONE, bound(with_port("b", 80), "n"), None)
    assert not wakes("NodePorts", waiting, ASSIGNED_GONE, bound(with_port("b", 81), "n"), None)
    assert not wakes("NodePorts", waiting, ASSIGNED_GONE, with_port("b", 80), None)


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
TERM = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": ZONE}
NEAR = pod(affinity={"podAffinity": {REQUIRED: [TERM]}})
FAR = pod(affinity={"podAntiAffinity": {REQUIRED: [TERM]}})
WEB = bound(pod("w", labels={"app": "web"}), "n")
OTHER = bound(pod("o", labels={"app": "other"}), "n")


@pytest.mark.parametrize(
    ("waiting", "event", "old", "new", "woken"),
    [
        (NEAR, ASSIGNED_CAME, None, WEB, True),
        (NEAR, ASSIGNED_CAME, None, OTHER, False),
        (NEAR, ClusterEvent(events.ASSIGNED_POD, events.UPDATE_POD_LABEL), OTHER, WEB, True),
        (NEAR, ClusterEvent(events.ASSIGNED_POD, events.UPDATE_POD_LABEL), WEB, OTHER, False),
        (FAR, ASSIGNED_GONE, WEB, None, True),
        (FAR, ASSIGNED_GONE, OTHER, None, False),
        (FAR, ClusterEvent(events.ASSIGNED_POD, events.UPDATE_POD_LABEL), WEB, OTHER, True),
        (pod(labels={"app": "web"}), ASSIGNED_GONE, bound(FAR, "n"), None, True),
        (NEAR, node_event(events.ADD), None, node(labels={ZONE: "a"}), True),
        (NEAR, node_event(events.ADD), None, node(), False),
        (NEAR, LABELLED, node(labels={ZONE: "a"}), node(labels={ZONE: "b"}), True),
        (FAR, node_event(events.ADD), None, node(), True),
        (FAR, LABELLED, node(labels={ZONE: "a"}), node(), True),
        (FAR, LABELLED, node(), node(labels={ZONE: "a"}), False),
    ],
)
def test_hints_of_inter_pod_affinity(waiting: Object, event: ClusterEvent, old: Any, new: Any, woken: bool) -> None:
    assert wakes("InterPodAffinity", waiting, event, old, new) is woken


SPREAD = pod(topologySpreadConstraints=[{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **TERM}])


@pytest.mark.parametrize(
    ("event", "old", "new", "woken"),
    [
        (ASSIGNED_CAME, None, WEB, True),
        (ASSIGNED_CAME, None, OTHER, False),
        (ASSIGNED_GONE, WEB, None, True),
        (ClusterEvent(events.ASSIGNED_POD, events.UPDATE_POD_LABEL), WEB, OTHER, True),
        (node_event(events.ADD), None, node(labels={ZONE: "a"}), True),
        (node_event(events.ADD), None, node(), False),
        (node_event(events.DELETE), node(labels={ZONE: "a"}), None, True),
        (LABELLED, node(labels={ZONE: "a"}), node(labels={ZONE: "b"}), True),
        (LABELLED, node(labels={ZONE: "a"}), node(labels={ZONE: "a", "x": "y"}), False),
        (node_event(events.UPDATE_NODE_TAINT), node(labels={ZONE: "a"}, taints=TAINT), node(labels={ZONE: "a"}), True),
    ],
)
def test_hints_of_spread(event: ClusterEvent, old: Any, new: Any, woken: bool) -> None:
    assert wakes("PodTopologySpread", SPREAD, event, old, new) is woken
