"""Pods answer as the real kube-apiserver does: its recorded answers to good and bad requests, replayed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

HERE = Path(__file__).parent
CREATES = json.loads((HERE / "recorded_pods.json").read_bytes())
FLOW = json.loads((HERE / "recorded_pod_flow.json").read_bytes())
RANDOM_NAME = re.compile(b"kube-api-access-[a-z0-9]{5}")
ACCOUNT = {"metadata": {"name": "default"}}


async def answer(w: World, step: dict[str, Any]) -> dict[str, Any]:
    """What is kept of an answer: the code, findings or message, warnings, and of some objects what defaults made."""
    media_type = {"Content_Type": step["type"]} if "type" in step else {}
    response = await w.send(step["method"], step["path"], step.get("body"), **media_type)
    data = await response.read()
    kept: dict[str, Any] = {"code": response.status}
    body = json.loads(RANDOM_NAME.sub(b"kube-api-access-12345", data)) if data else {}
    if body.get("status") == "Failure":
        causes = body.get("details", {}).get("causes")
        if causes:
            kept["causes"] = [f"{cause['field']}: {cause['message']}" for cause in causes]
        else:
            kept["message"] = body["message"]
    elif "spec" in step["expect"]:
        kept |= shown(body)
    if warnings := response.headers.all("warning"):
        kept["warnings"] = [text[7:-1].replace('\\"', '"') for text in warnings]
    return kept


def shown(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod without what admission adds to it and without times."""
    spec = {key: value for key, value in pod["spec"].items() if key not in ("volumes", "tolerations")}
    for container in spec["containers"]:
        container.pop("volumeMounts", None)
    for condition in pod["status"].get("conditions", ()):
        condition["lastTransitionTime"] = "T"
    return {"spec": spec, "status": pod["status"], "generation": pod["metadata"]["generation"]}


@pytest.fixture(scope="module")
def created() -> list[dict[str, Any]]:
    async def play() -> list[dict[str, Any]]:
        async with world() as w:
            await w.ask("POST", "/api/v1/namespaces/default/serviceaccounts", ACCOUNT)
            return [await answer(w, step) for step in CREATES]

    return run_virtual(play())


@pytest.mark.parametrize("index", range(len(CREATES)), ids=[step["label"] for step in CREATES])
def test_a_new_pod_is_judged_and_defaulted_as_upstream(created: list[dict[str, Any]], index: int) -> None:
    assert created[index] == CREATES[index]["expect"]


@pytest.fixture(scope="module")
def flow() -> list[dict[str, Any]]:
    async def play() -> list[dict[str, Any]]:
        async with world() as w:
            await w.ask("POST", "/api/v1/namespaces/default/serviceaccounts", ACCOUNT)
            return [await answer(w, step) for step in FLOW]

    return run_virtual(play())


@pytest.mark.parametrize("index", range(len(FLOW)), ids=[f"{i}-{step['label']}" for i, step in enumerate(FLOW)])
def test_a_pod_is_bound_updated_asked_and_deleted_as_upstream(flow: list[dict[str, Any]], index: int) -> None:
    assert flow[index] == FLOW[index]["expect"]
