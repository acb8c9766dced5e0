"""A day of CronJobs in virtual time: `make bench ARGS="--rows cron"`. What a cluster costs in which little happens.

The whole cluster with one node runs in one process over a store in memory (`pocketkube/tests/cron_day.py`), as fast as it can.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

HOURS = 24
PATIENCE = 900.0


def measure(hours: int = HOURS) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "pocketkube.tests.cron_day", str(hours)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    found = json.loads(done.stdout)
    print(
        f"cron day   {found['cpu']:6.1f} s  CPU for {hours} h, {found['jobs']} jobs, {found['writes']} writes",
        flush=True,
    )
    value = {"value": round(found["cpu"], 1), "jobs": found["jobs"], "writes": found["writes"]}
    return {f"{hours} h of CronJobs in virtual time": {"ours": value, "unit": "s CPU"}}
