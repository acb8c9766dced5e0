"""The kubelet's own figures as /metrics shows them: upstream's names where we have the number (pkg/kubelet/metrics)."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.node.kubelet import Kubelet

Sample = tuple[str, float]  # labels as written, value
STATES = ("created", "exited", "running", "unknown")
STARTED = time.time() - time.process_time()


async def own_metrics(kubelet: Kubelet) -> str:
    """Prometheus text. The process's figures are those of all nodes it carries."""
    runtime = kubelet.context.runtime
    sandboxes = {each.pod_uid for each in await runtime.sandboxes() if each.ready}
    states: Counter[str] = Counter(each.state for each in await runtime.containers())
    families = [
        _family("kubelet_active_pods", "gauge", _by_source(kubelet.active_pods())),
        _family("kubelet_node_name", "gauge", [(f'{{node="{kubelet.identity.name}"}}', 1)]),
        _family(
            "kubelet_running_containers",
            "gauge",
            [(f'{{container_state="{state}"}}', states[state]) for state in STATES if states[state]],
        ),
        _family("kubelet_running_pods", "gauge", [("", len(sandboxes))]),
        _family("process_cpu_seconds_total", "counter", [("", time.process_time())]),
        _family("process_resident_memory_bytes", "gauge", [("", _resident_bytes())]),
        _family("process_start_time_seconds", "gauge", [("", STARTED)]),
    ]
    return "".join(families)


def _by_source(pods: Iterable[Object]) -> list[Sample]:
    """Pods of the API and static ones, counted apart."""
    found = Counter(facts.is_static(pod) for pod in pods)
    return [('{static=""}', found[False]), ('{static="true"}', found[True])]


def _family(name: str, kind: str, samples: list[Sample]) -> str:
    lines = [f"# TYPE {name} {kind}", *(f"{name}{labels} {value!r}" for labels, value in samples)]
    return "\n".join(lines) + "\n"


def _resident_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
