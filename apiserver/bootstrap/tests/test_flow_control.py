"""Flow schemas and priority levels: made at start, mended, and an administrator's own left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from apiserver.api.flowcontrol.configuration import AUTO_UPDATE, MANDATORY_LEVELS, SUGGESTED_LEVELS
from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import copy
from apiserver.bootstrap.flow_control import PERIOD, mended
from apiserver.server.tests.worlds import world

GROUP = "/apis/flowcontrol.apiserver.k8s.io/v1"
MERGE = "application/merge-patch+json"


def test_a_new_cluster_has_them_all_and_mends_what_is_deleted() -> None:
    async def scenario() -> None:
        async with world() as api:
            for resource, count in (("flowschemas", 11), ("prioritylevelconfigurations", 8)):
                _, found = await api.ask("GET", f"{GROUP}/{resource}")
                assert len(found["items"]) == count
            await api.ask("DELETE", f"{GROUP}/flowschemas/catch-all")
            await asyncio.sleep(PERIOD + 1)
            code, _ = await api.ask("GET", f"{GROUP}/flowschemas/catch-all")
            assert code == 200

    run_virtual(scenario())


def changed(level: dict[str, Any], **annotations: str) -> dict[str, Any]:
    found: dict[str, Any] = copy(level)
    found["metadata"] = {"name": level["metadata"]["name"], "generation": 2, "annotations": annotations}
    found["spec"]["limited"]["nominalConcurrencyShares"] = 7
    return found


@pytest.mark.parametrize(("annotations", "shares"), [({AUTO_UPDATE: "true"}, 30), ({AUTO_UPDATE: "false"}, 7), ({}, 7)])
def test_a_suggested_one_follows_its_annotation(annotations: dict[str, str], shares: int) -> None:
    level = SUGGESTED_LEVELS[0]
    found = changed(level, **annotations)
    result = mended(found, level, always=False) or found
    assert result["spec"]["limited"]["nominalConcurrencyShares"] == shares
    assert mended(result, level, always=False) is None


def test_a_mandatory_one_is_always_mended() -> None:
    level = MANDATORY_LEVELS[0]
    result = mended(changed(level, **{AUTO_UPDATE: "false"}), level, always=True)
    assert result is not None
    assert result["spec"] == level["spec"]


def test_fixed_specs_and_wrong_ones_are_refused() -> None:
    async def scenario() -> None:
        async with world() as api:
            patch = {"spec": {"matchingPrecedence": 9}}
            code, answer = await api.ask("PATCH", f"{GROUP}/flowschemas/catch-all", patch, Content_Type=MERGE)
            assert code == 422
            assert "spec of 'catch-all' must equal the fixed value" in answer["message"]
            body = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration"}
            spec = {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {"handSize": 99}}}}
            level = {**body, "metadata": {"name": "mine"}, "spec": spec}
            code, answer = await api.ask("POST", f"{GROUP}/prioritylevelconfigurations", level)
            assert code == 422
            assert "should not be greater than queues (64)" in answer["message"]

    run_virtual(scenario())
