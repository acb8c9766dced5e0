"""A migration writes every object of its resource again, one migration of a resource at a time; its conditions tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.interface import Transport, TransportResponse
from controllers.framework.controller import Request
from controllers.framework.kinds import CONFIG_MAPS, STORAGE_VERSION_MIGRATIONS
from controllers.loops.storage_version_migrator import facts
from controllers.loops.storage_version_migrator.runner import ended_condition, plan
from controllers.tests.worlds import LoopWorld, loop_world

LOOP = "storage-version-migrator-controller"


async def _migrate(w: LoopWorld, name: str = "m", resource: str = "configmaps", group: str = "") -> None:
    wanted = {"metadata": {"name": name}, "spec": {"resource": {"group": group, "resource": resource}}}
    await w.resource(STORAGE_VERSION_MIGRATIONS).create(wanted)


async def _conditions(w: LoopWorld, name: str = "m") -> dict[str, tuple[str, str, str]]:
    found = await w.resource(STORAGE_VERSION_MIGRATIONS).get(name)
    conditions = found["status"].get("conditions") or ()
    return {c["type"]: (c["status"], c["reason"], c.get("message", "")) for c in conditions}


class Noting:
    """Notes which objects are patched, and refuses those that a test wants refused."""

    def __init__(self, refused: str = "") -> None:
        self.patched: list[str] = []
        self._refused = refused

    def before(self, server: Transport) -> Transport:
        return _Noted(self, server, self._refused)


class _Noted:
    def __init__(self, noting: Noting, server: Transport, refused: str) -> None:
        self._noting = noting
        self._server = server
        self._refused = refused

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        if method == "PATCH" and "/configmaps/" in target:
            name = target.partition("?")[0].rpartition("/")[2]
            self._noting.patched.append(name)
            if name == self._refused:
                raise StatusError(422, "Invalid", "it is not valid any more")
        return await self._server.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        await self._server.aclose()


async def _fill(w: LoopWorld, *names: str) -> None:
    for name in names:
        await w.resource(CONFIG_MAPS).create({"metadata": {"name": name}}, "default")


def test_everything_older_than_the_checkpoint_is_patched_and_the_end_is_told() -> None:
    async def main() -> None:
        noting = Noting()
        async with loop_world(LOOP, front=noting.before) as w:
            await _fill(w, "a", "b")
            await _migrate(w)
            await w.settle(5)
            there = await w.all(CONFIG_MAPS, "")
            assert sorted(noting.patched) == sorted(c["metadata"]["name"] for c in there)
            assert await _conditions(w) == {
                "Running": ("False", "MigrationCompleted", "Migration completed"),
                "Succeeded": ("True", "StorageVersionMigrationSucceeded", "Migration completed"),
            }
            await w.settle(60)
            assert len(noting.patched) == len(there)  # once each

    run_virtual(main())


def test_what_is_refused_ends_the_migration_and_says_how_far_it_came() -> None:
    async def main() -> None:
        noting = Noting(refused="b")
        async with loop_world(LOOP, front=noting.before) as w:
            await _fill(w, "a", "b", "c")
            total = len(await w.all(CONFIG_MAPS, ""))
            await _migrate(w)
            await w.settle(5)
            left = total - noting.patched.index("b")
            told = f"{left}/{total} not yet migrated. migration encountered unhandled error: it is not valid any more"
            conditions = await _conditions(w)
            assert conditions["Failed"] == ("True", "StorageVersionMigrationFailed", told)
            assert conditions["Running"][0] == "False" and "Succeeded" not in conditions

    run_virtual(main())


def test_a_resource_that_nobody_serves_is_waited_for_a_minute() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await _migrate(w, resource="gizmos", group="example.com")
            await w.settle(50)
            assert list(await _conditions(w)) == ["Running"]
            await w.settle(100)
            message = "resource does not exist in discovery"
            assert (await _conditions(w))["Failed"] == ("True", "StorageVersionMigrationFailed", message)

    run_virtual(main())


def test_what_cannot_be_patched_cannot_be_migrated() -> None:
    async def main() -> None:
        async with loop_world(LOOP) as w:
            await _migrate(w, resource="tokenreviews", group="authentication.k8s.io")
            await w.settle(5)
            message = (
                'resource "authentication.k8s.io/v1, Resource=tokenreviews" does not support discovery operations: '
                "[update patch list]"
            )
            assert (await _conditions(w))["Failed"] == ("True", "StorageVersionMigrationFailed", message)

    run_virtual(main())


def _migration(name: str, created: int, **conditions: bool) -> Object:
    given: list[Any] = [{"type": kind, "status": str(true)} for kind, true in conditions.items()]
    meta = {"name": name, "creationTimestamp": f"2026-01-01T00:00:0{created}Z"}
    return {"metadata": meta, "spec": {"resource": {"resource": "pods"}}, "status": {"conditions": given}}


def test_one_migration_of_a_resource_runs_at_a_time_the_oldest_first() -> None:
    pods = Request("", "pods")
    older, newer = _migration("b", 1), _migration("a", 2)
    assert plan([newer, older], pods) == ([], older)
    assert plan([newer, older], Request("apps", "pods")) == ([], None)
    assert plan([older, _migration("c", 0, Running=True)], pods) == ([], None)
    over = _migration("c", 0, Running=True, Succeeded=True)
    assert plan([newer, over], pods) == ([over], newer)
    assert plan([_migration("c", 0, Failed=True)], pods) == ([], None)


def test_a_crd_is_told_whether_its_stored_versions_could_be_forgotten() -> None:
    crd: Object = {"metadata": {"name": "x", "generation": 3}}
    told = ended_condition(crd, succeeded=True, current=True)
    assert told["message"] == "The migration has succeeded and the stored versions have been updated"
    assert (told["status"], told["observedGeneration"]) == ("False", 3)
    stale = ended_condition(crd, succeeded=True, current=False)["message"]
    assert stale.endswith("but the stored versions have not been updated due to a generation mismatch")
    assert ended_condition(crd, succeeded=False, current=True)["reason"] == "MigrationFailed"


def test_progress_in_words() -> None:
    assert facts.running_message(0, 0) == "The migration is running"
    assert facts.running_message(2, 5) == "The migration is running, 2/5 objects not yet migrated"
    assert facts.running_message(0, 5) == "The migration is running, 5 objects verified migrated"
    error = StatusError(503, "ServiceUnavailable", "later")
    assert facts.running_message(1, 5, error).endswith("1/5 objects not yet migrated; transient error: later")


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    began = facts.with_conditions({"status": {}}, 0.0, facts.condition(facts.RUNNING, "The migration is running"))
    assert began is not None
    again = facts.with_conditions(began, 60.0, facts.condition(facts.RUNNING, "otherwise"))
    assert again is not None
    assert again["status"]["conditions"][0]["lastTransitionTime"] == "1970-01-01T00:00:00Z"
    assert facts.with_conditions(again, 120.0, facts.condition(facts.RUNNING, "otherwise")) is None
