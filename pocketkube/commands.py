"""`pocketkube status`, `reset` and `kubeconfig`: about a cluster that is there."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from pocketkube import kubeconfig
from pocketkube.errors import LauncherError
from pocketkube.pki import Pki
from pocketkube.places import PORT, Places
from pocketkube.up import running_pid

STOP_PATIENCE = 20.0


def status(places: Places) -> int:
    """0 when the cluster is ready, 1 when it is not, 3 when none runs."""
    pid = running_pid(places)
    if pid is None:
        print(f"No cluster runs in {places.root}. Start one with: pocketkube up")
        return 3
    port = int(places.state().get("port", PORT))
    code, text = _ask(Pki(places.pki), port, "/readyz?verbose")
    ready = code == 200
    print(f"API server: {'ready' if ready else 'not ready'} on https://127.0.0.1:{port} (process {pid})")
    for line in text.splitlines():
        if line.startswith("[-]"):
            print(f"  {line}")
    print(f"Data: {places.root}\nKubeconfig: {places.state().get('kubeconfig', '')}")
    return 0 if ready else 1


def _ask(pki: Pki, port: int, path: str) -> tuple[int, str]:
    """One request as the administrator; (0, why) when there is no answer."""
    import http.client
    import ssl

    context = ssl.create_default_context(cafile=str(pki.cert("ca")))
    context.load_cert_chain(pki.cert("admin"), pki.key("admin"))
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError as e:
        return 0, f"[-]no answer: {e}"
    finally:
        connection.close()


def reset(places: Places) -> int:
    """Stop what runs, take our context out of the kubeconfig, delete the data directory."""
    if not places.exists():
        print(f"Nothing to do: {places.root} does not exist.")
        return 0
    if not _is_ours(places):
        raise LauncherError(f"{places.root} does not look like a pocketkube data directory; nothing was deleted")
    pid = running_pid(places)
    if pid is not None:
        _stop(pid)
        print(f" ✓ Stopped process {pid}")
    path = Path(places.state().get("kubeconfig") or kubeconfig.target(None))
    try:
        if kubeconfig.remove(path):
            print(f' ✓ Context "{kubeconfig.CONTEXT}" removed from {path}')
    except kubeconfig.KubeconfigError as e:
        raise LauncherError(str(e)) from e
    shutil.rmtree(places.root)
    print(f" ✓ Deleted {places.root}")
    return 0


def _is_ours(places: Places) -> bool:
    """Never delete a directory that only its name speaks for."""
    return (places.pki / "pki.json").is_file() or not any(places.root.iterdir())


def _stop(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE
    while is_alive(pid):
        if time.monotonic() > deadline:
            raise LauncherError(f"process {pid} does not stop; end it with: kill -9 {pid}")
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether it still runs; one that has ended and was not waited for by its parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def print_kubeconfig(places: Places, merge_into: str | None) -> int:
    pki = Pki(places.pki)
    if not pki.cert("admin").exists():
        raise LauncherError(f"there is no cluster in {places.root}; start one with: pocketkube up")
    url = f"https://127.0.0.1:{places.state().get('port', PORT)}"
    ours = kubeconfig.entry(url, pki.cert("ca"), pki.cert("admin"), pki.key("admin"))
    if merge_into is None:
        print(kubeconfig.text(ours), end="")
        return 0
    try:
        kubeconfig.merge(Path(merge_into).expanduser(), ours)
    except kubeconfig.KubeconfigError as e:
        raise LauncherError(str(e)) from e
    print(f' ✓ Context "{kubeconfig.CONTEXT}" is set in {merge_into}')
    return 0
