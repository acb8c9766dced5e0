"""Plays scheduler and kubelets for all scenes at once: binds pods, runs them, ends them as their scene says."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.target import Target
from conformance.workloads.api import MERGE, Api

EVERY = 0.4  # seconds
INDEX = "batch.kubernetes.io/job-completion-index"
CODES = {"succeed": 0, "fail": 42}
Pod = dict[str, Any]


def _now(back: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=back)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _node(pod: Pod) -> str:
    """Daemon pods name their node; all others go to the first one."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            return str(field["values"][0])
    return "node-1"


class Player:
    """`scenes`: namespace → its scene. A thread of its own between `start` and `stop`."""

    def __init__(self, target: Target, scenes: dict[str, dict[str, Any]]) -> None:
        self._api = Api(target)
        self._scenes = scenes
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="player")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._api.close()

    def _run(self) -> None:
        while not self._stopped.wait(EVERY):
            for pod in self._api.items("v1/pods"):
                scene = self._scenes.get(pod["metadata"]["namespace"])
                if scene is not None:
                    self._play(pod, scene)

    def _play(self, pod: Pod, scene: dict[str, Any]) -> None:
        phase = pod["status"].get("phase")
        index = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
        fate = scene.get("by-index", {}).get(index) or scene.get("pods", "run")
        if pod["metadata"].get("deletionTimestamp"):
            self._api.send("DELETE", self._path(pod), {"gracePeriodSeconds": 0})
        elif phase == "Running" and fate in CODES:
            self._end(pod, CODES[fate])
        elif phase == "Pending" and fate != "hold" and pod["spec"]["containers"][0]["image"] != "bad":
            self._start(pod)

    def _path(self, pod: Pod, subresource: str = "") -> str:
        meta = pod["metadata"]
        return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}" + (
            f"/{subresource}" if subresource else ""
        )

    def _start(self, pod: Pod) -> None:
        if not pod["spec"].get("nodeName"):
            name = pod["metadata"]["name"]
            target = {"apiVersion": "v1", "kind": "Node", "name": _node(pod)}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            self._api.send("POST", self._path(pod, "binding"), body)
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": _now()}
        self._set_status(pod, {"phase": "Running", "startTime": _now(), "conditions": [ready]})

    def _end(self, pod: Pod, code: int) -> None:
        ended = {"exitCode": code, "reason": "Ended", "startedAt": _now(), "finishedAt": _now()}
        container = {
            "name": "main",
            "image": "busybox",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended},
        }
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": _now()}
        phase = "Failed" if code else "Succeeded"
        self._set_status(pod, {"phase": phase, "containerStatuses": [container], "conditions": [ready]})

    def _set_status(self, pod: Pod, status: dict[str, Any]) -> None:
        self._api.send("PATCH", self._path(pod, "status"), {"status": status}, MERGE)
