"""The whole cluster in virtual time: it works, it repeats itself, and nothing grows in an hour of churn."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.gvk import GroupVersionResource
from apiserver.apimachinery.objects import Object
from pocketkube.tests.worlds import PODS, ClusterWorld, cluster_world

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
REPLICA_SETS = GroupVersionResource("apps", "v1", "replicasets")
JOBS = GroupVersionResource("batch", "v1", "jobs")
CRON_JOBS = GroupVersionResource("batch", "v1", "cronjobs")
EVENTS = GroupVersionResource("", "v1", "events")
NODES = GroupVersionResource("", "v1", "nodes")


def deployment(name: str, replicas: int = 3, image: str = "nginx:1") -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def job(name: str, seconds: int = 5) -> Object:
    container = {"name": "c", "image": "busybox", "command": ["sleep", str(seconds)]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    spec = {"template": template, "ttlSecondsAfterFinished": 60}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


async def available(w: ClusterWorld, name: str, count: int) -> bool:
    found = await w.resource(DEPLOYMENTS).get(name, "default")
    status = found.get("status") or {}
    up_to_date = status.get("observedGeneration") == found["metadata"]["generation"]
    return bool(up_to_date and status.get("availableReplicas") == count == status.get("replicas"))


async def roll(w: ClusterWorld, number: int) -> None:
    """A Deployment comes, changes, and goes; a Job runs to its end."""
    name = f"web-{number}"
    await w.resource(DEPLOYMENTS).create(deployment(name), "default")
    await w.resource(JOBS).create(job(f"job-{number}"), "default")
    await w.eventually(lambda: available(w, name, 3))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}}
    await w.resource(DEPLOYMENTS).patch(name, "default", patch)
    await w.eventually(lambda: available(w, name, 3))
    await w.resource(DEPLOYMENTS).delete(name, "default")


async def at_rest(w: ClusterWorld) -> bool:
    """Nothing that a round made is left."""
    left = [await w.all(kind, "default") for kind in (PODS, REPLICA_SETS, DEPLOYMENTS, JOBS)]
    return not any(left)


class Size(NamedTuple):
    """How large the world is."""

    keys: int
    tasks: int
    objects: int  # of the interpreter
    history: int  # events the store keeps
    writes: int  # in the last compaction interval


COMPACTION = 300.0  # seconds


async def size(w: ClusterWorld) -> Size:
    """Waits for an interval in which nothing but the cluster itself writes."""
    stored: Any = w.server.storage
    before = await stored.current_revision()
    await asyncio.sleep(COMPACTION)
    writes = await stored.current_revision() - before
    gc.collect()
    keys = (await stored.list("/registry/")).items
    lasting = [item for item in keys if not item.key.startswith("/registry/events/")]
    return Size(len(lasting), len(asyncio.all_tasks()), len(gc.get_objects()), len(stored._log), writes)


def test_an_hour_of_churn_leaves_nothing_behind() -> None:
    async def main() -> tuple[Size, Size]:
        async with cluster_world(options={"etcd_compaction_interval": COMPACTION}, detect_mutations=False) as w:
            sizes = []
            for half in range(2):
                end = asyncio.get_running_loop().time() + 1800
                number = half * 1000
                while asyncio.get_running_loop().time() < end - 120:
                    await roll(w, number)
                    number += 1
                    await asyncio.sleep(180)
                await w.eventually(lambda: at_rest(w))
                await asyncio.sleep(3900)  # events have gone
                sizes.append(await size(w))
            return sizes[0], sizes[1]

    first, second = run_virtual(main())
    assert second.keys <= first.keys
    assert second.tasks <= first.tasks
    assert second.history <= 2.2 * second.writes  # upstream compacts what is older than one interval, once in each
    # The memories of told events and of managedFields, bounded both, still fill: 1,000 dicts a round at first.
    assert second.objects <= first.objects * 1.15


def test_cron_jobs_run_each_at_its_time() -> None:
    async def main() -> list[str]:
        async with cluster_world(nodes=1, detect_mutations=False) as w:
            template = {"spec": {"template": job("x")["spec"]["template"]}}
            spec = {"schedule": "*/30 * * * *", "jobTemplate": template, "successfulJobsHistoryLimit": 10}
            await w.resource(CRON_JOBS).create({"metadata": {"name": "half-hourly"}, "spec": spec}, "default")
            await asyncio.sleep(2 * 3600 + 60)
            jobs = await w.all(JOBS, "default")
            assert all((j.get("status") or {}).get("succeeded") == 1 for j in jobs)
            return [j["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"] for j in jobs]

    assert sorted(run_virtual(main())) == [
        f"2026-01-01T{hour:02d}:{minute:02d}:00Z" for hour, minute in ((0, 30), (1, 0), (1, 30), (2, 0))
    ]


def test_the_pods_of_a_node_that_vanishes_come_up_elsewhere() -> None:
    async def main() -> None:
        async with cluster_world(nodes=2) as w:
            await w.resource(DEPLOYMENTS).create(deployment("web", 4), "default")
            await w.eventually(lambda: available(w, "web", 4))
            await w.resource(NODES).delete("node-1")

            async def moved() -> bool:
                pods = [p for p in await w.all(PODS, "default") if not p["metadata"].get("deletionTimestamp")]
                return len(pods) == 4 and all(p["status"]["phase"] == "Running" for p in pods)

            await w.eventually(moved, within=600)

    run_virtual(main())


async def history(seed: int) -> list[str]:
    """The store's whole history of a small scenario."""
    async with cluster_world(seed=seed, options={"etcd_compaction_interval": 0.0}) as w:
        await roll(w, 0)
        await w.eventually(lambda: at_rest(w))
        return await w.server.history()


def test_the_same_seed_gives_the_same_history_of_a_whole_cluster() -> None:
    def play(hash_seed: int) -> str:
        program = "from pocketkube.tests.test_virtual import *; print(*run_virtual(history(3)), sep='\\n')"
        env = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=110, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = play(1)
    assert first.count("\n") > 200
    assert play(2) == first
