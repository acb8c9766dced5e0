"""Service `kubernetes`: its Endpoints and EndpointSlice lead to every API server that is up, and to no other."""

from __future__ import annotations

import asyncio

from apiserver.apimachinery.clock import LoopClock
from apiserver.bootstrap.tests.server import Server, virtual
from apiserver.storage.interface import Storage


def test_services_lead_to_servers_that_are_up() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        async with Server(storage, clock) as one:
            await asyncio.sleep(1)
            assert addresses(one) == (["10.1.2.3"], ["10.1.2.3"])
            service = one.get("", "services", "default", "kubernetes")
            assert service is not None
            assert service["spec"]["clusterIP"] == "10.96.0.1"
            assert service["spec"]["ports"][0]["targetPort"] == 6443
            async with Server(storage, clock, 2, advertise_address="10.1.2.2", hostname="other"):
                await asyncio.sleep(11)
                assert addresses(one) == (["10.1.2.2", "10.1.2.3"], ["10.1.2.2", "10.1.2.3"])
            await asyncio.sleep(0.1)
            assert addresses(one) == (["10.1.2.3"], ["10.1.2.3"])
            await storage.put(
                "/registry/masterleases/10.9.9.9",
                b'{"subsets":[{"addresses":[{"ip":"10.9.9.9"}]}]}',
                expected=0,
                ttl=15,
            )
            await asyncio.sleep(11)
            assert addresses(one) == (["10.1.2.3", "10.9.9.9"], ["10.1.2.3", "10.9.9.9"])
            await asyncio.sleep(21)
            assert addresses(one) == (["10.1.2.3"], ["10.1.2.3"])

    virtual(main)


def test_nobody_is_led_to_a_server_that_is_not_ready() -> None:
    async def main(storage: Storage, clock: LoopClock) -> None:
        server = Server(storage, clock)
        server.is_ready = False
        async with server:
            await asyncio.sleep(30)
            assert server.get("", "endpoints", "default", "kubernetes") is None
            server.is_ready = True
            await asyncio.sleep(1)
            assert addresses(server) == (["10.1.2.3"], ["10.1.2.3"])

    virtual(main)


def addresses(server: Server) -> tuple[list[str], list[str]]:
    """Those of the Endpoints, and those of the EndpointSlice."""
    endpoints = server.get("", "endpoints", "default", "kubernetes")
    found = server.get("discovery.k8s.io", "endpointslices", "default", "kubernetes")
    assert endpoints is not None
    assert found is not None
    subsets = endpoints.get("subsets") or []
    in_slice = [address for endpoint in found.get("endpoints") or () for address in endpoint["addresses"]]
    return [a["ip"] for subset in subsets for a in subset["addresses"]], in_slice
