"""Creates and deletes pods for an owner, and says so in the owner's events (upstream controller_utils.go RealPodControl)."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.events import EventRecorder
from apiserver.client.resources import ResourceClient
from controllers.framework.errors import namespace_terminating


class PodControl:
    """Errors pass through after they were told; a pod that is gone already (404) is not told."""

    def __init__(self, pods: ResourceClient, recorder: EventRecorder) -> None:
        self.pods = pods
        self.recorder = recorder

    async def create(self, pod: Object, owner: Object) -> Object:
        try:
            created = await self.pods.create(pod, owner["metadata"]["namespace"])
        except StatusError as error:
            if not namespace_terminating(error):
                self.recorder.event(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
            raise
        self.recorder.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {created['metadata']['name']}")
        return created

    async def delete(self, pod: Object, owner: Object) -> None:
        meta = pod["metadata"]
        try:
            await self.pods.delete(meta["name"], meta["namespace"])
        except StatusError as error:
            if error.code != 404:
                self.recorder.event(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
            raise
        self.recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta['name']}")
