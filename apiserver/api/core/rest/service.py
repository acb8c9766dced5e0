"""The I/O around writes of Services: cluster IPs and node ports are taken before, and given back after or on failure.

Mirrors upstream pkg/registry/core/service/storage (alloc.go): what a change needs is allocated first, what it no longer
needs is released when it is stored, and everything newly taken is given back when it is not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.api.core import service_facts as facts
from apiserver.api.core.rest.ip_allocator import FULL, AllocationError, IPAllocator
from apiserver.api.core.rest.port_allocator import PORT_ALLOCATED, PortAllocator
from apiserver.api.core.service_families import choose_families
from apiserver.api.core.service_updates import carry_over, sync_cluster_ips
from apiserver.apimachinery.errors import FieldError, StatusError, go_quote, internal_error, invalid, invalid_object
from apiserver.apimachinery.gvk import GroupKind
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.dependencies import Dependencies

DRY_PORT = 32768  # a dry run makes node ports up, from here (upstream portallocator/operation.go)
KIND = GroupKind("", "Service")
Finish = Callable[[bool], Awaitable[None]]


class _Refused(Exception):
    """A field that cannot be satisfied."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__()
        self.errors = errors


async def _nothing(success: bool) -> None:
    """There is nothing to finish."""


def _starts_headless(service: Object) -> bool:
    return bool((get(service, "spec", "clusterIPs") or [""])[0] == facts.HEADLESS)


class ServiceHooks:
    """Hooks of the Service store."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.ips = IPAllocator(dependencies)
        self.ports = PortAllocator(dependencies)

    async def begin_create(self, ctx: Context, obj: Object) -> Finish:
        if not obj["metadata"].get("name"):
            return _nothing  # validation refuses it
        sync_cluster_ips(obj["spec"])
        return await self._begin(ctx, obj, None)

    async def begin_update(self, ctx: Context, obj: Object, old: Object) -> Finish:
        carry_over(obj, old)
        return await self._begin(ctx, obj, old)

    async def after_delete(self, ctx: Context, obj: Object) -> None:
        await self._release(ctx, facts.held_ips(obj), facts.all_node_ports(obj))

    async def _begin(self, ctx: Context, obj: Object, old: Object | None) -> Finish:
        took_ips: list[str] = []
        took_ports: list[int] = []
        try:
            if errors := choose_families(obj, old, self.ips.families()):
                raise _Refused(*errors)
            await self._take_ips(ctx, obj, old, took_ips)
            await self._take_ports(ctx, obj, old, took_ports)
        except _Refused as refused:
            await self._release(ctx, took_ips, took_ports)
            raise invalid_object(KIND, obj["metadata"].get("name") or "", refused.errors) from refused
        except BaseException:
            await self._release(ctx, took_ips, took_ports)
            raise

        async def finish(success: bool) -> None:
            if not success:
                await self._release(ctx, took_ips, took_ports)
            elif old is not None:
                kept_ips, kept_ports = facts.held_ips(obj), facts.all_node_ports(obj)
                gone_ips = [ip for ip in facts.held_ips(old) if ip not in kept_ips]
                gone_ports = [port for port in facts.all_node_ports(old) if port not in kept_ports]
                await self._release(ctx, gone_ips, gone_ports)

        return finish

    async def _release(self, ctx: Context, ips: list[str], ports: list[int]) -> None:
        for ip in ips:
            await self.ips.release(ctx, ip)
        if ports:
            await self.ports.release(ports, dry_run=ctx.dry_run)

    # Cluster IPs

    async def _take_ips(self, ctx: Context, obj: Object, old: Object | None, took: list[str]) -> None:
        """All of them for a Service that had none, and a second one when it becomes dual-stack: others do not change."""
        if not facts.needs_cluster_ip(obj) or _starts_headless(obj if old is None else old):
            return
        spec = obj["spec"]
        families: list[str] = spec.get("ipFamilies") or []
        if old is None or not facts.needs_cluster_ip(old):
            if _starts_headless(obj):
                return
            first = 0
        elif len(families) == 2 and len(get(old, "spec", "ipFamilies") or ()) == 1:
            first = 1
        else:
            return
        ips: list[str] = list(spec.get("clusterIPs") or ())
        ips += [""] * (len(families) - len(ips))
        for i in range(first, len(families)):
            ips[i] = await self._take_ip(ctx, obj, ips, i, families[i])
            took.append(ips[i])
        spec["clusterIPs"], spec["clusterIP"] = ips, ips[0]

    async def _take_ip(self, ctx: Context, obj: Object, ips: list[str], index: int, family: str) -> str:
        given = ips[index]
        try:
            if given:
                return await self.ips.take(ctx, obj, given)
            return await self.ips.take_any(ctx, obj, family)
        except AllocationError as error:
            if str(error) == FULL:
                name = go_quote(obj["metadata"]["name"])
                raise internal_error(f"failed to allocate a serviceIP for Service {name}: {error}") from error
            raise _Refused(invalid("spec.clusterIPs", ips, f"failed to allocate IP {given}: {error}")) from error

    # Node ports

    async def _take_ports(self, ctx: Context, obj: Object, old: Object | None, took: list[int]) -> None:
        if facts.exposed_on_nodes(obj):
            if old is None:
                await self._take_first_ports(ctx, obj, took)
            else:
                await self._take_changed_ports(ctx, obj, old, took)
        if facts.needs_health_check(obj) and (old is None or not facts.needs_health_check(old)):
            await self._take_health_check(ctx, obj["spec"], took)

    async def _take_first_ports(self, ctx: Context, obj: Object, took: list[int]) -> None:
        """Ports of one number share a node port (upstream initNodePorts)."""
        ports, by_port = get(obj, "spec", "ports") or (), dict[int, int]()
        for i, port in enumerate(ports):
            number, given = port.get("port") or 0, port.get("nodePort") or 0
            if not given and not facts.needs_node_port(obj):
                continue
            path, shared = f"spec.ports[{i}].nodePort", by_port.get(number, 0)
            if shared and given in (0, shared):
                port["nodePort"] = shared
                continue
            if not shared:  # what the user asked for, here or at another port of this number
                given = next((p["nodePort"] for p in ports if p.get("port") == number and p.get("nodePort")), 0)
            node = await self._take_port(ctx, given, path, took) if given else await self._any_port(ctx, took)
            took.append(node)
            by_port.setdefault(number, node)
            port["nodePort"] = node

    async def _take_changed_ports(self, ctx: Context, obj: Object, old: Object, took: list[int]) -> None:
        """Upstream updateNodePorts: here every port gets one of its own."""
        held, seen = facts.node_ports(old), list[tuple[str, int]]()
        for i, port in enumerate(get(obj, "spec", "ports") or ()):
            given = port.get("nodePort") or 0
            if not given and not facts.needs_node_port(obj):
                continue
            if not given:
                given = port["nodePort"] = await self._any_port(ctx, took)
                took.append(given)
            elif given not in held and given not in took:
                took.append(await self._take_port(ctx, given, f"spec.ports[{i}].nodePort", took))
            pair = (port.get("protocol") or "", given)
            if pair in seen:
                raise StatusError(500, "", f"duplicate nodePort: {{{pair[0]} {pair[1]}}}")
            seen.append(pair)

    async def _take_health_check(self, ctx: Context, spec: dict[str, Any], took: list[int]) -> None:
        given = spec.get("healthCheckNodePort") or 0
        try:
            if given:
                took.append(await self._allocate(ctx, given, took))
                return
            spec["healthCheckNodePort"] = await self._any_port(ctx, took)
            took.append(spec["healthCheckNodePort"])
        except AllocationError as error:
            what = f"failed to allocate requested HealthCheck NodePort {given}"
            raise internal_error(f"{what}: {error}") from error

    async def _take_port(self, ctx: Context, port: int, path: str, took: list[int]) -> int:
        try:
            return await self._allocate(ctx, port, took)
        except AllocationError as error:
            raise _Refused(invalid(path, port, str(error))) from error

    async def _allocate(self, ctx: Context, port: int, took: list[int]) -> int:
        if ctx.dry_run and port in took:  # nothing is written that would tell
            raise AllocationError(PORT_ALLOCATED)
        return await self.ports.take(port, dry_run=ctx.dry_run)

    async def _any_port(self, ctx: Context, took: list[int]) -> int:
        if ctx.dry_run:
            return max(took, default=DRY_PORT) + 1
        try:
            return await self.ports.take_any()
        except AllocationError as error:
            raise internal_error(f"failed to allocate a nodePort: {error}") from error
