"""The I/O around writes of Services: cluster IPs and node ports are taken before, and given back after or on failure.

Mirrors upstream pkg/registry/core/service/storage (alloc.go): what a change needs is allocated first, what it no longer
needs is released when it is stored, and everything newly taken is given back when it is not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from apiserver.api.core import service_facts as facts
from apiserver.api.core.rest.ip_allocator import FULL, AllocationError, IPAllocator
from apiserver.api.core.rest.port_allocator import PortAllocator
from apiserver.api.core.service import carry_over, sync_cluster_ips
from apiserver.api.core.service_families import choose_families
from apiserver.apimachinery.errors import FieldError, go_quote, internal_error, invalid, invalid_object
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
        if not facts.needs_cluster_ip(obj) or facts.is_headless(obj):
            return
        spec, held = obj["spec"], facts.held_ips(old) if old is not None else []
        if old is not None and held and not facts.is_headless(old) and not spec.get("clusterIPs"):
            return  # validation says that a primary address cannot be unset
        ips: list[str] = []
        for i, family in enumerate(spec.get("ipFamilies") or ()):
            given = (spec.get("clusterIPs") or [])[i : i + 1]
            if given and given[0] in held:
                ips.append(given[0])
                continue
            if given and held and i < len(held):
                return  # a changed address: validation refuses it in its own words
            ips.append(await self._take_ip(ctx, obj, given[0] if given else "", family))
            took.append(ips[-1])
        spec["clusterIPs"], spec["clusterIP"] = ips, ips[0]

    async def _take_ip(self, ctx: Context, obj: Object, given: str, family: str) -> str:
        try:
            if given:
                return await self.ips.take(ctx, obj, given)
            return await self.ips.take_any(ctx, obj, family)
        except AllocationError as error:
            if str(error) == FULL:
                name = go_quote(obj["metadata"]["name"])
                raise internal_error(f"failed to allocate a serviceIP for Service {name}: {error}") from error
            raise _Refused(invalid("spec.clusterIPs", [given], f"failed to allocate IP {given}: {error}")) from error

    # Node ports

    async def _take_ports(self, ctx: Context, obj: Object, old: Object | None, took: list[int]) -> None:
        held = facts.all_node_ports(old) if old is not None else []
        if facts.needs_node_port(obj) or any(facts.node_ports(obj)):
            await self._take_service_ports(ctx, obj, held, took)
        if facts.needs_health_check(obj):
            await self._take_health_check(ctx, obj["spec"], held, took)

    async def _take_service_ports(self, ctx: Context, obj: Object, held: list[int], took: list[int]) -> None:
        by_port: dict[int, list[tuple[str, int]]] = {}  # service port → (protocol, node port) pairs
        for i, port in enumerate(get(obj, "spec", "ports") or ()):
            number, protocol = port.get("port") or 0, port.get("protocol") or "TCP"
            given = port.get("nodePort") or 0
            shared = [node for other, node in by_port.get(number, ()) if other != protocol]
            if given and given not in held and given not in took and given not in shared:
                took.append(await self._take_port(ctx, given, f"spec.ports[{i}].nodePort"))
            elif not given and facts.needs_node_port(obj):
                given = port["nodePort"] = (
                    shared[0] if shared else await self._any_port(ctx, f"spec.ports[{i}].nodePort", took)
                )
                if not shared:
                    took.append(given)
            by_port.setdefault(number, []).append((protocol, port.get("nodePort") or given))

    async def _take_health_check(self, ctx: Context, spec: dict[str, Any], held: list[int], took: list[int]) -> None:
        given = spec.get("healthCheckNodePort") or 0
        if given in held and given:
            return
        if given:
            took.append(await self._take_port(ctx, given, "spec.healthCheckNodePort"))
        else:
            spec["healthCheckNodePort"] = await self._any_port(ctx, "spec.healthCheckNodePort", took)
            took.append(spec["healthCheckNodePort"])

    async def _take_port(self, ctx: Context, port: int, path: str) -> int:
        try:
            return await self.ports.take(port, dry_run=ctx.dry_run)
        except AllocationError as error:
            raise _Refused(invalid(path, port, str(error))) from error

    async def _any_port(self, ctx: Context, path: str, took: list[int]) -> int:
        if ctx.dry_run:
            return max(took, default=DRY_PORT) + 1
        try:
            return await self.ports.take_any()
        except AllocationError as error:
            raise _Refused(invalid(path, 0, f"failed to allocate a nodePort: {error}")) from error
