"""The user's kubeconfig: our cluster, user and context are merged in and taken out; nothing else in it changes.

As kind does (pkg/cluster/internal/kubeconfig): the file is locked while it changes, written whole with mode 0600, and the
first file of $KUBECONFIG that exists is the one, else the last of them, else ~/.kube/config.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONTEXT = "pocketkube"
LOCK_PATIENCE = 5.0  # seconds to wait for another program's lock
_SECTIONS = ("clusters", "contexts", "users")

Config = dict[str, Any]


class KubeconfigError(Exception):
    """The file cannot be read or written; the message says what to do."""


def target(explicit: str | None) -> Path:
    """The file to change."""
    if explicit:
        return Path(explicit).expanduser()
    listed = [Path(p) for p in os.environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    if listed:
        return next((p for p in listed if p.is_file()), listed[-1])
    return Path.home() / ".kube" / "config"


def entry(server: str, ca: Path, cert: Path, key: Path) -> Config:
    """A kubeconfig of our cluster alone, with the certificates in it."""

    def data(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    user = {"client-certificate-data": data(cert), "client-key-data": data(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [{"name": CONTEXT, "cluster": {"server": server, "certificate-authority-data": data(ca)}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "users": [{"name": CONTEXT, "user": user}],
        "current-context": CONTEXT,
    }


def text(config: Config) -> str:
    import yaml

    return str(yaml.safe_dump(config, sort_keys=False))


def merge(path: Path, ours: Config) -> None:
    """Put our entries in, in the place of older ones of ours, and make our context the current one."""

    def change(config: Config) -> None:
        for section in _SECTIONS:
            config[section] = [*_others(config, section), *ours[section]]
        config["current-context"] = CONTEXT
        config.setdefault("apiVersion", "v1")
        config.setdefault("kind", "Config")

    _edit(path, change)


def remove(path: Path) -> bool:
    """Take our entries out; whether there were any."""
    if not path.is_file():
        return False
    found = False

    def change(config: Config) -> None:
        nonlocal found
        for section in _SECTIONS:
            kept = _others(config, section)
            found = found or len(kept) < len(config.get(section) or ())
            config[section] = kept
        if config.get("current-context") == CONTEXT:
            config["current-context"] = ""

    _edit(path, change)
    return found


def _others(config: Config, section: str) -> list[Any]:
    entries = config.get(section) or []
    return [e for e in entries if not (isinstance(e, dict) and e.get("name") == CONTEXT)]


def _edit(path: Path, change: Callable[[Config], None]) -> None:
    path = path.resolve() if path.is_symlink() else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(path):
            config = _read(path)
            before = text(config)
            change(config)
            after = text(config)
            if after != before or not path.exists():
                write_private(path, after)
    except OSError as e:
        raise KubeconfigError(f"cannot write {path}: {e.strerror}; name another file with --kubeconfig") from e


def _read(path: Path) -> Config:
    import yaml

    if not path.exists():
        return {}
    try:
        config = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise KubeconfigError(f"{path} is no valid kubeconfig; mend it or name another with --kubeconfig") from e
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path} is no valid kubeconfig; mend it or name another with --kubeconfig")
    return config


def write_private(path: Path, content: str) -> None:
    """Write a file whole or not at all, for its owner only."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    new.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock that kubectl and kind take: a file beside it that only one can create."""
    lock = path.with_name(path.name + ".lock")
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise KubeconfigError(f"{path} is locked; if no kubectl runs, remove {lock}") from None
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
