"""One node's agent: pods come in by a watch, go through their workers, and their statuses go out (upstream kubelet.go)."""

from __future__ import annotations

import asyncio
import logging

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.client.events import EventRecorder
from apiserver.client.reflector import Reflector
from apiserver.client.resources import Client
from kubelet.node import conditions, facts
from kubelet.node.actions import NoResizes
from kubelet.node.context import NORMAL, NodeContext
from kubelet.node.identity import NodeIdentity
from kubelet.node.lease import LeaseHeartbeat
from kubelet.node.node_status import NODES, NodeStatus
from kubelet.node.pleg import Pleg
from kubelet.node.pod_source import PodSource
from kubelet.node.pod_sync import PodSync
from kubelet.node.pod_workers import PodWorkers, State
from kubelet.node.prober.manager import ProbeManager
from kubelet.node.references import References
from kubelet.node.status_manager import PODS, StatusManager
from kubelet.node.volumes.manager import VolumeManager
from kubelet.runtime.interface import ContainerRuntime, ContainerRuntimeError

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
    ) -> None:
        self.identity = identity
        recorder = EventRecorder(events, clock, "kubelet", host=identity.name)
        self.context = context = NodeContext(
            identity.name, client, clock, rand, recorder, runtime, runtime_name="", host_ips=identity.addresses
        )
        self.source = PodSource(self)
        self.statuses = StatusManager(context, self)
        references = References(client, clock)
        self.probes = ProbeManager(context, self.statuses.get, self._look)
        self._sync = PodSync(
            context, self.statuses, self.probes, VolumeManager(context, references), references, NoResizes()
        )
        self.workers = PodWorkers(self._sync, rand, clock.now, self._finished)
        self.node_status = NodeStatus(context, identity)
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
            name, client = self.identity.name, self.context.client
            node = Reflector(
                client.resource(NODES), self.node_status, self.context.rand, field_selector=f"metadata.name={name}"
            )
            pods = Reflector(
                client.resource(PODS), self.source, self.context.rand, field_selector=f"spec.nodeName={name}"
            )
            parts = {
                "lease": self._lease.run(),
                "node-status": self.node_status.run(),
                "node-watch": node.run(),
                "pleg": Pleg(self.context.runtime, self._look).run(),
                "pod-watch": pods.run(),
            }
            await asyncio.gather(*(self._tasks.create_task(part, name=f"{key}-{name}") for key, part in parts.items()))
        finally:
            await self._close()

    async def _close(self) -> None:
        await self._tasks.close()
        await self.workers.close()
        await self.probes.close()
        await self.statuses.close()
        await self.context.recorder.close()
        await self.context.runtime.aclose()

    def _look(self, uid: str) -> None:
        self.workers.look(uid)

    # What the API tells

    def pod_added(self, pod: Object) -> None:
        if facts.is_mirror(pod):
            return
        self.workers.update(pod)

    def pod_updated(self, old: Object, pod: Object) -> None:
        """A new spec or a deletion is work; a status that came back is not, unless a readiness gate turned."""
        if facts.is_mirror(pod):
            return
        if needs_work(old, pod) or conditions.gates_changed(pod):
            self.workers.update(pod)

    def pod_removed(self, pod: Object) -> None:
        uid = facts.uid_of(pod)
        self.workers.kill(uid, removed=True)
        if self.workers.state(uid) in (None, State.FINISHED):
            self._clean_up(uid)

    def _finished(self, uid: str) -> None:
        """Its worker is done; when the pod is gone, too, so is everything of it."""
        if self.source.get(uid) is None:
            self._clean_up(uid)

    def _clean_up(self, uid: str) -> None:
        self.workers.forget(uid)
        self.statuses.forget(uid)
        self.probes.remove_pod(uid)
        self._tasks.create_task(self._remove(uid), name=f"clean-up-{uid}")

    async def _remove(self, uid: str) -> None:
        try:
            await self._sync.clean_up(uid)
        except ContainerRuntimeError as error:
            log.warning("pod not cleaned up", extra={"uid": uid, "error": str(error)})

    # What the status manager asks

    def api_pod(self, uid: str) -> Object | None:
        return self.source.get(uid)

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
