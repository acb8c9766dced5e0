"""One migration of a resource at a time: the oldest is set running; what has ended makes room, and its CRD is told.

Mirrors upstream pkg/controller/storageversionmigrator/migrationrunner.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Request
from controllers.framework.kinds import CUSTOM_RESOURCE_DEFINITIONS, STORAGE_VERSION_MIGRATIONS
from controllers.loops.storage_version_migrator import facts

FIELD_MANAGER = "migration-runner-controller"
CRD_CONDITION = "StorageMigrating"
TRIES = 5  # upstream retry.DefaultRetry


class Plan(NamedTuple):
    """`ended` are to stop running; `next` may run."""

    ended: list[Object]
    next: Object | None


def plan(migrations: Sequence[Object], resource: Request) -> Plan:
    mine = [m for m in migrations if facts.resource_of(m) == resource]
    running = [m for m in mine if facts.is_true(m, facts.RUNNING)]
    ended = [m for m in running if facts.has_ended(m)]
    if len(ended) < len(running):
        return Plan(ended, None)
    waiting = [m for m in mine if not facts.is_true(m, facts.RUNNING) and not facts.has_ended(m)]
    oldest = min(waiting, key=lambda m: (m["metadata"]["creationTimestamp"], m["metadata"]["name"]), default=None)
    return Plan(ended, oldest)


def ended_condition(crd: Object, *, succeeded: bool, current: bool) -> dict[str, Any]:
    """What a CRD says when its migration is over. `current`: it did not change since that began."""
    reason, message = "MigrationFailed", "The migration has failed"
    if succeeded:
        reason, message = "MigrationSucceeded", "The migration has succeeded"
        if current:
            message += " and the stored versions have been updated"
        else:
            message += " but the stored versions have not been updated due to a generation mismatch"
    return _crd_condition(crd, "False", reason, message)


def _crd_condition(crd: Object, status: str, reason: str, message: str) -> dict[str, Any]:
    generation = crd["metadata"].get("generation", 0)
    return {
        "type": CRD_CONDITION,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
    }


class Runner:
    """Requests are resources, their group in the place of a namespace."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.migrations = context.resource(STORAGE_VERSION_MIGRATIONS)
        self.known = context.informer(STORAGE_VERSION_MIGRATIONS).lister
        self.crds = context.resource(CUSTOM_RESOURCE_DEFINITIONS)

    async def reconcile(self, request: Request) -> None:
        ended, following = plan(self.known.list(), request)
        for migration in ended:
            await self._end(migration, request)
        if following is not None:
            await self._begin(following, request)

    async def _end(self, migration: Object, resource: Request) -> None:
        succeeded = facts.is_true(migration, facts.SUCCEEDED)
        await self._tell_crd(resource, lambda crd: self._ended_status(crd, succeeded))
        told: dict[str, Any] = {
            "type": facts.RUNNING,
            "status": "False",
            "reason": "MigrationCompleted",
            "message": "Migration completed",
        }
        if generation := migration["metadata"].get("generation"):
            told["observedGeneration"] = generation
        changed = facts.with_conditions(migration, self.clock.now(), told)
        if changed is not None:
            await self.migrations.update_status(changed)

    def _ended_status(self, crd: Object, succeeded: bool) -> dict[str, Any]:
        """Stored versions that were migrated away from are gone, where the CRD is still the one that was migrated."""
        before = pod_facts.condition(crd, CRD_CONDITION)
        current = before is not None and before.get("observedGeneration") == crd["metadata"].get("generation")
        status: dict[str, Any] = {"conditions": [ended_condition(crd, succeeded=succeeded, current=current)]}
        if current:
            stored = [version["name"] for version in crd["spec"]["versions"] if version.get("storage")]
            status["storedVersions"] = stored[:1]
        return status

    async def _begin(self, migration: Object, resource: Request) -> None:
        message = f"Migration {migration['metadata']['name']} is running"
        await self._tell_crd(
            resource, lambda crd: {"conditions": [_crd_condition(crd, "True", "MigrationRunning", message)]}
        )
        running = facts.condition(facts.RUNNING, facts.running_message(0, 0))
        changed = facts.with_conditions(migration, self.clock.now(), running)
        if changed is not None:
            await self.migrations.update_status(changed)

    async def _tell_crd(self, resource: Request, status_of: Callable[[Object], dict[str, Any]]) -> None:
        """Apply a status to the resource's CRD, where it has one; with its revision, so that it is about this state."""
        for left in reversed(range(TRIES)):
            try:
                crd = await self.crds.get(f"{resource.name}.{resource.namespace}")
            except StatusError as error:
                if error.code == 404:  # none of that name, or no CRDs at all
                    return
                raise
            try:
                await self._apply(crd, status_of(crd))
                return
            except StatusError as error:
                if error.reason != "Conflict" or not left:
                    raise

    async def _apply(self, crd: Object, status: dict[str, Any]) -> None:
        for condition in status["conditions"]:
            condition["lastTransitionTime"] = rfc3339(self.clock.now())
        meta = {"name": crd["metadata"]["name"], "resourceVersion": crd["metadata"]["resourceVersion"]}
        kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        told = {**kind, "metadata": meta, "status": status}
        await self.crds.apply(told, field_manager=FIELD_MANAGER, force=True, subresource="status")
