"""Creates, patches, applies, lease updates and deletes."""

from __future__ import annotations

import json
from typing import Any

from conformance.benchmark.connection import request_bytes
from conformance.benchmark.load import LISTED, Bench, Make
from conformance.benchmark.objects import NAMESPACE, WRITES, pod, pod_name, pods, status
from conformance.benchmark.rows.row import Requests, Row

APPLIED = 200  # ConfigMaps that are applied over and over
DELETES, DELETE_SLICES = 250, 4
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{WRITES}/leases"
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lease"}}


def _patch(path: str, body: dict[str, Any], kind: str) -> bytes:
    return request_bytes("PATCH", path, json.dumps(body).encode(), {"Content-Type": f"application/{kind}"})


def _create(bench: Bench) -> Make:
    return lambda i: request_bytes("POST", pods(WRITES), json.dumps(pod(bench.next("created"))).encode())


def _status(bench: Bench) -> Make:
    def make(i: int) -> bytes:
        look = bench.next("status")
        path = f"{pods(NAMESPACE)}/{pod_name(look % LISTED)}/status"
        return _patch(path, status(look), "strategic-merge-patch+json")

    return make


def _apply(bench: Bench) -> Make:
    def make(i: int) -> bytes:
        number = bench.next("applied")
        name = f"settings-{number % APPLIED}"
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": str(number)}}
        path = f"/api/v1/namespaces/{WRITES}/configmaps/{name}?fieldManager=bench&force=true"
        return _patch(path, body, "apply-patch+yaml")

    return make


async def _make_lease(bench: Bench) -> None:
    await bench.post(LEASES, {**LEASE, "spec": {}})


def _renew(bench: Bench) -> Make:
    def make(i: int) -> bytes:
        renewed = f"2026-01-01T00:00:00.{bench.next('renewed'):06d}Z"
        spec = {"holderIdentity": "bench", "leaseDurationSeconds": 40, "renewTime": renewed}
        return _patch(f"{LEASES}/lease", {**LEASE, "spec": spec}, "merge-patch+json")

    return make


async def _make_victims(bench: Bench) -> None:
    """As many pods as all slices delete, and those that warm up."""
    await bench.loop((DELETE_SLICES + 1) * DELETES, _create(bench))


def _delete(bench: Bench) -> Make:
    return lambda i: request_bytes("DELETE", f"{pods(WRITES)}/{pod_name(bench.next('deleted'))}?gracePeriodSeconds=0")


ROWS: tuple[Row, ...] = (
    Requests(name="create", make=_create, count=300, goal=3, slices=8),
    Requests(name="create, serial", make=_create, count=60, goal=3, serial=True),
    Requests(name="status patch", make=_status, count=400, goal=3),
    Requests(name="apply, small ConfigMap", make=_apply, count=500, goal=3),
    Requests(name="lease update, serial", make=_renew, count=100, goal=3, serial=True, prepare=_make_lease),
    Requests(name="delete", make=_delete, count=DELETES, goal=3, slices=DELETE_SLICES, prepare=_make_victims),
)
