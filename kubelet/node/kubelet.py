"""One node's agent: pods come in by a watch, go through their workers, and their statuses go out (upstream kubelet.go)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.events import EventRecorder
from apiserver.client.reflector import Reflector
from apiserver.client.resources import Client
from kubelet.node import admission, conditions, eviction, facts
from kubelet.node.admission import Rejection
from kubelet.node.allocation import Allocations
from kubelet.node.context import NORMAL, WARNING, NodeContext
from kubelet.node.identity import NodeIdentity
from kubelet.node.lease import LeaseHeartbeat
from kubelet.node.node_status import NODES, NodeStatus
from kubelet.node.pleg import Pleg
from kubelet.node.pod_source import PodSource
from kubelet.node.pod_sync import PodSync
from kubelet.node.pod_workers import PodWorkers, State
from kubelet.node.prober.manager import ProbeManager
from kubelet.node.references import References
from kubelet.node.restoring import remains_of
from kubelet.node.static_pods import StaticPods
from kubelet.node.status_manager import PODS, StatusManager
from kubelet.node.volumes.manager import VolumeManager
from kubelet.runtime.interface import Adopting, ContainerRuntime, ContainerRuntimeError

log = logging.getLogger(__name__)


class Kubelet:
    """`client` does the work, `events` carries events (it may be a slower lane to the same server)."""

    def __init__(
        self,
        identity: NodeIdentity,
        client: Client,
        events: Client,
        runtime: ContainerRuntime,
        clock: Clock,
        rand: Random,
        static_directory: Path | None = None,
    ) -> None:
        self.identity = identity
        self.began = clock.now()
        recorder = EventRecorder(events, clock, "kubelet", host=identity.name)
        self.context = context = NodeContext(
            identity.name, client, clock, rand, recorder, runtime, runtime_name="", host_ips=identity.addresses
        )
        self.source = PodSource(self)
        self.statuses = StatusManager(context, self)
        references = References(client, clock)
        self.probes = ProbeManager(context, self.statuses.get, self._look)
        self.allocations = Allocations(context, self._admit)
        self.static = StaticPods(context, static_directory, self, self.source.named)
        self._sync = PodSync(
            context,
            self.statuses,
            self.probes,
            VolumeManager(context, references),
            references,
            self.allocations,
            self.static.reconcile,
        )
        self.workers = PodWorkers(self._sync, rand, clock.now, self._finished)
        self._eviction = eviction.EvictionManager(
            context,
            self.active_pods,
            lambda uid, verdict: self.workers.kill(uid, grace=0, verdict=verdict),
            lambda: eviction.annotated(context.node),
        )
        self.node_status = NodeStatus(context, identity, self._eviction.signals, self._eviction.look)
        self._lease = LeaseHeartbeat(context)
        self._tasks = TaskOwner(f"kubelet {identity.name}")

    async def run(self, gate: asyncio.Semaphore, registered: asyncio.Event) -> None:
        """Work until cancelled. `gate` lets so many nodes of the process register at once; `registered` is set then."""
        self.context.runtime_name = (await self.context.runtime.version()).name
        try:
            self.context.node_event(NORMAL, "Starting", "Starting kubelet.")
            async with gate:
                await self.node_status.register()
            registered.set()
            name = self.identity.name
            parts = [self._tasks.create_task(part, name=f"{key}-{name}") for key, part in self._parts().items()]
            await asyncio.gather(*parts)
        finally:
            await self._close()

    def _parts(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What runs as long as the node does."""
        name, client, rand = self.identity.name, self.context.client, self.context.rand
        node = Reflector(client.resource(NODES), self.node_status, rand, field_selector=f"metadata.name={name}")
        pods = Reflector(client.resource(PODS), self.source, rand, field_selector=f"spec.nodeName={name}")
        return {
            "lease": self._lease.run(),
            "node-status": self.node_status.run(),
            "node-watch": node.run(),
            "pleg": Pleg(self.context.runtime, self._look).run(),
            "eviction": self._eviction.run(),
            "static-pods": self.static.run(),
            "pod-watch": pods.run(),
        }

    async def _close(self) -> None:
        await self._tasks.close()
        await self.workers.close()
        await self.probes.close()
        await self.statuses.close()
        await self.context.recorder.close()
        await self.context.runtime.aclose()

    def _look(self, uid: str) -> None:
        self.workers.look(uid)

    # Pods

    def active_pods(self) -> list[Object]:
        """Those that have been admitted and may have running containers, as allocated."""
        every = [*self.source.all(), *filter(None, map(self.static.get, self.workers.uids()))]
        return [
            self.allocations.allocated(pod)
            for pod in every
            if self.workers.may_have_running_containers(facts.uid_of(pod))
        ]

    def _admit(self, pod: Object) -> Rejection | None:
        uid = facts.uid_of(pod)
        others = [other for other in self.active_pods() if facts.uid_of(other) != uid]
        refused = None if self.allocations.known(uid) else eviction.admit(pod, self._eviction.signals())
        return refused or admission.admit(pod, self.context.node, others)

    def _add(self, pod: Object) -> None:
        """A pod that is new here: it is admitted, or has failed."""
        uid = facts.uid_of(pod)
        if not facts.is_terminal(pod) and not facts.is_deleted(pod) and self.workers.state(uid) is None:
            rejection = self._admit(pod)
            if rejection is not None:
                self._reject(pod, rejection)
                return
            self.allocations.allocate(pod)
        self.workers.update(pod)

    def _reject(self, pod: Object, rejection: Rejection) -> None:
        self.context.event(pod, WARNING, rejection.reason, rejection.message)
        status = {
            "qosClass": facts.qos_of(pod),
            "phase": "Failed",
            "reason": rejection.reason,
            "message": f"Pod was rejected: {rejection.message}",
        }
        self.statuses.set(pod, status)

    # What the API tells

    def pods_known(self, pods: list[Object]) -> None:
        runtime = self.context.runtime
        if isinstance(runtime, Adopting):
            for pod in pods:
                if (remains := remains_of(pod)) is not None:
                    runtime.adopt(remains)

    def pod_added(self, pod: Object) -> None:
        if not facts.is_mirror(pod):
            self._add(pod)
        elif (static := self.static.mirrored_by(pod)) is not None:
            self.statuses.show(facts.uid_of(static))

    def pod_updated(self, old: Object, pod: Object, *, by_us: bool) -> None:
        """A new spec or a deletion is work; a status that came back is not, unless a readiness gate turned."""
        if facts.is_mirror(pod):
            if facts.is_deleted(pod) and (static := self.static.mirrored_by(pod)) is not None:
                self._look(facts.uid_of(static))
            return
        uid = facts.uid_of(pod)
        if not by_us and old.get("status") != pod.get("status"):
            self.statuses.reconcile(uid)
        if self.workers.state(uid) is None:
            return  # it was rejected
        if not needs_work(old, pod) and not conditions.gates_changed(pod):
            return
        if self.allocations.known(uid) and old["spec"] != pod["spec"]:
            self.allocations.resized(pod)
        self.workers.update(self.allocations.allocated(pod))

    def pod_removed(self, pod: Object) -> None:
        if facts.is_mirror(pod):
            if (static := self.static.mirrored_by(pod)) is not None:
                self._look(facts.uid_of(static))
            return
        self._remove(facts.uid_of(pod))

    def static_added(self, pod: Object) -> None:
        if self.workers.state(facts.uid_of(pod)) is None:
            self._add(pod)

    def static_removed(self, uid: str) -> None:
        self._remove(uid)

    # Ends

    def _remove(self, uid: str) -> None:
        """The pod is gone from its source."""
        self.workers.kill(uid, removed=True)
        if self.workers.state(uid) in (None, State.FINISHED):
            self._clean_up(uid)

    def _finished(self, uid: str) -> None:
        """Its worker is done; when the pod is gone, too, so is everything of it."""
        self._retry_resizes()
        if self.source.get(uid) is None and self.static.get(uid) is None:
            self._clean_up(uid)

    def _clean_up(self, uid: str) -> None:
        self.workers.forget(uid)
        self.probes.remove_pod(uid)
        self.allocations.forget(uid)
        self._tasks.create_task(self._purge(uid), name=f"clean-up-{uid}")

    async def _purge(self, uid: str) -> None:
        mirror = self._mirror_without_pod(uid)
        self.statuses.forget(uid)
        if mirror is not None:
            await self.static.delete_mirror(mirror)
        try:
            await self._sync.clean_up(uid)
        except ContainerRuntimeError as error:
            log.warning("pod not cleaned up", extra={"uid": uid, "error": str(error)})

    def _mirror_without_pod(self, uid: str) -> Object | None:
        """The mirror that a static pod has left behind."""
        for pod in self.source.all():
            if facts.is_mirror(pod) and pod["metadata"]["annotations"].get(facts.HASH_ANNOTATION) == uid:
                return pod
        return None

    def _retry_resizes(self) -> None:
        for uid in self.allocations.retry():
            pod = self.source.get(uid)
            if pod is not None:
                self.workers.update(self.allocations.allocated(pod))

    # What the status manager asks

    def api_pod(self, uid: str) -> Object | None:
        static = self.static.get(uid)
        if static is None:
            return self.source.newest(uid)
        mirror = self.static.mirror_of(static)
        return self.source.newest(facts.uid_of(mirror)) if mirror is not None else None

    def may_have_running_containers(self, uid: str) -> bool:
        return self.workers.may_have_running_containers(uid)

    def written(self, pod: Object) -> None:
        self.source.written(pod)


def needs_work(old: Object, pod: Object) -> bool:
    """Whether a pod changed in what its kubelet acts upon (upstream config.podsDifferSemantically)."""
    if old["spec"] != pod["spec"]:
        return True
    before, after = old["metadata"], pod["metadata"]
    keys = ("labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
    return any(before.get(key) != after.get(key) for key in keys)
