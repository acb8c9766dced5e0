"""Quotas show what their namespace uses (upstream pkg/controller/resourcequota).

Admission counts up; this loop counts anew: when a quota comes or changes, when something it counts goes or ends, and all
of them every five minutes. Only what quotas limit is watched: objects that are merely counted by their metadata, from the
first quota on that counts them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from apiserver.apimachinery.gvk import GroupResource, GroupVersionResource
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quota import amounts, scopes
from apiserver.apimachinery.quota.evaluators import (
    ALIASES,
    CLAIMS,
    DEVICE_CLAIMS,
    DEVICES_SUFFIX,
    PODS,
    SERVICES,
    claim_use_changed,
    counts,
)
from apiserver.apimachinery.quota.usage import interests, namespace_usage
from apiserver.client.discovery import DiscoveryIncomplete, served_resources
from apiserver.client.informer import Handler, Informer
from controllers.framework import kinds
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Retry, itself
from controllers.framework.manager import Loop
from controllers.framework.periodic import Periodic
from controllers.framework.together import Together

NAME = "resourcequota-controller"
WORKERS = 5
RESYNC = 300.0  # seconds; upstream --resource-quota-sync-period
DISCOVERY_AGE = 30.0  # seconds what the server serves is taken for known
SYNC_WAIT = 30.0
# These are measured, not counted: their whole objects are needed, and other loops hold them anyway.
WHOLE = {PODS: kinds.PODS, SERVICES: kinds.SERVICES, CLAIMS: kinds.PERSISTENT_VOLUME_CLAIMS}
# So are these, where a quota is about them.
WHOLE_WHEN_LIMITED = {DEVICE_CLAIMS}


def counted(hard: Iterable[str]) -> list[GroupResource]:
    """The resources whose objects a quota's names are about, but for those that are watched anyway."""
    found: dict[GroupResource, None] = {}
    for name in hard:
        resource, _, group = name.removeprefix("count/").partition(".")
        if name in ALIASES or name.startswith("count/"):
            found[GroupResource(group, resource)] = None
        elif name.endswith(DEVICES_SUFFIX):
            found[DEVICE_CLAIMS] = None
    return [resource for resource in found if resource not in WHOLE]


def usage_shrank(resource: GroupResource, old: Object, new: Object, now: float) -> bool:
    """Does a change, which is no deletion, free something or move it between quotas? (upstream DefaultUpdateFilter)"""
    if resource == PODS:
        ended = counts(old, now) and not counts(new, now)
        return ended or scopes.is_terminating(old) != scopes.is_terminating(new) or _resized(old, new)
    if resource == SERVICES:
        return _service_type(old) != _service_type(new)
    return resource == CLAIMS and claim_use_changed(new, old)


def _service_type(service: Object) -> str:
    kind = service["spec"].get("type", "")
    return kind if kind in ("NodePort", "LoadBalancer") else ""


def _resized(old: Object, new: Object) -> bool:
    for field in ("containerStatuses", "initContainerStatuses"):
        now = {s["name"]: s.get("resources") for s in (new.get("status") or {}).get(field) or ()}
        for before in (old.get("status") or {}).get(field) or ():
            if before["name"] in now and now[before["name"]] != before.get("resources"):
                return True
    return False


class Quotas:
    """Requests are quotas."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.clock = context.clock
        self.quotas = context.resource(kinds.RESOURCE_QUOTAS)
        self.known = context.informer(kinds.RESOURCE_QUOTAS).lister
        self.served: dict[GroupResource, GroupVersionResource] = {}
        self.served_at = float("-inf")
        self.watched: dict[GroupResource, Informer] = {}
        self.controller: Controller | None = None

    async def reconcile(self, request: Request) -> None:
        quota = self.known.get(*request)
        if quota is None:
            return
        hard = quota["spec"].get("hard") or {}
        informers = await self._informers(counted(hard))
        spec, namespace = quota["spec"], request.namespace
        new = namespace_usage(spec, informers, lambda r: informers[r].lister.list(namespace), self.clock.now())
        await self._write(quota, new)

    async def _write(self, quota: Object, new: amounts.Amounts) -> None:
        hard, status = quota["spec"].get("hard") or {}, quota.get("status") or {}
        before = amounts.parsed(status.get("used"))
        # What nothing here measures keeps the amount it had.
        used = amounts.masked({**before, **new}, hard)
        if status.get("hard") == hard and status.get("used") is not None and used == before:
            return
        told = {"hard": hard, "used": amounts.texts(used)}
        await self.quotas.update_status({**quota, "status": told})

    async def _informers(self, others: Iterable[GroupResource]) -> dict[GroupResource, Informer]:
        """The informers of everything a quota may be about, synced."""
        found = {resource: self.context.informer(gvr) for resource, gvr in WHOLE.items()}
        for resource in others:
            gvr = await self._served(resource)
            if gvr is not None:
                found[resource] = self.context.informer(gvr, metadata_only=resource not in WHOLE_WHEN_LIMITED)
        for resource, informer in found.items():
            self.watch(resource, informer)
        self.context.informers.start()
        try:
            async with asyncio.timeout(SYNC_WAIT):
                await asyncio.gather(*(informer.wait_synced() for informer in found.values()))
        except TimeoutError as error:
            raise Retry("what the quota counts is not known yet") from error
        return found

    async def _served(self, resource: GroupResource) -> GroupVersionResource | None:
        """Where a resource is served; None where it is not, or does not live in namespaces."""
        now = self.clock.now()
        if resource not in self.served and now - self.served_at > DISCOVERY_AGE:
            self.served_at = now
            try:
                found = await served_resources(self.context.client)
            except DiscoveryIncomplete as error:
                found = error.resources
            needed = {"create", "list", "watch", "delete"}
            self.served = {
                GroupResource(r.gvr.group, r.gvr.resource): r.gvr
                for r in found
                if r.namespaced and needed <= set(r.verbs)
            }
        return self.served.get(resource)

    def watch(self, resource: GroupResource, informer: Informer) -> None:
        """Count anew what an object of this resource leaves behind."""
        if self.watched.get(resource) is informer:
            return
        self.watched[resource] = informer

        def changed(old: Object, new: Object) -> None:
            if usage_shrank(resource, old, new, self.clock.now()):
                self.replenish(resource, new["metadata"].get("namespace") or "")

        informer.add_handler(
            Handler(
                updated=changed, deleted=lambda old: self.replenish(resource, old["metadata"].get("namespace") or "")
            )
        )

    def replenish(self, resource: GroupResource, namespace: str) -> None:
        for quota in self.known.list(namespace) if namespace else ():
            if self.controller is not None and interests(quota["spec"], resource):
                self.controller.queue.add(Request(namespace, quota["metadata"]["name"]))


def _is_news(old: Object | None, new: Object) -> bool:
    """A quota's status is ours, and admission's, which counts up rightly: only what it limits matters."""
    return old is None or old["spec"].get("hard") != new["spec"].get("hard")


class QuotaLoop(Together):
    """The queue, and the look at all quotas every five minutes."""

    def __init__(self, context: Context) -> None:
        quotas = Quotas(context)
        self._controller = quotas.controller = Controller(f"{NAME}-queue", quotas, workers=WORKERS)
        informer = context.informer(kinds.RESOURCE_QUOTAS)
        self._controller.watch(informer, when=_is_news)
        self._known = informer.lister
        for resource, gvr in WHOLE.items():
            quotas.watch(resource, context.informer(gvr))
        super().__init__(NAME, self._controller, Periodic(f"{NAME}-resync", self._look, RESYNC, needs=[informer]))

    async def _look(self) -> None:
        for quota in self._known.list():
            for request in itself(quota):
                self._controller.queue.add(request)


def build(context: Context) -> Loop:
    return QuotaLoop(context)
