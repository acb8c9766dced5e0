"""`pocketkube up`: from nothing to a ready server in named steps; it runs in the foreground until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pocketkube import etcd, kubeconfig, ports
from pocketkube.errors import LauncherError
from pocketkube.pki import AUTHORITIES, SIGNING_KEYS, Pki, cluster_leaves
from pocketkube.places import PORT, Places
from pocketkube.supervisor import Process, Supervisor, die_with_parent

if TYPE_CHECKING:
    import asyncio

    from apiserver.apimachinery.http import Handler

SERVICE_RANGE = "10.96.0.0/12"
KUBERNETES_IP = "10.96.0.1"


class UpOptions(NamedTuple):
    data_dir: Path
    secure_port: int | None = None
    bind_address: str = "127.0.0.1"
    kubeconfig: str | None = None
    own_etcd: bool = False
    etcd_servers: str = ""
    in_process: bool = False
    controllers: bool = True
    verbosity: int = 0


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def step(text: str) -> Iterator[list[str]]:
    """A named step: ✓ and its time when it is done, ✗ when it failed. What is put in the list ends the line."""
    started = time.perf_counter()
    more: list[str] = []
    try:
        yield more
    except BaseException:
        say(f" ✗ {text}")
        raise
    took = time.perf_counter() - started
    shown = f"{took * 1000:.0f} ms" if took < 1 else f"{took:.1f} s"
    say(f" ✓ {' '.join([text, *more])} ({shown})")


def up(options: UpOptions) -> int:
    """Bring a cluster up, keep it until Ctrl-C or SIGTERM, take it down."""
    places = Places(options.data_dir)
    check_not_running(places)
    places.create()
    supervisor = Supervisor(places.logs)
    with _signals_interrupt():
        try:
            return _run(options, places, supervisor)
        except KeyboardInterrupt:
            say("\nStopping …")
            return 0
        finally:
            supervisor.stop()
            places.keep(pid=None)


def _run(options: UpOptions, places: Places, supervisor: Supervisor) -> int:
    import os

    port = _choose_port(options, places)
    pki = _certificates(options, places)
    etcd_urls = _storage(options, places, supervisor, pki)
    arguments = apiserver_arguments(options, places, pki, port, etcd_urls)
    url = f"https://127.0.0.1:{port}"
    if options.in_process:
        return _in_process(options, places, pki, url, arguments)
    with step("API server is ready on") as more:
        started = supervisor.start_component("apiserver", arguments)
        path = _write_kubeconfig(options, pki, url)
        supervisor.wait_ready(started)
        more.append(url)
    places.keep(pid=os.getpid(), port=port, kubeconfig=str(path))
    if options.controllers:
        with step("Controllers are running"):
            supervisor.keep_alive("controllers", _controllers_arguments(options, places, pki, url))
    _say_what_next(path, options)
    return _watch_over(supervisor)


def _controllers_arguments(options: UpOptions, places: Places, pki: Pki, url: str) -> list[str]:
    """The command line of the controllers; they have a kubeconfig of their own."""
    path = places.root / "controllers.kubeconfig"
    own = kubeconfig.entry(url, pki.cert("ca"), pki.cert("controllers"), pki.key("controllers"))
    kubeconfig.write_private(path, kubeconfig.text(own))
    return [f"--kubeconfig={path}", f"--root-ca-file={pki.cert('ca')}", f"--v={options.verbosity}"]


def _watch_over(supervisor: Supervisor) -> int:
    ended: Process = supervisor.wait(lambda text: say(f" ! {text}"))
    raise LauncherError(f"{ended.name} ended with code {ended.popen.returncode}; see {ended.log}")


def _in_process(options: UpOptions, places: Places, pki: Pki, url: str, arguments: list[str]) -> int:
    """The server as a part of this process."""
    import os

    from apiserver.server.flags import UsageError
    from apiserver.server.options import parse_options
    from pocketkube import component
    from pocketkube.logs import set_up_logging

    set_up_logging(options.verbosity)
    component.prepare_imports()

    async def main(stop: asyncio.Event) -> None:
        from apiserver.server.run import serving, tune

        with step("API server is ready on") as more:
            running = serving(parse_options(arguments))
            entered = await running.__aenter__()
            await entered.server.wait_ready()
            more.append(url)
        try:
            path = _write_kubeconfig(options, pki, url)
            places.keep(pid=os.getpid(), port=entered.port, kubeconfig=str(path))
            _say_what_next(path, options)
            tune()
            await _work(options, pki, entered.server.handler, stop)
            say("\nStopping …")
        finally:
            await running.__aexit__(None, None, None)

    try:
        component.run(main)
    except UsageError as e:
        raise LauncherError(str(e)) from e
    return 0


async def _work(options: UpOptions, pki: Pki, handler: Handler, stop: asyncio.Event) -> None:
    """What runs beside the server in its process, until `stop`."""
    if not options.controllers:
        await stop.wait()
        return
    from apiserver.apimachinery.http import UserInfo
    from apiserver.client.transport import LoopbackTransport
    from pocketkube import controllers

    user = UserInfo(controllers.IDENTITY, ("system:masters", "system:authenticated"))
    transport = LoopbackTransport(handler, user=user)
    try:
        await controllers.run_until(stop, transport, controllers.options(pki.cert("ca").read_bytes()))
    finally:
        await transport.aclose()


def _choose_port(options: UpOptions, places: Places) -> int:
    """The asked port, or the last one, or 6443; another one, with a word, when it is taken and nobody asked for it."""
    if options.secure_port:
        if not ports.is_free(options.secure_port):
            raise LauncherError(f"port {options.secure_port} is taken; choose another --secure-port")
        return options.secure_port
    wanted = int(places.state().get("port") or PORT)
    if ports.is_free(wanted):
        return wanted
    port = ports.free_port()
    say(f" • Port {wanted} is taken, using {port} (choose one with --secure-port)")
    return port


def _certificates(options: UpOptions, places: Places) -> Pki:
    pki = Pki(places.pki)
    names = () if options.bind_address in ("127.0.0.1", "0.0.0.0", "::") else (options.bind_address,)
    authorities, leaves = list(AUTHORITIES), cluster_leaves(names, KUBERNETES_IP)
    if options.own_etcd:
        authorities.append(etcd.AUTHORITY)
        leaves += etcd.LEAVES
    with step("Certificates in") as more:
        made = pki.ensure(authorities, leaves, SIGNING_KEYS)
        more.append(str(places.pki) if made else f"{places.pki} kept")
    return pki


def _storage(options: UpOptions, places: Places, supervisor: Supervisor, pki: Pki) -> str:
    """URLs of the etcd to use; empty for the embedded store."""
    if not options.own_etcd:
        return options.etcd_servers
    with step("etcd") as more:
        found = etcd.find()
        port = ports.free_port()
        command = etcd.command(found, places.etcd, pki, port, ports.free_port())
        process = supervisor.spawn("etcd", command, before=die_with_parent)
        etcd.wait(process.popen, port, process.log)
        more.append(".".join(map(str, found.version)))
    if found.warning:
        say(f" ! {found.warning}")
    return f"https://127.0.0.1:{port}"


def apiserver_arguments(options: UpOptions, places: Places, pki: Pki, port: int, etcd_urls: str) -> list[str]:
    """The command line of the API server, as kubeadm would write it."""
    arguments = [
        f"--bind-address={options.bind_address}",
        f"--secure-port={port}",
        f"--advertise-address={'127.0.0.1' if options.bind_address in ('0.0.0.0', '::') else options.bind_address}",
        f"--tls-cert-file={pki.cert('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        f"--client-ca-file={pki.cert('ca')}",
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
        arguments += [
            f"--etcd-cafile={pki.cert(etcd.AUTHORITY)}",
            f"--etcd-certfile={pki.cert('etcd-client')}",
            f"--etcd-keyfile={pki.key('etcd-client')}",
        ]
    return arguments


def _write_kubeconfig(options: UpOptions, pki: Pki, url: str) -> Path:
    path = kubeconfig.target(options.kubeconfig)
    try:
        kubeconfig.merge(path, kubeconfig.entry(url, pki.cert("ca"), pki.cert("admin"), pki.key("admin")))
    except kubeconfig.KubeconfigError as e:
        raise LauncherError(str(e)) from e
    return path


def _say_what_next(path: Path, options: UpOptions) -> None:
    say(f' ✓ Context "{kubeconfig.CONTEXT}" is set in {path}')
    where = f" --kubeconfig {path}" if options.kubeconfig else ""
    say(f"\nTry it:\n\n  kubectl{where} --context {kubeconfig.CONTEXT} get namespaces\n\nCtrl-C stops the cluster.")


def check_not_running(places: Places) -> None:
    pid = running_pid(places)
    if pid is not None:
        raise LauncherError(f"a cluster runs in {places.root} already (process {pid}); see: pocketkube status")


def running_pid(places: Places) -> int | None:
    """The process that runs the cluster of this directory, if one does."""
    pid = places.state().get("pid")
    if not isinstance(pid, int):
        return None
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return pid if b"pocketkube" in command else None


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does; Ctrl-C also where a shell's `&` had it ignored."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.stdout.flush()
