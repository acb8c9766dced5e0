"""Gets and lists of 2,000 pods."""

from __future__ import annotations

from conformance.benchmark.connection import request_bytes
from conformance.benchmark.load import LISTED, Bench, Make
from conformance.benchmark.objects import NAMESPACE, pod_name, pods
from conformance.benchmark.rows.row import Requests, Row

PODS = pods(NAMESPACE)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def _get(bench: Bench) -> Make:
    return lambda i: request_bytes("GET", f"{PODS}/{pod_name(i % LISTED)}")


def _same(path: str, accept: str = "application/json") -> Make:
    request = request_bytes("GET", path, headers={"Accept": accept})
    return lambda i: request


ROWS: tuple[Row, ...] = (
    Requests(name="get", make=_get, count=3000, goal=10),
    Requests(name="list 2,000", make=lambda b: _same(f"{PODS}?labelSelector=app%3Dweb"), count=16, goal=8),
    Requests(name="list limit=500", make=lambda b: _same(f"{PODS}?limit=500"), count=60, goal=8),
    Requests(name="table", make=lambda b: _same(PODS, TABLE), count=16, goal=8),
    Requests(name="selector matching nothing", make=lambda b: _same(f"{PODS}?labelSelector=app%3Dnothing"), count=500),
)
