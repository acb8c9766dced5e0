"""StatefulSets: facts and claims, their history, one update, and the controller around them."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, request_of
from controllers.framework.kinds import CONTROLLER_REVISIONS, PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS
from controllers.framework.manager import Loop
from controllers.framework.ownership import owner_requests
from controllers.loops.statefulset import facts
from controllers.loops.statefulset.controller import COMPONENT, StatefulSets

WORKERS = 5


def build(context: Context) -> Loop:
    sets = StatefulSets(context)
    controller = Controller(COMPONENT, sets, workers=WORKERS)
    controller.watch(context.informer(STATEFUL_SETS))
    owners = owner_requests("StatefulSet", "apps")

    def pods_to_sets(pod: Object) -> Iterable[Request]:
        if controller_of(pod) is not None:
            yield from owners(pod)
            return
        for stateful_set in sets.known.list(pod["metadata"]["namespace"]):
            selector = labels.from_label_selector(stateful_set["spec"].get("selector"))
            if not selector.empty and selector.matches(objects.labels_of(pod)):
                yield request_of(stateful_set)

    def claim_gone(claim: Object) -> None:
        """A pod that waits for an earlier claim of its name to go may be made now."""
        for stateful_set in sets.known.list(claim["metadata"]["namespace"]):
            name = stateful_set["metadata"]["name"]
            prefixes = tuple(f"{t['metadata']['name']}-{name}-" for t in facts.claim_templates(stateful_set))
            if claim["metadata"]["name"].startswith(prefixes):
                controller.queue.add(request_of(stateful_set))

    controller.watch(context.informer(PODS), pods_to_sets)
    claims = context.informer(PERSISTENT_VOLUME_CLAIMS)
    claims.add_handler(Handler(deleted=claim_gone))
    controller.needs(claims)
    controller.needs(context.informer(CONTROLLER_REVISIONS))
    return controller
