"""Phases as upstream's getPhase computes them."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.apimachinery.objects import Object
from kubelet.node.phase import get_phase

RUN: Object = {"state": {"running": {}}, "started": True}
WAIT: Object = {"state": {"waiting": {}}}


def ended(code: int) -> Object:
    return {"state": {"terminated": {"exitCode": code}}}


def restarting(code: int) -> Object:
    return {"state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": code}}}


def phase(
    policy: str, *states: Object | None, inits: tuple[Object | None, ...] = (), sidecar: bool = False, **given: bool
) -> str:
    def named(prefix: str, found: tuple[Object | None, ...]) -> list[Object]:
        return [{**state, "name": f"{prefix}{i}"} for i, state in enumerate(found) if state is not None]

    init = {"restartPolicy": "Always"} if sidecar else {}
    spec: dict[str, Any] = {
        "restartPolicy": policy,
        "containers": [{"name": f"c{i}"} for i in range(len(states))],
        "initContainers": [{"name": f"i{i}", **init} for i in range(len(inits))],
    }
    statuses = [*named("c", states), *named("i", inits)]
    flags = {"is_terminal": False, "has_initialized": False, **given}
    return get_phase({"metadata": {}, "spec": spec}, statuses, **flags)


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", (RUN, RUN), "Running"),
        ("Always", (RUN, WAIT), "Pending"),
        ("Always", (RUN, None), "Pending"),
        ("Always", (RUN, ended(1)), "Running"),
        ("Always", (ended(0), ended(0)), "Running"),
        ("Always", (restarting(1),), "Running"),
        ("OnFailure", (ended(0), ended(0)), "Succeeded"),
        ("OnFailure", (ended(0), ended(1)), "Running"),
        ("OnFailure", (restarting(1),), "Running"),
        ("Never", (ended(0), ended(0)), "Succeeded"),
        ("Never", (ended(0), ended(1)), "Failed"),
        ("Never", (RUN, ended(1)), "Running"),
    ],
)
def test_phase_follows_the_containers_and_the_policy(policy: str, states: tuple[Object, ...], expected: str) -> None:
    assert phase(policy, *states) == expected


def test_nothing_of_a_terminal_pod_is_about_to_restart() -> None:
    assert phase("Always", ended(0), is_terminal=True) == "Succeeded"
    assert phase("Always", ended(1), ended(0), is_terminal=True) == "Failed"


def test_initialization_is_pending_and_can_fail_for_good() -> None:
    assert phase("Always", WAIT, inits=(RUN,)) == "Pending"
    assert phase("Always", WAIT, inits=(ended(1),)) == "Pending"
    assert phase("Never", WAIT, inits=(ended(1),)) == "Failed"
    assert phase("Never", RUN, inits=(ended(0),)) == "Running"


def test_sidecars_keep_nothing_alive_and_hold_up_only_the_first_time() -> None:
    started, starting = RUN, {"state": {"running": {}}, "started": False}
    assert phase("Never", ended(0), inits=(ended(137),), sidecar=True) == "Succeeded"
    assert phase("Never", RUN, inits=(starting,), sidecar=True) == "Pending"
    assert phase("Never", RUN, inits=(starting,), sidecar=True, has_initialized=True) == "Running"
    assert phase("Never", ended(0), inits=(started,), sidecar=True) == "Running"
