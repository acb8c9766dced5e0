"""Every node has a share of the cluster's pod network (upstream pkg/controller/nodeipam, RangeAllocator).

Options, as kube-controller-manager's flags: `allocate_node_cidrs`, `cluster_cidr` (two for dual stack),
`node_cidr_mask_size`, `…_ipv4`, `…_ipv6`, `service_cluster_ip_range`.
"""

from __future__ import annotations

import logging
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from apiserver.client.resources import STRATEGIC_PATCH
from controllers.framework import nodes as node_facts
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import NODES
from controllers.framework.manager import Idle, Loop

log = logging.getLogger(__name__)

NAME = "node-ipam-controller"
WORKERS = 30
TRIES = 3  # upstream cidrUpdateRetries
CLUSTER_CIDR = "10.244.0.0/16"
MASK_SIZES = {4: 24, 6: 64}
MAX_BITS = 16  # as upstream: no more than 65536 shares

Network = IPv4Network | IPv6Network


class Exhausted(Exception):
    """Every share is taken."""


class Shares:
    """One network cut into shares of a mask size; the next one given is the one after the last, round and round."""

    def __init__(self, network: Network, mask: int) -> None:
        if mask < network.prefixlen:
            raise ValueError(f"{network}: the mask size of a node's share is {mask}, that is larger than the network")
        if network.version == 6 and mask - network.prefixlen > MAX_BITS:
            raise ValueError(f"{network}: shares of mask size {mask} are too many: more than 2^{MAX_BITS}")
        self.network = network
        self.mask = mask
        self.count = 1 << (mask - network.prefixlen)
        self._size = 1 << (network.max_prefixlen - mask)
        self._taken: set[int] = set()  # only membership is asked
        self._next = 0

    def take(self) -> Network:
        """The next free share. Raises Exhausted."""
        if len(self._taken) == self.count:
            raise Exhausted(f"no share of {self.network} is left")
        while self._next in self._taken:
            self._next = (self._next + 1) % self.count
        index = self._next
        self._taken.add(index)
        self._next = (index + 1) % self.count
        return ip_network((int(self.network.network_address) + index * self._size, self.mask))

    def _indexes(self, share: Network) -> range:
        base = int(self.network.network_address)
        first = (int(share.network_address) - base) // self._size
        last = (int(share.broadcast_address) - base) // self._size
        return range(max(first, 0), min(last, self.count - 1) + 1)

    def occupy(self, share: Network) -> None:
        """Take a given network's shares: those of a node that has one, or of the services' range."""
        self._taken.update(self._indexes(share))

    def release(self, share: Network) -> None:
        self._taken.difference_update(self._indexes(share))


def shares_of(options: dict[str, Any]) -> list[Shares]:
    """One for each network of the cluster. Raises ValueError."""
    found = []
    for text in (options.get("cluster_cidr") or CLUSTER_CIDR).split(","):
        network = ip_network(text.strip())
        mask = options.get(f"node_cidr_mask_size_ipv{network.version}") or options.get("node_cidr_mask_size")
        shares = Shares(network, int(mask or MASK_SIZES[network.version]))
        for services in (options.get("service_cluster_ip_range") or "").split(","):
            of_services = ip_network(services.strip()) if services else None
            if of_services is not None and network.version == of_services.version and network.overlaps(of_services):
                shares.occupy(of_services)
        found.append(shares)
    return found


class NodeNetworks:
    """Requests are nodes."""

    def __init__(self, context: Context, shares: list[Shares]) -> None:
        self.shares = shares
        self.nodes = context.resource(NODES)
        self.known = context.informer(NODES).lister
        self.recorder = context.recorder("cidrAllocator")

    async def reconcile(self, request: Request) -> None:
        node = self.known.get(*request)
        if node is None or node["metadata"].get("deletionTimestamp") or node["spec"].get("podCIDRs"):
            return
        if (await self.nodes.get(request.name))["spec"].get("podCIDRs"):
            return  # written already, and not seen yet: a second share would be lost
        taken: list[Network] = []
        try:
            for shares in self.shares:
                taken.append(shares.take())
        except Exhausted as error:
            self._release(taken)
            node_facts.tell_status(self.recorder, node, "CIDRNotAvailable")
            raise StatusError(500, "", f"failed to allocate cidr from cluster cidr: {error}") from error
        await self._write(node, taken)

    async def _write(self, node: Object, taken: list[Network]) -> None:
        cidrs = [str(network) for network in taken]
        patch = {"spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs}}
        for attempt in range(TRIES):
            try:
                await self.nodes.patch(node["metadata"]["name"], "", patch, type=STRATEGIC_PATCH)
                return
            except StatusError as error:
                if attempt + 1 < TRIES:
                    continue
                node_facts.tell_status(self.recorder, node, "CIDRAssignmentFailed")
                if error.reason not in ("ServerTimeout", "Timeout"):  # else it may have gone through: rather lose it
                    self._release(taken)
                raise

    def _release(self, taken: list[Network]) -> None:
        for shares, network in zip(self.shares, taken, strict=False):
            shares.release(network)

    def seen(self, node: Object) -> None:
        """A node has its shares: nobody else gets them."""
        for shares, network in self._of(node):
            shares.occupy(network)

    def gone(self, node: Object) -> None:
        for shares, network in self._of(node):
            shares.release(network)

    def _of(self, node: Object) -> list[tuple[Shares, Network]]:
        cidrs = node["spec"].get("podCIDRs") or ()
        try:
            pairs = [(s, ip_network(cidr, strict=False)) for s, cidr in zip(self.shares, cidrs, strict=False)]
        except ValueError as error:
            log.warning("a node's pod network is unreadable", extra={"error": str(error)})
            return []
        fitting = [(s, n) for s, n in pairs if s.network.version == n.version and s.network.overlaps(n)]
        if len(fitting) < len(cidrs):
            log.warning("a node's pod network is none of the cluster's", extra={"node": node["metadata"]["name"]})
        return fitting


def build(context: Context) -> Loop:
    if not context.options.get("allocate_node_cidrs", True):
        return Idle(NAME)
    reconciler = NodeNetworks(context, shares_of(context.options))
    informer = context.informer(NODES)
    # Before the queue: what nodes have is taken before anything is given.
    informer.add_handler(
        Handler(added=reconciler.seen, updated=lambda old, new: reconciler.seen(new), deleted=reconciler.gone)
    )
    controller = Controller(NAME, reconciler, workers=WORKERS)
    controller.watch(informer, when=lambda old, new: not new["spec"].get("podCIDRs"))
    return controller
