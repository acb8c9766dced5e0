"""What a cluster consists of beside its API server: a written-out table in start order, and each part's command line.

A part is a component (`pocketkube NAME …`) with a client certificate and a kubeconfig of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pocketkube import controllers, kubeconfig, kubelet, scheduler
from pocketkube.client_component import ClientComponent
from pocketkube.pki import Leaf, Pki
from pocketkube.places import Places

SERVICE_RANGE = "10.96.0.0/12"
KUBERNETES_IP = "10.96.0.1"


class UpOptions(NamedTuple):
    """What `pocketkube up` was asked for."""

    data_dir: Path
    secure_port: int | None = None
    bind_address: str = "127.0.0.1"
    kubeconfig: str | None = None
    own_etcd: bool = False
    etcd_servers: str = ""
    in_process: bool = False
    nodes: int = 1
    controllers: bool = True
    detached: bool = False
    verbosity: int = 0


class Part(NamedTuple):
    """`leaf` is who it is to the API server; `arguments` beside its kubeconfig and --v; `wanted` whether it is started;
    `lease` where one of several leads, for `pocketkube status`."""

    component: ClientComponent
    title: str
    leaf: Leaf
    arguments: Callable[[UpOptions, Places, Pki], list[str]] = lambda options, places, pki: []
    wanted: Callable[[UpOptions], bool] = lambda options: options.controllers
    kubeconfig_flag: str = "kubeconfig"
    lease: str = ""

    @property
    def name(self) -> str:
        """`pocketkube NAME` runs it alone."""
        return self.component.name


def _controllers(options: UpOptions, places: Places, pki: Pki) -> list[str]:
    return [
        f"--root-ca-file={pki.cert('ca')}",
        f"--cluster-signing-cert-file={pki.cert('ca')}",
        f"--cluster-signing-key-file={pki.key('ca')}",
        f"--service-account-private-key-file={pki.key('sa')}",
        "--enable-hostpath-provisioner=true",
        f"--hostpath-directory={places.volumes}",
        "--use-service-account-credentials=true",
    ]


def _kubelet(options: UpOptions, places: Places, pki: Pki) -> list[str]:
    return [
        f"--simulated-nodes={options.nodes}",
        f"--cert-dir={places.root / 'kubelet'}",
        f"--client-ca-file={pki.cert('ca')}",
    ]


PARTS: tuple[Part, ...] = (
    Part(
        controllers.COMPONENT,
        "Controllers",
        Leaf("controllers", "ca", controllers.USER),
        _controllers,
        lease="kube-controller-manager",
    ),
    Part(scheduler.COMPONENT, "Scheduler", Leaf("scheduler", "ca", scheduler.USER), lease="kube-scheduler"),
    Part(
        kubelet.COMPONENT,
        "Kubelet",
        Leaf("kubelet-bootstrap", "ca", kubelet.BOOTSTRAP_USER, kubelet.BOOTSTRAP_GROUPS),
        _kubelet,
        lambda options: options.controllers and options.nodes > 0,
        kubeconfig_flag="bootstrap-kubeconfig",
    ),
)


def wanted(options: UpOptions) -> list[Part]:
    return [part for part in PARTS if part.wanted(options)]


def node_count(options: UpOptions) -> int:
    """How many nodes the cluster will have when it is up."""
    return options.nodes if any(part.name == "kubelet" for part in wanted(options)) else 0


def part_arguments(part: Part, options: UpOptions, places: Places, pki: Pki, url: str) -> list[str]:
    """The command line of a part, its kubeconfig written."""
    path = places.root / f"{part.name}.kubeconfig"
    own = kubeconfig.entry(url, pki.cert("ca"), pki.cert(part.leaf.name), pki.key(part.leaf.name))
    kubeconfig.write_private(path, kubeconfig.text(own))
    return [f"--{part.kubeconfig_flag}={path}", *part.arguments(options, places, pki), f"--v={options.verbosity}"]


def apiserver_arguments(options: UpOptions, places: Places, pki: Pki, port: int, etcd_urls: str) -> list[str]:
    """The command line of the API server, as kubeadm would write it."""
    arguments = [
        f"--bind-address={options.bind_address}",
        f"--secure-port={port}",
        f"--advertise-address={'127.0.0.1' if options.bind_address in ('0.0.0.0', '::') else options.bind_address}",
        f"--tls-cert-file={pki.cert('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        f"--client-ca-file={pki.cert('ca')}",
        f"--kubelet-client-certificate={pki.cert('apiserver-kubelet-client')}",
        f"--kubelet-client-key={pki.key('apiserver-kubelet-client')}",
        "--kubelet-preferred-address-types=ExternalDNS,InternalIP,Hostname",  # simulated nodes have only the first one
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-account-key-file={pki.directory / 'sa.pub'}",
        f"--service-account-signing-key-file={pki.key('sa')}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--requestheader-client-ca-file={pki.cert('front-proxy-ca')}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--v={options.verbosity}",
    ]
    if not etcd_urls:
        return [*arguments, f"--data-dir={places.store}"]
    arguments.append(f"--etcd-servers={etcd_urls}")
    if options.own_etcd:
        from pocketkube import etcd  # what looks for the program is not needed where a component starts

        arguments += [
            f"--etcd-cafile={pki.cert(etcd.AUTHORITY)}",
            f"--etcd-certfile={pki.cert('etcd-client')}",
            f"--etcd-keyfile={pki.key('etcd-client')}",
        ]
    return arguments
