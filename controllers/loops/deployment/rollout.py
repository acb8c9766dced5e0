"""One look at one Deployment and its ReplicaSets: which to create, scale and remove, and what the status says then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.loops.deployment import facts

if TYPE_CHECKING:
    from controllers.loops.deployment.controller import Deployments


class Rollout:
    """`deployment` and the sets are copies of our own and follow what is written."""

    def __init__(self, controller: Deployments, deployment: Object, sets: list[Object]) -> None:
        self.controller = controller
        self.deployment = deployment
        self.new = facts.find_new(deployment, sets)
        self.old = [s for s in sets if s is not self.new]

    @property
    def all(self) -> list[Object]:
        return [*self.old, *([self.new] if self.new is not None else [])]

    # The ways to go

    async def only_status(self) -> None:
        """Being deleted: nothing is done any more but told."""
        await self._sync_revision(create=False)
        await self.sync_status()

    async def complete(self) -> None:
        """See to it that the template has its set."""
        await self._sync_revision(create=True)

    async def sync(self) -> None:
        """Paused, or only scaled: no new template comes in."""
        await self._sync_revision(create=False)
        await self._scale()
        if self.deployment["spec"].get("paused"):
            await self._clean_up()
        await self.sync_status()

    async def roll(self) -> None:
        await self._sync_revision(create=True)
        if not await self._grow_new() and not await self._shrink_old():
            await self._clean_up_when_complete()
        await self.rollout_status()

    async def recreate(self, old_pods_run: Callable[[Object | None, list[Object]], bool]) -> None:
        await self._sync_revision(create=False)
        shrank = [await self.controller.scale_set(self.deployment, s, 0) for s in facts.active(self.old)]
        if not any(shrank) and not old_pods_run(self.new, self.old):
            if self.new is None:
                await self._sync_revision(create=True)
            if self.new is not None:
                await self.controller.scale_set(self.deployment, self.new, facts.replicas(self.deployment))
            await self._clean_up_when_complete()
        await self.rollout_status()

    async def is_scaling(self) -> bool:
        """Was the deployment's size changed since its sets were scaled?"""
        await self._sync_revision(create=False)
        wanted = str(facts.replicas(self.deployment))
        noted = (objects.annotations_of(s).get(facts.DESIRED) for s in facts.active(self.all))
        return any(text is not None and text != wanted for text in noted)

    # Revisions

    async def _sync_revision(self, *, create: bool) -> None:
        """Bring the new set's annotations, the deployment's revision and (with `create`) the new set into being."""
        new_revision = max((facts.revision(s) for s in self.old), default=0) + 1
        if self.new is None:
            if create:
                await self.controller.set_revision(self.deployment, str(new_revision))
                self.new = await self.controller.create_set(self.deployment, self.old, new_revision)
            return
        await self._refresh_new(self.new, new_revision)
        text = objects.annotations_of(self.new).get(facts.REVISION, "")
        changed = await self.controller.set_revision(self.deployment, text)
        status = self.deployment.setdefault("status", {})
        if facts.has_deadline(self.deployment) and facts.find_condition(status, "Progressing") is None:
            message = f'Found new replica set "{self.new["metadata"]["name"]}"'
            facts.set_condition(status, "Progressing", "True", "FoundNewReplicaSet", message, self.controller.now())
            changed = True
        if changed:
            await self.controller.write_status(self.deployment)

    async def _refresh_new(self, new: Object, new_revision: int) -> None:
        changed = facts.annotate_new_set(new, self.deployment, new_revision, exists=True)
        min_ready = self.deployment["spec"].get("minReadySeconds") or 0
        if changed or (new["spec"].get("minReadySeconds") or 0) != min_ready:
            new["spec"]["minReadySeconds"] = min_ready
            self.new = await self.controller.sets.update(new)

    # Sizes

    async def _grow_new(self) -> bool:
        if self.new is None:
            return False
        wanted, size = facts.replicas(self.deployment), facts.replicas(self.new)
        target = wanted if size >= wanted else facts.new_set_size(self.deployment, self.all, self.new)
        return await self.controller.scale_set(self.deployment, self.new, target)

    async def _shrink_old(self) -> bool:
        """Take old pods away as far as availability allows: those that are not healthy first."""
        old = sorted(facts.active(self.old), key=facts.created)
        if not old or self.new is None:
            return False
        lowest = facts.replicas(self.deployment) - facts.max_unavailable(self.deployment)
        waiting = facts.replicas(self.new) - facts.status_count([self.new], "availableReplicas")
        spare = facts.total_replicas(self.all) - lowest - waiting
        if spare <= 0:
            return False
        cleaned = await self._remove(old, spare, unhealthy=True)
        available = facts.status_count(self.all, "availableReplicas")
        removed = await self._remove(old, available - lowest, unhealthy=False)
        return cleaned + removed > 0

    async def _remove(self, old: list[Object], allowed: int, *, unhealthy: bool) -> int:
        removed = 0
        for replica_set in old:
            size = facts.replicas(replica_set)
            candidates = size - facts.status_count([replica_set], "availableReplicas") if unhealthy else size
            count = min(candidates, allowed - removed)
            if count > 0:
                await self.controller.scale_set(self.deployment, replica_set, size - count)
                removed += count
        return removed

    async def _scale(self) -> None:
        """Follow a change of size: the one active set takes it, several share it in proportion."""
        only = facts.active_or_latest(self.new, self.old)
        if only is not None:
            await self.controller.scale_set(self.deployment, only, facts.replicas(self.deployment))
        elif facts.is_saturated(self.deployment, self.new):
            for replica_set in facts.active(self.old):
                await self.controller.scale_set(self.deployment, replica_set, 0)
        elif facts.is_rolling(self.deployment):
            await self._scale_in_proportion()

    async def _scale_in_proportion(self) -> None:
        sets = facts.active(self.all)
        wanted = facts.replicas(self.deployment)
        allowed = wanted + facts.max_surge(self.deployment) if wanted > 0 else 0
        to_add = allowed - facts.total_replicas(sets)
        # The largest first; of equals the newest when growing, the oldest when shrinking.
        sets.sort(key=facts.created, reverse=to_add > 0)
        sets.sort(key=facts.replicas, reverse=True)
        sizes, added = [], 0
        for replica_set in sets:
            share = facts.proportion(replica_set, self.deployment, to_add, added)
            sizes.append(facts.replicas(replica_set) + share)
            added += share
        if sizes and to_add:
            sizes[0] = max(sizes[0] + to_add - added, 0)
        for replica_set, size in zip(sets, sizes, strict=True):
            await self.controller.scale_set(self.deployment, replica_set, size, force=True)

    # History

    async def _clean_up_when_complete(self) -> None:
        if facts.is_complete(self.deployment, self.deployment.get("status") or {}):
            await self._clean_up()

    async def _clean_up(self) -> None:
        """Keep only so many old sets as the history limit says; none that still has pods goes."""
        limit = self.deployment["spec"].get("revisionHistoryLimit")
        if limit is None or limit == facts.NO_DEADLINE:
            return
        alive = [s for s in self.old if not s["metadata"].get("deletionTimestamp")]
        for replica_set in sorted(alive, key=facts.revision)[: max(len(alive) - limit, 0)]:
            status, meta = replica_set.get("status") or {}, replica_set["metadata"]
            seen = status.get("observedGeneration", 0) >= meta.get("generation", 0)
            if status.get("replicas") or facts.replicas(replica_set) or not seen:
                continue
            try:
                await self.controller.sets.delete(meta["name"], meta["namespace"])
            except StatusError as error:
                if error.code != 404:
                    raise

    # Status

    def _status(self) -> dict[str, Any]:
        """What the sets amount to (upstream calculateStatus)."""
        before = self.deployment.get("status") or {}
        available = facts.status_count(self.all, "availableReplicas")
        counts = {
            "replicas": facts.status_count(self.all, "replicas"),
            "updatedReplicas": facts.status_count([self.new], "replicas"),
            "readyReplicas": facts.status_count(self.all, "readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": max(facts.total_replicas(self.all) - available, 0),
        }
        status: dict[str, Any] = {"observedGeneration": self.deployment["metadata"].get("generation", 0)}
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = facts.status_count(self.all, "terminatingReplicas")
        if before.get("collisionCount") is not None:
            status["collisionCount"] = before["collisionCount"]
        if before.get("conditions"):
            status["conditions"] = objects.copy(before["conditions"])
        lowest = facts.replicas(self.deployment) - facts.max_unavailable(self.deployment)
        if available >= lowest:
            word = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        else:
            word = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        facts.set_condition(status, "Available", *word, self.controller.now())
        return status

    async def sync_status(self) -> None:
        await self._write(self._status())

    async def rollout_status(self) -> None:
        """The status with what is to be said of progress."""
        status = self._status()
        if facts.has_deadline(self.deployment):
            self._note_progress(status)
        else:
            facts.drop_condition(status, "Progressing")
        failure = self._failure()
        if failure is not None:
            word = (failure["status"], failure.get("reason", ""), failure.get("message", ""))
            facts.set_condition(status, "ReplicaFailure", *word, failure["lastTransitionTime"])
        else:
            facts.drop_condition(status, "ReplicaFailure")
        await self._write(status)

    def _note_progress(self, status: dict[str, Any]) -> None:
        now, current = self.controller.now(), facts.find_condition(status, "Progressing")
        done = status.get("replicas", 0) == status.get("updatedReplicas", 0)
        if done and current is not None and current["reason"] == "NewReplicaSetAvailable":
            return
        if self.new is not None:
            what = f'ReplicaSet "{self.new["metadata"]["name"]}"'
        else:
            what = f'Deployment "{self.deployment["metadata"]["name"]}"'
        if facts.is_complete(self.deployment, status):
            message = f"{what} has successfully progressed."
            facts.set_condition(status, "Progressing", "True", "NewReplicaSetAvailable", message, now)
        elif facts.is_progressing(self.deployment, status):
            since = current["lastTransitionTime"] if current is not None and current["status"] == "True" else now
            facts.drop_condition(status, "Progressing")
            facts.set_condition(status, "Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.", now)
            status["conditions"][-1]["lastTransitionTime"] = since
        elif facts.has_timed_out(self.deployment, status, self.controller.clock.now()):
            message = f"{what} has timed out progressing."
            facts.set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded", message, now)

    def _failure(self) -> Object | None:
        """A set's failure to make pods; the new set's before those of old ones."""
        for replica_set in ([self.new] if self.new is not None else []) + self.old:
            condition = facts.find_condition(replica_set.get("status") or {}, "ReplicaFailure")
            if condition is not None:
                return condition
        return None

    async def _write(self, status: dict[str, Any]) -> None:
        if _plain(self.deployment.get("status") or {}) != _plain(status):
            await self.controller.write_status({**self.deployment, "status": status})
            self.deployment["status"] = status


def _plain(status: Object) -> Object:
    return {k: v for k, v in status.items() if v not in (0, None, [])}
