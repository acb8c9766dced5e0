"""The composition root of the API server: wires every part to the others, and nothing else does.

storage → cachers → stores → listers → authentication, authorization, admission → handlers → paths → the request path.
An APIServer needs no socket: in virtual time, over the memory store and the loopback transport, it is whole.
"""

from __future__ import annotations

import asyncio
import logging

from apiserver.api import resources
from apiserver.api.core.rest.dialing import Dialer, KubeletTls
from apiserver.apimachinery.clock import Clock, SystemClock
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import Handler
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.tasks import TaskOwner
from apiserver.bootstrap import HOOKS, BootstrapContext
from apiserver.bootstrap import run as run_hooks
from apiserver.bootstrap import stop as stop_hooks
from apiserver.endpoints.filters.compression import gzip_compressor
from apiserver.endpoints.filters.deadline import Deadlines
from apiserver.endpoints.handler import RequestPath
from apiserver.endpoints.health import Health, Unhealthy, always_healthy
from apiserver.endpoints.index import Paths
from apiserver.endpoints.installer import Installer
from apiserver.endpoints.metrics import Metrics
from apiserver.endpoints.routing import Router
from apiserver.registry.context import Context
from apiserver.registry.dependencies import Dependencies
from apiserver.registry.store import Store
from apiserver.server.admitting import admission_chain
from apiserver.server.bootstrapping import bootstrap_context
from apiserver.server.compaction import compact_forever
from apiserver.server.documents import install_documents, install_health
from apiserver.server.listers import CachedListers
from apiserver.server.measures import MeasuredStorage, add_server_gauges
from apiserver.server.options import Options
from apiserver.server.runtime_config import enabled, with_ttl
from apiserver.server.security import Security, build_security
from apiserver.server.stores import Stores
from apiserver.server.verbs import VerbMaker
from apiserver.storage.cacher.cachers import Cachers
from apiserver.storage.interface import Storage, StorageError

log = logging.getLogger(__name__)

READY_POLL = 0.005  # seconds between two looks while the server starts or stops


class APIServer:
    """One API server over a storage, which it does not own. `start` once, `stop` once; `handler` serves in between."""

    def __init__(
        self, options: Options, storage: Storage, *, clock: Clock | None = None, rand: Random | None = None
    ) -> None:
        self.options = options
        self.metrics = Metrics()
        self.storage: Storage = MeasuredStorage(storage, self.metrics)
        self.clock = clock or SystemClock()
        self.rand = rand or Random()
        self.health = Health()
        self.paths = Paths()
        self.cachers = Cachers(self.storage, self.clock)
        stores = Stores(self.storage, self.cachers)
        self._verbs = VerbMaker(self.clock, self.rand, {"min_request_timeout": options.min_request_timeout})
        self.installer = Installer(stores.make, self._verbs.make, stores.end)
        self.listers = CachedListers(self.installer.store)
        self.installer.on_change(self.listers.follow)
        add_server_gauges(self)
        self._tasks = TaskOwner("api server")
        self._stopping = False
        self._dialer: Dialer | None = None
        self.security: Security | None = None
        self._bootstrap: BootstrapContext | None = None

    @property
    def handler(self) -> Handler:
        return self._handler

    async def start(self) -> None:
        """Wire everything, read the storage, bring up what has to be there. Serving may begin right after the wiring:
        `/readyz` tells when the rest is done."""
        loop = asyncio.get_running_loop()
        self._add_storage_checks()
        self.security = self._build_security()
        self._wire_dependencies(self.security)
        for resource in enabled(resources(), self.options.runtime_config):
            self.installer.install(with_ttl(resource, self.options.event_ttl))
        install_documents(self)
        hooks = {hook.name: self.health.hook(hook.name) for hook in HOOKS}
        self.health.add("shutdown", self._is_not_stopping, ("readyz",))
        install_health(self.paths, self.health)
        self._deadlines = Deadlines(loop, self.options.request_timeout)
        self._handler = RequestPath(
            clock=self.clock,
            rand=self.rand,
            authenticator=self.security.authentication.requests,
            authorizer=self.security.authorization.authorizer,
            router=Router(self.installer),
            paths=self.paths,
            metrics=self.metrics,
            deadlines=self._deadlines,
            compressor=gzip_compressor(),
        )
        await self.cachers.start()
        self._bootstrap = bootstrap_context(self, self._tasks)
        bootstrap = run_hooks(self._bootstrap, lambda name: hooks[name].met())
        self._tasks.create_task(bootstrap, name="bootstrap")
        if self.options.etcd_compaction_interval > 0:
            compaction = compact_forever(self.storage, self.options.etcd_compaction_interval)
            self._tasks.create_task(compaction, name="compaction")

    async def stop(self) -> None:
        """End watches in good order, then everything that runs in the background."""
        self._stopping = True
        await self._tasks.close()
        if self._bootstrap is not None:
            await stop_hooks(self._bootstrap)
        await self.cachers.close()
        if self._dialer is not None:
            await self._dialer.aclose()
        self._deadlines.close()

    async def finish_requests(self, timeout: float) -> None:
        """Return when no request with an end is in flight, or after `timeout` seconds."""
        end = asyncio.get_running_loop().time() + timeout
        while len(self._deadlines) and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110  # as above
            await asyncio.sleep(READY_POLL)

    async def wait_ready(self) -> None:
        """Return when `/readyz` says ok."""
        while await self.health.failing("readyz"):  # noqa: ASYNC110  # checks are asked; nobody tells
            await asyncio.sleep(READY_POLL)

    def begin_stop(self) -> None:
        """From now on `/readyz` says no."""
        self._stopping = True

    @property
    def address(self) -> str:
        """host:port under which members of the cluster reach this server."""
        host = self.options.external_hostname or self.options.advertise_address or "127.0.0.1"
        return f"[{host}]:{self.options.secure_port}" if ":" in host else f"{host}:{self.options.secure_port}"

    def _build_security(self) -> Security:
        return build_security(
            self.options,
            self.listers,
            self.read,
            lambda: self.store(GroupResource("", "secrets")),
            self.clock,
            self.rand,
            self.address,
        )

    def _wire_dependencies(self, security: Security) -> None:
        options = self.options
        files = (options.kubelet_client_certificate, options.kubelet_client_key, options.kubelet_certificate_authority)
        self._dialer = Dialer(KubeletTls(*files), options.kubelet_preferred_address_types)
        self._verbs.dependencies = Dependencies(
            clock=self.clock,
            rand=self.rand,
            storage=self.storage,
            listers=self.listers,
            store=self.store,
            authorizer=security.authorization.authorizer,
            authenticator=security.authentication.tokens,
            tokens=security.tokens,
            policy=security.authorization.policy,
            rules=security.authorization.rules,
            dialer=self._dialer,
            service_ip_ranges=self.options.service_cluster_ip_range,
            service_node_ports=self.options.service_node_port_range,
        )
        self._verbs.admission = admission_chain(self, security)

    def store(self, group_resource: GroupResource) -> Store:
        store: Store | None = self.installer.store(group_resource)
        if store is None:
            raise KeyError(group_resource)
        return store

    async def read(self, group_resource: GroupResource, namespace: str, name: str) -> Object | None:
        """One object as storage has it now, or None."""
        store = self.store(group_resource)
        await store.cacher.wait_current()
        record = store.cacher.get(store.resource.key(namespace, name))
        return None if record is None else store.object(record)

    def context(self, namespace: str = "", verb: str = "") -> Context:
        """The context of a write the server makes itself."""
        return Context(self.clock, self.rand, namespace=namespace, verb=verb, field_manager="kube-apiserver")

    def _add_storage_checks(self) -> None:
        self.health.add("ping", always_healthy)
        self.health.add("log", always_healthy)
        self.health.add("etcd", self._storage_answers)
        self.health.add("etcd-readiness", self._storage_answers, ("readyz",))
        self.health.add("informer-sync", self._cachers_are_ready, ("readyz",))

    async def _storage_answers(self) -> None:
        try:
            await self.storage.ready()
        except StorageError as e:
            raise Unhealthy(str(e)) from e

    async def _cachers_are_ready(self) -> None:
        behind = [
            str(installed.resource.group_resource)
            for installed in self.installer
            if installed.store is not None and not installed.store.cacher.ready
        ]
        if behind:
            raise Unhealthy(f"{len(behind)} resources are not loaded yet: {', '.join(behind[:5])}")

    async def _is_not_stopping(self) -> None:
        if self._stopping:
            raise Unhealthy("process is shutting down")
