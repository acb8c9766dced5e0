"""Pod addresses of one node: from its pod CIDR, each in use at most once."""

from __future__ import annotations

import ipaddress

RESERVED = 2  # the network's own address and the gateway's


class PoolExhausted(Exception):
    """Every address of the range is in use."""


class AddressPool:
    """Addresses go round: a freed one comes back last (as CNI's host-local does)."""

    def __init__(self, cidr: str) -> None:
        self._network = ipaddress.ip_network(cidr, strict=False)
        self._used: set[int] = set()  # only membership is asked
        self._next = RESERVED
        broadcast = 1 if self._network.version == 4 else 0
        self._size = min(self._network.num_addresses - broadcast, 1 << 20)

    def take(self) -> str:
        for _ in range(self._size):
            offset, self._next = self._next, self._next + 1
            if self._next >= self._size:
                self._next = RESERVED
            if offset not in self._used and RESERVED <= offset < self._size:
                self._used.add(offset)
                return str(self._network[offset])
        raise PoolExhausted(f"no IP addresses available in range set: {self._network}")

    def reserve(self, address: str) -> None:
        """It is in use already."""
        found = ipaddress.ip_address(address)
        if found in self._network:
            self._used.add(int(found) - int(self._network.network_address))

    def give_back(self, address: str) -> None:
        found = ipaddress.ip_address(address)
        if found in self._network:
            self._used.discard(int(found) - int(self._network.network_address))
