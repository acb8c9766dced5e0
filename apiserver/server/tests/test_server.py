"""The composed server in virtual time: it starts, serves, repeats itself, and stops."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import Request, Response
from apiserver.server.tests.worlds import World, world

ROOT = Path(__file__).resolve().parents[3]


def test_a_server_comes_up_with_what_clients_expect() -> None:
    async def main() -> None:
        async with world() as w:
            for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
                assert w.server.listers(GroupResource("", "namespaces")).get("", name), name
            response = await w.send("GET", "/readyz?verbose")
            assert (response.status, (await response.read()).endswith(b"readyz check passed\n")) == (200, True)

    run_virtual(main())


def test_the_same_seed_gives_the_same_history_whatever_the_hash_seed() -> None:
    def play(seed: int, hash_seed: int) -> str:
        command = [sys.executable, "-m", "apiserver.server.tests.scenario", str(seed)]
        env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    first = play(7, 1)
    assert first.count("\n") > 100
    assert play(7, 2) == first
    assert play(8, 1) != first


def test_a_write_is_seen_by_listers_and_their_callbacks() -> None:
    async def main() -> list[tuple[str, str]]:
        async with world() as w:
            lister = w.server.listers(GroupResource("", "configmaps"))
            seen: list[tuple[str, str]] = []
            lister.on_change(lambda old, new: seen.append((data(old), data(new))))
            path = "/api/v1/namespaces/default/configmaps"
            await w.ask("POST", path, {"metadata": {"name": "a"}, "data": {"k": "1"}})
            await w.ask("PATCH", f"{path}/a", {"data": {"k": "2"}}, Content_Type="application/merge-patch+json")
            await asyncio.sleep(1)
            found = lister.get("default", "a")
            assert found is not None and data(found) == "2"
            assert [data(each) for each in lister.list("default")] == ["2"]
            assert lister.list("elsewhere") == []
            await w.ask("DELETE", f"{path}/a")
            await asyncio.sleep(1)
            assert lister.get("default", "a") is None
            return seen

    def data(obj: dict[str, dict[str, str]] | None) -> str:
        return obj["data"]["k"] if obj else ""

    assert run_virtual(main()) == [("", "1"), ("1", "2"), ("2", "")]


def test_a_review_says_what_it_is_and_is_text_whoever_asks() -> None:
    async def main() -> None:
        async with world() as w:
            for group, kind, spec in (
                (
                    "authorization.k8s.io",
                    "SelfSubjectAccessReview",
                    {"nonResourceAttributes": {"path": "/", "verb": "get"}},
                ),
                ("authentication.k8s.io", "SelfSubjectReview", {}),
            ):
                target = f"/apis/{group}/v1/{kind.lower()}s"
                code, made = await w.ask("POST", target, {"spec": spec} if spec else {}, Impersonate_User="a\udcff")
                assert (code, made["kind"], made["apiVersion"]) == (201, kind, f"{group}/v1")
            assert made["status"]["userInfo"]["username"] == "a\ufffd"

    run_virtual(main())


def test_a_stopping_server_is_not_ready() -> None:
    async def main() -> None:
        async with world() as w:
            w.server.begin_stop()
            response = await w.send("GET", "/readyz/shutdown")
            assert (response.status, await response.read()) == (
                500,
                b"internal server error: process is shutting down\n",
            )
            assert (await w.send("GET", "/livez")).status == 200

    run_virtual(main())


def test_history_is_compacted_every_five_minutes_down_to_one_interval_ago() -> None:
    async def main() -> tuple[int, int]:
        async with world() as w:
            await write(w)
            await asyncio.sleep(310)
            after_one = await w.storage.compacted_revision()
            await write(w)
            await asyncio.sleep(600)
            return after_one, await w.storage.compacted_revision()

    async def write(w: World) -> None:
        await w.ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "x-"}})

    before, after = run_virtual(main())
    assert 0 < before < after


def test_nothing_is_left_running_when_a_server_has_stopped() -> None:
    async def main() -> list[str]:
        before = asyncio.all_tasks()
        async with world() as w:
            await w.ask("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "x"}})
        return [task.get_name() for task in asyncio.all_tasks() - before]

    assert run_virtual(main()) == []


def test_events_live_for_event_ttl_and_requests_for_request_timeout() -> None:
    async def main() -> None:
        async with world(options={"event_ttl": 100.0, "request_timeout": 5.0}) as w:
            reference = {"kind": "Pod", "namespace": "default", "name": "p"}
            event = {"metadata": {"name": "e"}, "involvedObject": reference, "reason": "R"}
            assert (await w.ask("POST", "/api/v1/namespaces/default/events", event))[0] == 201
            await asyncio.sleep(95)
            assert (await w.ask("GET", "/api/v1/namespaces/default/events/e"))[0] == 200
            await asyncio.sleep(10)
            assert (await w.ask("GET", "/api/v1/namespaces/default/events/e"))[0] == 404

            async def slow(request: Request) -> Response:
                await asyncio.sleep(1000)
                return Response(200, b"", "text/plain")

            w.server.paths.handle("/slow", slow)
            begun = asyncio.get_running_loop().time()
            assert (await w.send("GET", "/slow?timeout=30s")).status == 504
            assert 5 <= asyncio.get_running_loop().time() - begun <= 6

    run_virtual(main())
