"""What every loop is built from: a client, shared informers, time, chance, events. One per process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.rand import Random
from apiserver.client.events import EventRecorder
from apiserver.client.informer import Informer, Informers
from apiserver.client.resources import Client, ResourceClient


@dataclass
class Context:
    """Loops take what they need in their constructors; `options` holds the process's flags by name."""

    client: Client
    informers: Informers
    clock: Clock
    rand: Random
    options: dict[str, Any] = field(default_factory=dict)
    _recorders: dict[str, EventRecorder] = field(default_factory=dict)

    def resource(self, gvr: GroupVersionResource) -> ResourceClient:
        return self.client.resource(gvr)

    def informer(self, gvr: GroupVersionResource, **selection: str | bool) -> Informer:
        return self.informers.informer(gvr, **selection)

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a component; one for everybody who asks under its name."""
        recorder = self._recorders.get(component)
        if recorder is None:
            recorder = self._recorders[component] = EventRecorder(self.client, self.clock, component)
        return recorder

    async def close(self) -> None:
        for recorder in self._recorders.values():
            await recorder.close()
        await self.informers.close()
