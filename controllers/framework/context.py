"""What every loop is built from: a client, shared informers, time, chance, events. One per process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from apiserver.apimachinery.clock import Clock
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.rand import Random
from apiserver.client.events import EventRecorder
from apiserver.client.informer import Informer, Informers
from apiserver.client.interface import Transport
from apiserver.client.resources import Client, ResourceClient
from controllers.framework.accounts import username

Accounts = Callable[[str], Transport]  # how to speak as a service account of kube-system


@dataclass
class Context:
    """Loops take what they need in their constructors; `options` holds the process's flags by name.

    `client` is the loop's own (see `under`); informers read as the process itself, as upstream's.
    """

    client: Client
    informers: Informers
    clock: Clock
    rand: Random
    options: dict[str, Any] = field(default_factory=dict)
    account: str = ""
    _recorders: dict[tuple[str, str], EventRecorder] = field(default_factory=dict)

    def under(self, account: str, accounts: Accounts) -> Context:
        """The same for a loop that works as a service account. Informers and recorders stay this context's to close."""
        agent = f"{self.client.user_agent}/{username(account)}"
        return replace(self, client=Client(accounts(account), user_agent=agent), account=account)

    def resource(self, gvr: GroupVersionResource) -> ResourceClient:
        return self.client.resource(gvr)

    def informer(self, gvr: GroupVersionResource, **selection: str | bool) -> Informer:
        return self.informers.informer(gvr, **selection)

    def recorder(self, component: str) -> EventRecorder:
        """The event recorder of a component; one for everybody who asks under its name with the same rights."""
        key = (self.account, component)
        recorder = self._recorders.get(key)
        if recorder is None:
            recorder = self._recorders[key] = EventRecorder(self.client, self.clock, component)
        return recorder

    async def close(self) -> None:
        for recorder in self._recorders.values():
            await recorder.close()
        await self.informers.close()
