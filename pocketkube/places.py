"""Where one cluster keeps its things: certificates, objects, logs, and what is known of the running server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

PORT = 6443


def default_data_dir() -> Path:
    """As the XDG rules say: $XDG_DATA_HOME/pocketkube, or ~/.local/share/pocketkube."""
    base = os.environ.get("XDG_DATA_HOME") or ""
    return (Path(base) if base else Path.home() / ".local" / "share") / "pocketkube"


class Places(NamedTuple):
    """The data directory and what lies in it."""

    root: Path

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def etcd(self) -> Path:
        return self.root / "etcd"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def volumes(self) -> Path:
        """Where claims of the class `standard` have their directories."""
        return self.root / "volumes"

    @property
    def _state(self) -> Path:
        return self.root / "cluster.json"

    def create(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)

    def exists(self) -> bool:
        return self.root.is_dir()

    def state(self) -> dict[str, Any]:
        """What the last start wrote: port, pid, kubeconfig; empty when there was none."""
        try:
            state = json.loads(self._state.read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def keep(self, **facts: Any) -> None:
        """Add facts to the state; None removes one."""
        state = {k: v for k, v in {**self.state(), **facts}.items() if v is not None}
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps(state, indent=1))
        new.replace(self._state)
