"""What a node is: its name and what it offers. Made by the process, one for each node; shown by node_status.py."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

VERSION = "v1.37.2"  # of the wire: what the API server and its clients may expect of this kubelet

CAPACITY: Mapping[str, str] = {
    "cpu": "8",
    "memory": "32Gi",
    "pods": "110",
    "ephemeral-storage": "256Gi",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "AMD64": "amd64"}


@dataclass(frozen=True)
class NodeIdentity:
    """`addresses`: the node's own, the primary first. `reserved` is what the system keeps of the capacity."""

    name: str
    addresses: tuple[str, ...]
    fallback_cidr: str = "10.244.0.0/24"  # of pods, until the node has a pod CIDR
    capacity: Mapping[str, str] = field(default_factory=lambda: CAPACITY)
    reserved: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    provider_id: str = ""
    server_name: str = ""  # where its kubelet can be reached, besides the addresses
    server_port: int = 0  # 0: it serves nothing

    @property
    def user(self) -> str:
        return f"system:node:{self.name}"

    def fingerprint(self, of: str) -> str:
        """32 hexadecimal digits that belong to this node: machine id, boot id."""
        return hashlib.sha256(f"{of}/{self.name}".encode()).hexdigest()[:32]


GROUP = "system:nodes"
OS = "linux"
ARCH = ARCHITECTURES.get(platform.machine(), platform.machine())
KERNEL = platform.release()
