"""Migrations through a whole server: an order stays as it was given, an end is an end."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

PATH = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"
MERGE = "application/merge-patch+json"
ORDER = {"metadata": {"name": "x"}, "spec": {"resource": {"group": "apps", "resource": "deployments"}}}


def condition(kind: str, status: str = "True") -> dict[str, str]:
    since = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": "Because", "message": "", "lastTransitionTime": since}


async def report(api: World, **status: Any) -> tuple[int, Any]:
    return await api.ask("PATCH", f"{PATH}/x/status", {"status": status}, Content_Type=MERGE)


def test_an_order_names_a_resource_and_stays() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, refused = await api.ask("POST", PATH, {"metadata": {"name": "x"}, "spec": {}})
            assert (code, refused["details"]["causes"][0]["message"]) == (
                422,
                "Required value: resource is required to be set",
            )
            code, made = await api.ask("POST", PATH, {**ORDER, "status": {"resourceVersion": "5"}})
            assert (code, made["status"]) == (201, {})
            change = {"spec": {"resource": {"resource": "pods", "group": ""}}}
            code, refused = await api.ask("PATCH", f"{PATH}/x", change, Content_Type=MERGE)
            assert code == 422
            assert "field is immutable" in refused["message"]

    run_virtual(scenario())


def test_an_end_is_an_end_and_a_fixed_version_stays() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", PATH, ORDER)
            code, refused = await report(api, conditions=[condition("Succeeded"), condition("Failed")])
            assert code == 422
            assert "Both success and failed conditions cannot be true" in refused["message"]
            assert (await report(api, resourceVersion="7", conditions=[condition("Succeeded")]))[0] == 200
            code, refused = await report(api, resourceVersion="8", conditions=[condition("Succeeded", "False")])
            assert [cause["field"] for cause in refused["details"]["causes"]] == [
                "status.resourceVersion",
                "status.conditions",
            ]

    run_virtual(scenario())


def test_it_is_stored_in_the_version_the_release_before_can_read() -> None:
    async def scenario() -> None:
        async with world() as api:
            _, made = await api.ask("POST", PATH, ORDER)
            assert made["apiVersion"] == "storagemigration.k8s.io/v1"
            written = [line for line in await api.history() if "/storageversionmigrations/x" in line]
            assert written and "storagemigration.k8s.io/v1beta1" in written[0]

    run_virtual(scenario())
