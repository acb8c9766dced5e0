"""ResourceQuotas through a whole server: their form, and what they let pass."""

from __future__ import annotations

import asyncio
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

QUOTAS = "/api/v1/namespaces/default/resourcequotas"
MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


async def limit(api: World, used: dict[str, str] | None = None, **hard: str) -> None:
    """A quota, and what its controller would say of it; admission has heard of it then."""
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}
    code, answer = await api.ask("POST", QUOTAS, body)
    assert code == 201, answer
    status = {"status": {"hard": hard, "used": used or dict.fromkeys(hard, "0")}}
    code, answer = await api.ask("PATCH", f"{QUOTAS}/q/status", status, Content_Type=MERGE)
    assert code == 200, answer
    await api.ask("GET", QUOTAS)


async def make(api: World, name: str, target: str = MAPS) -> tuple[int, Any]:
    return await api.ask("POST", target, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


async def used(api: World) -> dict[str, str]:
    _, quota = await api.ask("GET", f"{QUOTAS}/q")
    return quota["status"]["used"]  # type: ignore[no-any-return]


def test_a_crowd_of_writers_gets_what_there_is_and_a_refusal_in_words() -> None:
    async def scenario() -> None:
        async with world() as api:
            await limit(api, configmaps="3")
            answers = await asyncio.gather(*(make(api, f"m{i}") for i in range(6)))
            assert sorted(code for code, _ in answers) == [201, 201, 201, 403, 403, 403]
            refused = next(answer for code, answer in answers if code == 403)
            assert "exceeded quota: q, requested: configmaps=1, used: configmaps=3, limited: configmaps=3" in str(
                refused
            )
            assert await used(api) == {"configmaps": "3"}
            _, found = await api.ask("GET", MAPS)
            assert len([one for one in found["items"] if one["metadata"]["name"].startswith("m")]) == 3

    run_virtual(scenario())


def test_a_dry_run_uses_nothing() -> None:
    async def scenario() -> None:
        async with world() as api:
            await limit(api, configmaps="1")
            code, _ = await make(api, "m", f"{MAPS}?dryRun=All")
            assert (code, await used(api)) == (201, {"configmaps": "0"})

    run_virtual(scenario())


def test_the_server_notes_the_use_under_its_own_name() -> None:
    async def scenario() -> None:
        async with world() as api:
            await limit(api, configmaps="1")
            await make(api, "m")
            _, quota = await api.ask("GET", f"{QUOTAS}/q")
            managers = [(one["manager"], one.get("subresource")) for one in quota["metadata"]["managedFields"]]
            assert ("kube-apiserver", "status") in managers

    run_virtual(scenario())


def test_names_and_scopes_are_judged() -> None:
    async def scenario() -> None:
        async with world() as api:
            spec = {
                "hard": {"nonsense": "1", "services": "1.5"},
                "scopes": ["Terminating", "NotTerminating", "Sometimes"],
            }
            body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}
            code, answer = await api.ask("POST", QUOTAS, body)
            assert code == 422
            messages = " ".join(cause["message"] for cause in answer["details"]["causes"])
            for part in (
                "must be a standard resource for quota",
                "must be an integer",
                "unsupported scope applied to resource",
                "conflicting scopes",
            ):
                assert part in messages

    run_virtual(scenario())
