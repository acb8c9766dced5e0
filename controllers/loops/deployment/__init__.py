"""Deployments: facts (pure), one rollout, and the controller around them."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from controllers.framework.manager import Loop
from controllers.framework.ownership import owner_requests
from controllers.loops.deployment.controller import Deployments

WORKERS = 5


def build(context: Context) -> Loop:
    reconciler = Deployments(context)
    controller = Controller("deployment-controller", reconciler, workers=WORKERS)
    controller.watch(context.informer(DEPLOYMENTS))
    owners = owner_requests("Deployment", "apps")

    def sets_to_deployments(replica_set: Object) -> Iterable[Request]:
        if controller_of(replica_set) is not None:
            yield from owners(replica_set)
            return
        for deployment in reconciler.known.list(replica_set["metadata"]["namespace"]):
            selector = labels.from_label_selector(deployment["spec"].get("selector"))
            if not selector.empty and selector.matches(objects.labels_of(replica_set)):
                yield Request(deployment["metadata"]["namespace"], deployment["metadata"]["name"])

    controller.watch(context.informer(REPLICA_SETS), sets_to_deployments)

    def pod_deleted(pod: Object) -> None:
        """Recreate goes on when the last old pod is gone."""
        owner = controller_of(pod)
        if owner is None or owner["kind"] != "ReplicaSet":
            return
        replica_set = reconciler.known_sets.get(pod["metadata"]["namespace"], owner["name"])
        for request in owners(replica_set) if replica_set is not None else ():
            deployment = reconciler.known.get(*request)
            if deployment is not None and (deployment["spec"].get("strategy") or {}).get("type") == "Recreate":
                controller.queue.add(request)

    context.informer(PODS).add_handler(Handler(deleted=pod_deleted))
    controller.needs(context.informer(PODS))
    return controller
