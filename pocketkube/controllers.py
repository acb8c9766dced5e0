"""`pocketkube controllers`: the loops as a process of their own, with kube-controller-manager's flag names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pocketkube import client_component
from pocketkube.client_component import ClientComponent, Given, Started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apiserver.client.interface import Transport
    from apiserver.server.flags import Flag
    from controllers.framework.context import Accounts
    from controllers.process import Options

USER = "system:kube-controller-manager"


def _flags() -> Sequence[Flag]:
    """Loops read these from their Context by the names in the second column, which are the flags' own."""
    from apiserver.server.flags import Flag, boolean, duration, integer, strings, text

    return (
        Flag("controllers", "loops", strings, "Loops to run: * for all, -name without one, name with it (*)."),
        Flag("leader-elect", "leader_elect", boolean, "Wait for the lease before working (true)."),
        Flag("root-ca-file", "root_ca_file", text, "The authority that every namespace is told."),
        Flag("cluster-signing-cert-file", "cluster_signing_cert_file", text, "The authority that signs certificates."),
        Flag("cluster-signing-key-file", "cluster_signing_key_file", text, "Its key."),
        Flag("cluster-signing-duration", "cluster_signing_duration", duration, "How long they last at most (8760h)."),
        Flag("service-account-private-key-file", "service_account_private_key_file", text, "Signs token Secrets."),
        Flag(
            "allocate-node-cidrs", "allocate_node_cidrs", boolean, "Give each node its range of pod addresses (true)."
        ),
        Flag("cluster-cidr", "cluster_cidr", text, "Where nodes get their pods' addresses from (10.244.0.0/16)."),
        Flag(
            "node-monitor-grace-period", "node_monitor_grace_period", duration, "Silence of a node that counts (50s)."
        ),
        Flag(
            "node-startup-grace-period",
            "node_startup_grace_period",
            duration,
            "Silence of a node that counts before it ever reported (1m).",
        ),
        Flag(
            "enable-hostpath-provisioner",
            "enable_hostpath_provisioner",
            boolean,
            "Make volumes for claims of the class kubernetes.io/host-path (false).",
        ),
        Flag("hostpath-directory", "hostpath_directory", text, "Where such volumes lie (/tmp/hostpath_pv)."),
        Flag("terminated-pod-gc-threshold", "terminated_pod_gc_threshold", integer, "Finished pods to keep (12500)."),
        Flag(
            "use-service-account-credentials",
            "use_service_account_credentials",
            boolean,
            "Run each loop as a service account of its own (false).",
        ),
    )


def _check(given: Given) -> None:
    from apiserver.server.flags import UsageError
    from controllers.process import UnknownController, selected

    try:
        selected(given.get("loops") or ("*",))
    except UnknownController as e:
        raise UsageError(str(e)) from e


async def work(given: Given, transport: Transport, started: Started) -> None:
    """Run the loops until cancelled. `given` has the flags by their names here."""
    if not given.get("use_service_account_credentials"):
        await run(given, transport, started)
        return
    from apiserver.apimachinery.clock import SystemClock
    from apiserver.client.config import load_kubeconfig
    from apiserver.client.http_transport import HttpTransport
    from apiserver.client.resources import Client
    from controllers.framework.accounts import ServiceAccounts

    nobody = HttpTransport(load_kubeconfig(given["kubeconfig"]).anonymous())
    try:
        accounts = ServiceAccounts(Client(transport), client_component.lane(nobody), SystemClock())
        await run(given, transport, started, accounts.transport)
    finally:
        await nobody.aclose()


async def run(given: Given, transport: Transport, started: Started, accounts: Accounts | None = None) -> None:
    """As `work`, for who knows already how loops speak as their accounts."""
    from apiserver.apimachinery.clock import SystemClock
    from apiserver.apimachinery.rand import Random
    from controllers import process

    await process.run(transport, SystemClock(), Random(), options(given, started, accounts))


def options(given: Given, started: Started, accounts: Accounts | None = None) -> Options:
    from controllers.process import Options

    return Options(
        identity=client_component.identity(),
        loops=given.get("loops") or ("*",),
        leader_elect=given.get("leader_elect", True),
        settings=settings(given),
        started=started,
        accounts=accounts,
    )


def settings(given: Given) -> dict[str, object]:
    """What single loops want to know: flags by name, and `root_ca` as text."""
    found: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if given.get("root_ca_file"):
        found["root_ca"] = Path(given["root_ca_file"]).read_text()
    else:  # whoever names no authority means the one that we trust ourselves
        from apiserver.client.config import load_kubeconfig

        found["root_ca"] = load_kubeconfig(given["kubeconfig"]).ca.decode()
    return found


COMPONENT = ClientComponent("controllers", "Run the controllers.", _flags, work, _check)
