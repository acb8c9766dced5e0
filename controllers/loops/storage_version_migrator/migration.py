"""A migration's two steps: the newest revision of the resource is noted, then everything older is patched with nothing.

Such a patch writes an object again where its stored form is not today's. Mirrors upstream pkg/controller/storageversionmigrator.
"""

from __future__ import annotations

import logging
from typing import Any

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.discovery import DiscoveryIncomplete, ServedResource, served_resources
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.context import Context
from controllers.framework.controller import Request, Retry
from controllers.framework.kinds import STORAGE_VERSION_MIGRATIONS
from controllers.loops.storage_version_migrator import facts

log = logging.getLogger(__name__)

NAME = "storage-version-migrator-controller"
VERBS = ("update", "patch", "list")
NO_NAMESPACE = "@fake:svm_ns!"  # no namespace can have that name: a list of it tells the revision, and costs nothing
PAGE = 500
KNOWN_WITHIN = 60.0  # seconds after its creation in which a migration may wait for its resource
RETRIED = ("ServerTimeout", "TooManyRequests", "ServiceUnavailable", "InternalError", "Timeout")


class Failed(Exception):
    """The migration has failed for good; the message says why, `progress` what Running is to say where it had begun."""

    def __init__(self, message: str, progress: str = "") -> None:
        super().__init__(message)
        self.progress = progress


class Migrations:
    """Requests are migrations. What both steps share."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.clock = context.clock
        self.migrations = context.resource(STORAGE_VERSION_MIGRATIONS)
        self.known = context.informer(STORAGE_VERSION_MIGRATIONS).lister

    async def reconcile(self, request: Request) -> None:
        migration = self.known.get(*request)
        if migration is None or facts.has_ended(migration):
            return
        try:
            await self.step(migration)
        except Failed as error:
            log.info("migration failed", extra={"migration": request.name, "error": str(error)})
            running = [facts.condition(facts.RUNNING, error.progress)] if error.progress else []
            await self._write(migration, *running, facts.condition(facts.FAILED, str(error)))

    async def step(self, migration: Object) -> None:
        """Raises Failed."""
        raise NotImplementedError

    async def served(self, migration: Object) -> ServedResource | None:
        """The resource to migrate as it is served, in its group's preferred version."""
        wanted = facts.resource_of(migration)
        try:
            found = await served_resources(self.context.client)
        except DiscoveryIncomplete as error:
            found = error.resources
        return next((r for r in found if (r.gvr.group, r.gvr.resource) == wanted), None)

    def is_young(self, migration: Object) -> bool:
        """May its resource still turn up in discovery?"""
        return self.clock.now() < parse_rfc3339(migration["metadata"]["creationTimestamp"]) + KNOWN_WITHIN

    async def _write(self, migration: Object, *conditions: dict[str, Any]) -> None:
        changed = facts.with_conditions(migration, self.clock.now(), *conditions)
        if changed is not None:
            await self.migrations.update_status(changed)


class Checkpoints(Migrations):
    """Notes the revision of the resource when its migration begins."""

    async def step(self, migration: Object) -> None:
        if not facts.is_true(migration, facts.RUNNING) or facts.checkpoint(migration):
            return
        resource = await self.served(migration)
        if resource is None:
            if self.is_young(migration):
                raise Retry("resource does not exist in our rest mapper, requeuing to attempt again")
            raise Failed("resource does not exist in discovery")
        if not set(VERBS) <= set(resource.verbs):
            gvr = resource.gvr
            named = f"{gvr.group}/{gvr.version}, Resource={gvr.resource}"
            raise Failed(f'resource "{named}" does not support discovery operations: [{" ".join(VERBS)}]')
        namespace = NO_NAMESPACE if resource.namespaced else ""
        page = await self.context.resource(resource.gvr).list(namespace, limit=1, metadata_only=True)
        status = {**(migration.get("status") or {}), "resourceVersion": page["metadata"]["resourceVersion"]}
        await self.migrations.update_status({**migration, "status": status})


class Patches(Migrations):
    """Patches what is older than the checkpoint."""

    async def step(self, migration: Object) -> None:
        if not facts.checkpoint(migration):
            return
        resource = await self.served(migration)
        if resource is None:
            if self.is_young(migration):
                raise Retry("resource does not exist in rest mapper, requeuing to attempt again")
            raise Failed("migration encountered unhandled error: unable to obtain GVR from discovery")
        total, old = await self._objects(resource, int(facts.checkpoint(migration)))
        for done, meta in enumerate(old):
            await self._migrate(migration, resource, meta, len(old) - done, total)
        running = facts.condition(facts.RUNNING, facts.running_message(0, total))
        await self._write(migration, running, facts.condition(facts.SUCCEEDED, "Migration completed"))

    async def _objects(self, resource: ServedResource, newest: int) -> tuple[int, list[dict[str, Any]]]:
        """How many there are, and the metadata of those that are not newer."""
        client, token, total = self.context.resource(resource.gvr), "", 0
        old: list[dict[str, Any]] = []
        while True:
            page = await client.list(limit=PAGE, continue_token=token, metadata_only=True)
            items = [item["metadata"] for item in page.get("items") or ()]
            total += len(items)
            old += [meta for meta in items if int(meta["resourceVersion"]) <= newest]
            token = page["metadata"].get("continue", "")
            if not token:
                return total, old

    async def _migrate(
        self, migration: Object, resource: ServedResource, meta: dict[str, Any], left: int, total: int
    ) -> None:
        """One object; that it has changed or gone meanwhile is as good. `left` counts it, too."""
        gvr, kind = resource.gvr, resource.kind
        api_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
        patch = {"apiVersion": api_version, "kind": kind.kind, "metadata": {"resourceVersion": meta["resourceVersion"]}}
        try:
            client = self.context.resource(gvr)
            await client.patch(meta["name"], meta.get("namespace") or "", patch, type=MERGE_PATCH, fieldManager=NAME)
        except StatusError as error:
            if error.reason in ("Conflict", "NotFound"):
                return
            if error.reason in RETRIED:
                running = facts.condition(facts.RUNNING, facts.running_message(left, total, error))
                await self._write(migration, running)
                raise
            message = f"{left}/{total} not yet migrated. migration encountered unhandled error: {error}"
            raise Failed(message, facts.running_message(left, total)) from error
