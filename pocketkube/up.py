"""`pocketkube up`: from nothing to a ready cluster in named steps; it runs in the foreground until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pocketkube import addons, etcd, kubeconfig, nodes, ports
from pocketkube.errors import LauncherError
from pocketkube.parts import KUBERNETES_IP, UpOptions, apiserver_arguments, node_count, part_arguments, wanted
from pocketkube.pki import AUTHORITIES, SIGNING_KEYS, Pki, cluster_leaves
from pocketkube.places import PORT, Places
from pocketkube.readiness import Reporter
from pocketkube.steps import say, step
from pocketkube.supervisor import Supervisor, die_with_parent


def up(options: UpOptions, reporter: Reporter | None = None) -> int:
    """Bring a cluster up, keep it until Ctrl-C or SIGTERM, take it down. `reporter` is told when it is up."""
    places = Places(options.data_dir)
    check_not_running(places)
    places.create()
    supervisor = Supervisor(places.logs)
    with _signals_interrupt():
        try:
            return _run(options, places, supervisor, reporter or Reporter(None))
        except KeyboardInterrupt:
            say("\nStopping …")
            return 0
        finally:
            supervisor.stop()
            places.keep(pid=None, components=None)


def _run(options: UpOptions, places: Places, supervisor: Supervisor, reporter: Reporter) -> int:
    port = _choose_port(options, places)
    pki = _certificates(options, places)
    etcd_urls = _storage(options, places, supervisor, pki)
    arguments = apiserver_arguments(options, places, pki, port, etcd_urls)
    url = f"https://127.0.0.1:{port}"
    path = _write_kubeconfig(options, pki, url)
    places.keep(pid=os.getpid(), port=port, kubeconfig=str(path), nodes=options.nodes)
    if options.in_process:
        from pocketkube.in_process import run

        return run(options, places, pki, arguments, url, lambda: _up(options, path, reporter))
    _start(options, places, supervisor, pki, arguments, url)
    _keep_components(places, supervisor)
    _up(options, path, reporter)
    supervisor.keep_running(lambda text: say(f" ! {text}"), lambda: _keep_components(places, supervisor))
    return 0


def _start(
    options: UpOptions, places: Places, supervisor: Supervisor, pki: Pki, arguments: list[str], url: str
) -> None:
    """All components at once; the others wait for the API server by themselves."""
    parts = wanted(options)
    with step("API server is ready on") as more:
        server = supervisor.start_component("apiserver", arguments)
        started = [
            supervisor.start_component(part.name, part_arguments(part, options, places, pki, url)) for part in parts
        ]
        supervisor.wait_ready(server)
        more.append(url)
    administrator = addons.Administrator(pki, url)
    if parts:
        addons.ensure(administrator)
    for part, process in zip(parts, started, strict=True):
        with step(f"{part.title}"):
            supervisor.wait_ready(process)
    if count := node_count(options):
        with step(f"{count} node{'s' if count > 1 else ''} ready"):
            nodes.wait(administrator, count)


def _keep_components(places: Places, supervisor: Supervisor) -> None:
    """Write down what runs, for `pocketkube status`."""
    known = [{"name": p.name, "pid": p.popen.pid, "restarts": p.restarts} for p in supervisor.processes]
    places.keep(components=known)


def _up(options: UpOptions, path: Path, reporter: Reporter) -> None:
    say(f' ✓ Context "{kubeconfig.CONTEXT}" is set in {path}')
    where = f" --kubeconfig {path}" if options.kubeconfig else ""
    command = f"kubectl{where} --context {kubeconfig.CONTEXT}"
    example = "create deployment web --image=nginx --replicas=3" if wanted(options) else "get namespaces"
    end = "Stop it with: pocketkube down" if options.detached else "Ctrl-C stops the cluster."
    say(f"\nTry it:\n\n  {command} {example}\n\n{end}")
    reporter.ready()


def _choose_port(options: UpOptions, places: Places) -> int:
    """The asked port, or the last one, or 6443; another one, with a word, when it is taken and nobody asked for it."""
    if options.secure_port:
        if not ports.is_free(options.secure_port):
            raise LauncherError(f"port {options.secure_port} is taken; choose another --secure-port")
        return options.secure_port
    wanted_port = int(places.state().get("port") or PORT)
    if ports.is_free(wanted_port):
        return wanted_port
    port = ports.free_port()
    say(f" • Port {wanted_port} is taken, using {port} (choose one with --secure-port)")
    return port


def _certificates(options: UpOptions, places: Places) -> Pki:
    pki = Pki(places.pki)
    names = () if options.bind_address in ("127.0.0.1", "0.0.0.0", "::") else (options.bind_address,)
    authorities, leaves = list(AUTHORITIES), cluster_leaves(names, KUBERNETES_IP)
    leaves += [part.leaf for part in wanted(options)]
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


def _write_kubeconfig(options: UpOptions, pki: Pki, url: str) -> Path:
    path = kubeconfig.target(options.kubeconfig)
    try:
        kubeconfig.merge(path, kubeconfig.entry(url, pki.cert("ca"), pki.cert("admin"), pki.key("admin")))
    except kubeconfig.KubeconfigError as e:
        raise LauncherError(str(e)) from e
    return path


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
