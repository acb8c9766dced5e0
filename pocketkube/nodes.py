"""When a new cluster's nodes can take pods: they are Ready and the controllers have taken their taint away."""

from __future__ import annotations

import json
import time
from typing import Any

from pocketkube.addons import Administrator
from pocketkube.errors import LauncherError

PATH = "/api/v1/nodes"
POLL = 0.03
PATIENCE = 30.0
NOT_READY = "node.kubernetes.io/not-ready"


def ready(node: dict[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def takes_pods(node: dict[str, Any]) -> bool:
    """Ready, and not tainted as one that is not."""
    return ready(node) and all(taint["key"] != NOT_READY for taint in node["spec"].get("taints") or ())


def enough(answer: bytes, wanted: int) -> bool:
    """Whether a list of nodes has `wanted` that take pods."""
    return sum(takes_pods(node) for node in json.loads(answer).get("items") or ()) >= wanted


def wait(administrator: Administrator, wanted: int) -> None:
    """Return when that many nodes take pods. Raises LauncherError."""
    deadline = time.monotonic() + PATIENCE
    connection = administrator.connect()
    try:
        while True:
            connection.request("GET", PATH)
            if enough(connection.getresponse().read(), wanted):
                return
            if time.monotonic() > deadline:
                raise LauncherError(f"the nodes are not ready after {PATIENCE:.0f} s")
            time.sleep(POLL)
    except OSError as e:
        raise LauncherError(f"the API server does not answer: {e}") from e
    finally:
        connection.close()
