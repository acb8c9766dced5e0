"""What post-start hooks get of this server: settings from the options, parts from the composition."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from apiserver.bootstrap import BootstrapContext, Settings
from apiserver.server.security import request_header

if TYPE_CHECKING:
    from apiserver.apimachinery.tasks import TaskOwner
    from apiserver.server.options import Options
    from apiserver.server.server import APIServer


def bootstrap_context(server: APIServer, tasks: TaskOwner) -> BootstrapContext:
    async def ready() -> bool:
        return not await server.health.failing("readyz")

    return BootstrapContext.make(
        clock=server.clock,
        rand=server.rand,
        storage=server.storage,
        store=server.store,
        tasks=tasks,
        settings=settings(server.options),
        ready=ready,
    )


def settings(options: Options) -> Settings:
    return Settings(
        advertise_address=advertise_address(options),
        port=options.secure_port,
        hostname=socket.gethostname().lower(),
        service_ip_ranges=options.service_cluster_ip_range,
        etcd_prefix=options.etcd_prefix,
        client_ca_pem=options.read(options.client_ca_file) if options.client_ca_file else b"",
        request_header=request_header(options),
    )


def advertise_address(options: Options) -> str:
    """Where members of the cluster reach this server: the flag, the address it serves on, or the host's own.

    Empty where there is none but the loopback: then no Endpoints lead here.
    """
    for given in (options.advertise_address, options.bind_address):
        if given and not _is_everywhere(given):
            return given
    return host_address()


def _is_everywhere(text: str) -> bool:
    """Whether the address means every interface, or only this host."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    return address.is_unspecified or address.is_loopback


def host_address() -> str:
    """The address of the interface with the default route; nothing is sent to find it out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        address = str(probe.getsockname()[0])
    return "" if _is_everywhere(address) else address
