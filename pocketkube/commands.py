"""`pocketkube down`, `status`, `reset` and `kubeconfig`: about a cluster that is there."""

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

STOP_PATIENCE = 60.0  # the processes stop one after the other, each within the supervisor's patience


def down(places: Places) -> int:
    """Stop the cluster; everything it keeps stays."""
    pid = running_pid(places)
    if pid is None:
        print(f"No cluster runs in {places.root}.")
        return 0
    _stop(pid)
    print(f" ✓ Stopped process {pid}; start again with: pocketkube up")
    return 0


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
