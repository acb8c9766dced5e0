"""conformance/ledger.yaml: what the long checks found and when, the last few runs of each, newest first."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

LEDGER = Path(__file__).parent / "ledger.yaml"
KEPT = 3
_HEADER = "# Results of checks that are too long for `make test`. Written by their commands; newest first.\n"


def commit() -> str:
    """The checked-out commit, with a mark where files differ from it."""
    git = ["git", "-C", str(LEDGER.parent), "describe", "--always", "--dirty", "--abbrev=9"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def note(check: str, result: dict[str, Any], path: Path = LEDGER) -> None:
    """Put a dated entry before the earlier ones of `check`."""
    ledger: dict[str, list[dict[str, Any]]] = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
    entry = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(), **result}
    ledger[check] = [entry, *ledger.get(check, [])][:KEPT]
    path.write_text(_HEADER + yaml.safe_dump(ledger, sort_keys=False, width=120, allow_unicode=True))
