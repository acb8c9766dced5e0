"""A day of a cluster with some CronJobs, in virtual time: `python -m pocketkube.tests.cron_day [HOURS]` prints what it cost."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from pocketkube.tests.worlds import cluster_world

CRON_JOBS = GroupVersionResource("batch", "v1", "cronjobs")
JOBS = GroupVersionResource("batch", "v1", "jobs")
SCHEDULES = ("*/10 * * * *", "0 * * * *", "30 3 * * *")


def cron_job(number: int, schedule: str) -> Object:
    container = {"name": "c", "image": "busybox", "command": ["sleep", "5"]}
    template = {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}}
    spec = {"schedule": schedule, "jobTemplate": template}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": f"cron-{number}"}, "spec": spec}


async def day(hours: int) -> dict[str, Any]:
    """CPU seconds, jobs that came, and writes of all kinds."""
    async with cluster_world(nodes=1, detect_mutations=False) as w:
        for number, schedule in enumerate(SCHEDULES):
            await w.resource(CRON_JOBS).create(cron_job(number, schedule), "default")
        storage = w.server.storage
        jobs: dict[str, None] = {}
        started, before = time.process_time(), await storage.current_revision()
        for _ in range(hours * 6):
            await asyncio.sleep(600)
            jobs |= dict.fromkeys(job["metadata"]["uid"] for job in await w.all(JOBS, "default"))
        writes = await storage.current_revision() - before
        return {"cpu": time.process_time() - started, "jobs": len(jobs), "writes": writes}


if __name__ == "__main__":
    print(json.dumps(run_virtual(day(int(sys.argv[1]) if len(sys.argv) > 1 else 24))))
