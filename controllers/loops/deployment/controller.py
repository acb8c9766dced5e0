"""Deployments roll ReplicaSets: one for each template, the new one up, the old ones down, within surge and unavailability.

Mirrors upstream pkg/controller/deployment: rolling update, recreate, proportional scaling, pause, rollback, history.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.clock import parse_rfc3339, rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.errors import namespace_terminating
from controllers.framework.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from controllers.framework.ownership import (
    CONTROLLER,
    ControllerReferences,
    controller_reference,
    controller_uid,
    fresh_owner_check,
    owned_or_orphaned,
)
from controllers.framework.revisions import template_hash
from controllers.loops.deployment import facts
from controllers.loops.deployment.rollout import Rollout

API_VERSION, KIND = "apps/v1", "Deployment"


class Deployments:
    """Requests are deployments."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.deployments = context.resource(DEPLOYMENTS)
        self.known = context.informer(DEPLOYMENTS).lister
        self.sets = context.resource(REPLICA_SETS)
        sets = context.informer(REPLICA_SETS)
        sets.add_index(CONTROLLER, controller_uid)
        self.known_sets = sets.lister
        pods = context.informer(PODS)
        pods.add_index(CONTROLLER, controller_uid)
        self.known_pods = pods.lister
        self.recorder = context.recorder("deployment-controller")

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            return None
        deployment: Object = {**objects.copy(known), "apiVersion": API_VERSION, "kind": KIND}
        if deployment["spec"].get("selector") == {}:
            await self._refuse_everything(deployment)
            return None
        try:
            return await self._roll_on(deployment)
        except StatusError as error:
            if namespace_terminating(error):
                return None
            raise

    async def _refuse_everything(self, deployment: Object) -> None:
        message = "This deployment is selecting all pods. A non-empty selector is required."
        self.recorder.event(deployment, "Warning", "SelectingAll", message)
        status = deployment.setdefault("status", {})
        if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
            status["observedGeneration"] = deployment["metadata"]["generation"]
            await self.write_status(deployment)

    async def _roll_on(self, deployment: Object) -> Result | None:
        sets = await self._claim(deployment)
        rollout = Rollout(self, deployment, sets)
        if deployment["metadata"].get("deletionTimestamp"):
            await rollout.only_status()
            return None
        if await self._check_paused(deployment):
            return None
        if deployment["spec"].get("paused"):
            await rollout.sync()
        elif facts.rollback_to(deployment) is not None:
            await rollout.complete()
            await self._roll_back(deployment, rollout)
        elif await rollout.is_scaling():
            await rollout.sync()
        elif facts.is_rolling(deployment):
            await rollout.roll()
        else:
            await rollout.recreate(self._old_pods_run)
        return self._check_again(deployment)

    def _check_again(self, deployment: Object) -> Result | None:
        """When nothing moves, look again at the deadline of progress."""
        status = deployment.get("status") or {}
        condition = facts.find_condition(status, "Progressing")
        if not facts.has_deadline(deployment) or condition is None or facts.is_complete(deployment, status):
            return None
        if condition["reason"] == "ProgressDeadlineExceeded":
            return None
        deadline = parse_rfc3339(condition["lastUpdateTime"]) + deployment["spec"]["progressDeadlineSeconds"]
        return Result(after=max(deadline - self.clock.now(), 0) + 1)

    async def _claim(self, deployment: Object) -> list[Object]:
        selector = labels.from_label_selector(deployment["spec"]["selector"])
        reference = controller_reference(deployment, API_VERSION, KIND)
        can_adopt = fresh_owner_check(self.deployments, deployment)
        references = ControllerReferences(self.sets, deployment, reference, selector, can_adopt)
        claimed = await references.claim(owned_or_orphaned(self.known_sets, deployment))
        return [objects.copy(s) for s in claimed]

    def _old_pods_run(self, new: Object | None, old: list[Object]) -> bool:
        """Recreate waits until no pod of another template is left."""
        if facts.status_count(old, "replicas") > 0:
            return True
        for replica_set in old:
            for pod in self.known_pods.by_index(CONTROLLER, replica_set["metadata"]["uid"]):
                if pod_facts.phase(pod) not in ("Failed", "Succeeded"):
                    return True
        return False

    async def _check_paused(self, deployment: Object) -> bool:
        """Note in the Progressing condition that the deployment was paused or resumed; whether it was written."""
        if not facts.has_deadline(deployment):
            return False
        status = deployment.setdefault("status", {})
        condition = facts.find_condition(status, "Progressing")
        if condition is not None and condition["reason"] == "ProgressDeadlineExceeded":
            return False
        noted = condition is not None and condition["reason"] == "DeploymentPaused"
        paused = bool(deployment["spec"].get("paused"))
        if paused == noted:
            return False
        word = (
            ("DeploymentPaused", "Deployment is paused") if paused else ("DeploymentResumed", "Deployment is resumed")
        )
        facts.set_condition(status, "Progressing", "Unknown", *word, self.now())
        await self.write_status(deployment)
        return True

    async def _roll_back(self, deployment: Object, rollout: Rollout) -> None:
        """Roll back to the revision the old annotation asks for, and drop the annotation."""
        annotations = deployment["metadata"]["annotations"]
        wanted = int(annotations.pop(facts.ROLLBACK_TO))
        sets = sorted(rollout.all, key=facts.revision)
        if not wanted:
            wanted = facts.revision(sets[-2]) if len(sets) > 1 else 0
        target = next((s for s in sets if facts.revision(s) == wanted), None) if wanted else None
        name = deployment["metadata"]["name"]
        if target is None:
            message = "Unable to find the revision to rollback to." if wanted else "Unable to find last revision."
            self.recorder.event(deployment, "Warning", "DeploymentRollbackRevisionNotFound", message)
        elif facts.same_template(deployment["spec"]["template"], target["spec"]["template"]):
            message = f'The rollback revision contains the same template as current deployment "{name}"'
            self.recorder.event(deployment, "Warning", "DeploymentRollbackTemplateUnchanged", message)
        else:
            template = objects.copy(target["spec"]["template"])
            (template.get("metadata") or {}).get("labels", {}).pop(facts.HASH_LABEL, None)
            deployment["spec"]["template"] = template
            kept = {k: v for k, v in annotations.items() if k in facts.NOT_COPIED}
            taken = {k: v for k, v in objects.annotations_of(target).items() if k not in facts.NOT_COPIED}
            deployment["metadata"]["annotations"] = {**kept, **taken}
            message = f'Rolled back deployment "{name}" to revision {wanted}'
            self.recorder.event(deployment, "Normal", "DeploymentRollback", message)
        await self.deployments.update(deployment)

    # What a rollout writes

    def now(self) -> str:
        return rfc3339(self.clock.now())

    async def write_status(self, deployment: Object) -> None:
        """Write the status and go on with the object as it was stored."""
        written = await self.deployments.update_status(deployment)
        deployment["metadata"] = written["metadata"]
        deployment["status"] = written.get("status") or {}

    async def create_set(self, deployment: Object, sets: list[Object], new_revision: int) -> Object:
        """Create the ReplicaSet of the deployment's template. A name that is taken by another template is a collision:
        it is counted in the status, and the next try has another name."""
        status = deployment.setdefault("status", {})
        template = objects.copy(deployment["spec"]["template"])
        short = template_hash(template, status.get("collisionCount"))
        objects.metadata(template)["labels"] = {**objects.labels_of(template), facts.HASH_LABEL: short}
        selector = objects.copy(deployment["spec"]["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), facts.HASH_LABEL: short}
        meta = deployment["metadata"]
        spec: dict[str, Any] = {"replicas": 0, "selector": selector, "template": template}
        if deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = deployment["spec"]["minReadySeconds"]
        made: Object = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name'][: 252 - len(short)]}-{short}",
                "namespace": meta["namespace"],
                "labels": template["metadata"]["labels"],
                "ownerReferences": [controller_reference(deployment, API_VERSION, KIND)],
            },
            "spec": spec,
        }
        spec["replicas"] = facts.new_set_size(deployment, [*sets, made], made)
        facts.annotate_new_set(made, deployment, new_revision, exists=False)
        try:
            created = await self.sets.create(made, meta["namespace"])
        except StatusError as error:
            return await self._set_not_created(deployment, made, error)
        if spec["replicas"] > 0:
            message = f"Scaled up replica set {created['metadata']['name']} from 0 to {spec['replicas']}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", message)
        self._note_created(deployment, created, new_revision)
        await self.write_status(deployment)
        return created

    def _note_created(self, deployment: Object, created: Object, new_revision: int) -> None:
        if facts.has_deadline(deployment):
            message = f'Created new replica set "{created["metadata"]["name"]}"'
            facts.set_condition(
                deployment["status"], "Progressing", "True", "NewReplicaSetCreated", message, self.now()
            )

    async def _set_not_created(self, deployment: Object, made: Object, error: StatusError) -> Object:
        meta, name = deployment["metadata"], made["metadata"]["name"]
        if error.reason == "AlreadyExists":
            existing = await self.sets.get(name, meta["namespace"])
            owner = objects.controller_of(existing)
            ours = owner is not None and owner["uid"] == meta["uid"]
            if ours and facts.same_template(deployment["spec"]["template"], existing["spec"]["template"]):
                return existing
            status = deployment["status"]
            status["collisionCount"] = (status.get("collisionCount") or 0) + 1
            await self.write_status(deployment)
        elif not namespace_terminating(error):
            message = f'Failed to create new replica set "{name}": {error.message}'
            if facts.has_deadline(deployment):
                facts.set_condition(
                    deployment["status"], "Progressing", "False", "ReplicaSetCreateError", message, self.now()
                )
                await self.write_status(deployment)
            self.recorder.event(deployment, "Warning", "ReplicaSetCreateError", message)
        raise error

    async def set_revision(self, deployment: Object, text: str) -> bool:
        """Write the current revision into the deployment's annotations, where it differs."""
        if objects.annotations_of(deployment).get(facts.REVISION) == text:
            return False
        objects.metadata(deployment).setdefault("annotations", {})[facts.REVISION] = text
        return True

    async def scale_set(self, deployment: Object, replica_set: Object, size: int, *, force: bool = False) -> bool:
        """Bring a set to a size; whether its size changed. The set is replaced by what was stored."""
        before = facts.replicas(replica_set)
        if before == size and not force:
            return False
        changed = facts.annotate_sizes(replica_set, deployment)
        if before == size and not changed:
            return False
        replica_set["spec"]["replicas"] = size
        stored = await self.sets.update(replica_set)
        replica_set.clear()
        replica_set.update(stored)
        if before != size:
            way = "up" if before < size else "down"
            name = stored["metadata"]["name"]
            message = f"Scaled {way} replica set {name} from {before} to {size}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", message)
        return before != size
