"""DaemonSets: placement, plan and history, and what changes of pods, nodes and revisions mean for them."""

from __future__ import annotations

from apiserver.apimachinery import labels, objects
from apiserver.apimachinery.objects import Object, controller_of
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, request_of
from controllers.framework.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from controllers.framework.manager import Loop
from controllers.framework.nodes import node_name_index, taints_of
from controllers.loops.daemonset.controller import COMPONENT, DaemonSets
from controllers.loops.daemonset.history import API_VERSION, KIND
from controllers.loops.daemonset.placement import Placements

WORKERS = 2  # upstream ConcurrentDaemonSetSyncs
# Seconds for each desired pod to wait after a change of one: see SETTLE_PER_POD of the replica sets.
SETTLE_PER_POD = 0.0002


class Changes:
    """Fills the queue."""

    def __init__(self, sets: DaemonSets, controller: Controller) -> None:
        self.sets = sets
        self.queue = controller.queue
        self._placements: dict[Request, tuple[tuple[str, int], Placements]] = {}

    def owner(self, obj: Object) -> Object | None:
        """The daemon set that controls a pod or a revision, if it is still there."""
        reference = controller_of(obj)
        if reference is None or (reference["kind"], reference["apiVersion"]) != (KIND, API_VERSION):
            return None
        owner = self.sets.known.get(obj["metadata"]["namespace"], reference["name"])
        return owner if owner is not None and owner["metadata"]["uid"] == reference["uid"] else None

    def _look_soon(self, owner: Object) -> None:
        pods = (owner.get("status") or {}).get("desiredNumberScheduled", 0)
        self.queue.add_after(request_of(owner), pods * SETTLE_PER_POD)

    def _orphan(self, obj: Object) -> None:
        for owner in self.sets.known.list(obj["metadata"]["namespace"]):
            selector = labels.from_label_selector(owner["spec"].get("selector"))
            if not selector.empty and selector.matches(objects.labels_of(obj)):
                self.queue.add(request_of(owner))

    # Pods

    def pod_added(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self.pod_deleted(pod)
        elif (owner := self.owner(pod)) is not None:
            self.sets.expectations.creation_observed(request_of(owner))
            self._look_soon(owner)
        elif controller_of(pod) is None:
            self._orphan(pod)

    def pod_updated(self, old: Object, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self.pod_deleted(pod)
            return
        self.moved(old, pod)

    def moved(self, old: Object, new: Object) -> None:
        before, owner = self.owner(old), self.owner(new)
        for concerned in [before, owner] if before is not owner else [owner]:
            if concerned is not None:
                self._look_soon(concerned)
        changed = objects.labels_of(old) != objects.labels_of(new) or controller_of(old) is not None
        if controller_of(new) is None and changed:
            self._orphan(new)

    def pod_deleted(self, pod: Object) -> None:
        if (owner := self.owner(pod)) is not None:
            self.sets.expectations.deletion_observed(request_of(owner), pod["metadata"]["uid"])
            self._look_soon(owner)

    # Revisions

    def revision_added(self, revision: Object) -> None:
        if controller_of(revision) is None:
            self._orphan(revision)

    def revision_deleted(self, revision: Object) -> None:
        if (owner := self.owner(revision)) is not None:
            self.queue.add(request_of(owner))

    # Nodes

    def node_changed(self, node: Object) -> None:
        """Queue the sets for which the node makes a difference."""
        on_node = self.sets.known_pods.by_index("node", node["metadata"]["name"])
        there = {reference["uid"] for pod in on_node if (reference := controller_of(pod)) is not None}
        for owner in self.sets.known.list():
            if self._matters(node, owner, there=owner["metadata"]["uid"] in there):
                self.queue.add(request_of(owner))

    def node_updated(self, old: Object, node: Object) -> None:
        if objects.labels_of(old) != objects.labels_of(node) or taints_of(old) != taints_of(node):
            self.node_changed(node)

    def _matters(self, node: Object, owner: Object, *, there: bool) -> bool:
        """`there`: the owner has a pod on the node."""
        placement = self._rules(owner).on(node)
        if not there:
            return placement.run
        return not placement.stay or (owner.get("status") or {}).get("numberMisscheduled", 0) > 0

    def _rules(self, owner: Object) -> Placements:
        """The owner's rules, read once for each of its generations: a thousand nodes may come at once."""
        key = (owner["metadata"]["uid"], owner["metadata"].get("generation", 0))
        known = self._placements.get(request_of(owner))
        if known is None or known[0] != key:
            known = self._placements[request_of(owner)] = (key, Placements(owner["spec"]["template"]))
        return known[1]

    def owner_deleted(self, owner: Object) -> None:
        self.sets.expectations.forget(request_of(owner))
        self._placements.pop(request_of(owner), None)


def build(context: Context) -> Loop:
    sets = DaemonSets(context)
    controller = Controller(COMPONENT, sets, workers=WORKERS)
    changes = Changes(sets, controller)
    context.informer(PODS).add_index("node", node_name_index)
    informer = context.informer(DAEMON_SETS)
    informer.add_handler(Handler(deleted=changes.owner_deleted))
    controller.watch(informer)
    for resource, handler in (
        (PODS, Handler(changes.pod_added, changes.pod_updated, changes.pod_deleted)),
        (CONTROLLER_REVISIONS, Handler(changes.revision_added, changes.moved, changes.revision_deleted)),
        (NODES, Handler(changes.node_changed, changes.node_updated)),
    ):
        context.informer(resource).add_handler(handler)
        controller.needs(context.informer(resource))
    return controller
