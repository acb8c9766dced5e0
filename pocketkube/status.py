"""`pocketkube status`: which components run, who leads, how late the API server's loop is, how many nodes are ready."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from pocketkube import nodes
from pocketkube.addons import Administrator
from pocketkube.commands import is_alive
from pocketkube.parts import PARTS
from pocketkube.pki import Pki
from pocketkube.places import PORT, Places
from pocketkube.up import running_pid

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
LAG_BUCKET = re.compile(r'^pocketkube_loop_lag_seconds_bucket\{le="([^"]+)"\} (\d+)$', re.MULTILINE)


class Answer(NamedTuple):
    """Code 0: nobody answered, and why."""

    code: int
    text: str


def status(places: Places) -> int:
    """0 when the cluster is ready, 1 when it is not, 3 when none runs."""
    pid = running_pid(places)
    if pid is None:
        print(f"No cluster runs in {places.root}. Start one with: pocketkube up")
        return 3
    state = places.state()
    url = f"https://127.0.0.1:{state.get('port', PORT)}"
    administrator = Administrator(Pki(places.pki), url)
    health = _ask(administrator, "/readyz?verbose")
    ready = health.code == 200
    print(f"API server: {'ready' if ready else 'not ready'} on {url} (process {pid})")
    for line in health.text.splitlines():
        if line.startswith("[-]"):
            print(f"  {line}")
    for line in (*_components(state), *(_cluster(administrator) if ready else ())):
        print(line)
    print(f"Data: {places.root}\nLogs: {places.logs}\nKubeconfig: {state.get('kubeconfig', '')}")
    return 0 if ready else 1


def _ask(administrator: Administrator, path: str) -> Answer:
    connection = administrator.connect()
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    except OSError as e:
        return Answer(0, f"[-]no answer: {e}")
    finally:
        connection.close()


def _components(state: dict[str, Any]) -> Iterator[str]:
    components = state.get("components") or ()
    if components:
        yield "Components:"
    for component in components:
        alive = "running" if is_alive(component["pid"]) else "ended"
        restarts = f", started again {component['restarts']} times" if component["restarts"] else ""
        yield f"  {component['name']:<12} {alive} (process {component['pid']}{restarts})"


def _cluster(administrator: Administrator) -> Iterator[str]:
    yield from _leaders(administrator)
    known = _items(administrator, nodes.PATH)
    if known:
        yield f"Nodes: {sum(nodes.ready(node) for node in known)} of {len(known)} ready"
    lag = lag_quantile(_ask(administrator, "/metrics").text, 0.99)
    if lag is not None:
        yield f"API server's loop lag: 99 % within {lag * 1000:g} ms"


def _leaders(administrator: Administrator) -> Iterator[str]:
    names = [part.lease for part in PARTS if part.lease]
    leases = {lease["metadata"]["name"]: lease["spec"] for lease in _items(administrator, LEASES)}
    found = [name for name in names if leases.get(name, {}).get("holderIdentity")]
    if found:
        yield "Leaders:"
    for name in found:
        renewed = datetime.fromisoformat(leases[name]["renewTime"]).timestamp()
        yield f"  {name}: {leases[name]['holderIdentity']}, renewed {max(time.time() - renewed, 0):.0f} s ago"


def _items(administrator: Administrator, path: str) -> list[Any]:
    answer = _ask(administrator, path)
    return list(json.loads(answer.text).get("items") or ()) if answer.code == 200 else []


def lag_quantile(metrics: str, quantile: float) -> float | None:
    """Seconds within which that share of the loop's turns came; None when nothing was measured yet."""
    buckets = [(float(bound), int(count)) for bound, count in LAG_BUCKET.findall(metrics)]
    if not buckets or not buckets[-1][1]:
        return None
    wanted = quantile * buckets[-1][1]
    return next((bound for bound, count in buckets if count >= wanted), None)
