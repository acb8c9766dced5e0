"""What a node and its pods use, as /stats/summary and /metrics/resource show it."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.node.kubelet import Kubelet
from kubelet.runtime.interface import ContainerStats

NANO = 1_000_000_000


async def _usage(kubelet: Kubelet) -> list[tuple[Object, list[ContainerStats]]]:
    found = []
    for pod in kubelet.active_pods():
        stats = await kubelet.context.runtime.stats(facts.uid_of(pod))
        if stats:
            found.append((pod, sorted(stats, key=lambda each: each.name)))
    return found


def _cpu(total: int, now: str, since: float, at: float) -> Object:
    rate = int(total / (at - since)) if at > since else 0
    return {"time": now, "usageNanoCores": rate, "usageCoreNanoSeconds": total}


def _memory(used: int, now: str) -> Object:
    return {"time": now, "usageBytes": used, "workingSetBytes": used, "rssBytes": used}


async def summary(kubelet: Kubelet) -> Object:
    at = kubelet.context.clock.now()
    now = rfc3339(at)
    pods: list[Object] = []
    cpu = memory = 0
    for pod, stats in await _usage(kubelet):
        meta = pod["metadata"]
        used, held = sum(each.cpu_nanoseconds for each in stats), sum(each.memory_bytes for each in stats)
        cpu, memory = cpu + used, memory + held
        since = min(each.started_at for each in stats)
        containers = [
            {
                "name": each.name,
                "startTime": rfc3339(each.started_at),
                "cpu": _cpu(each.cpu_nanoseconds, now, each.started_at, at),
                "memory": _memory(each.memory_bytes, now),
            }
            for each in stats
        ]
        pods.append(
            {
                "podRef": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
                "startTime": rfc3339(since),
                "containers": containers,
                "cpu": _cpu(used, now, since, at),
                "memory": _memory(held, now),
            }
        )
    node = {
        "nodeName": kubelet.identity.name,
        "startTime": rfc3339(kubelet.began),
        "cpu": _cpu(cpu, now, kubelet.began, at),
        "memory": _memory(memory, now),
    }
    return {"node": node, "pods": pods}


def _line(name: str, value: float, millis: int, **labels: str) -> str:
    shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value:g} {millis}" if shown else f"{name} {value:g} {millis}"


async def resource_metrics(kubelet: Kubelet) -> str:
    """Prometheus text, with the names metrics-server reads."""
    millis = int(kubelet.context.clock.now() * 1000)
    lines: dict[str, list[str]] = {
        name: []
        for name in (
            "container_cpu_usage_seconds_total",
            "container_memory_working_set_bytes",
            "pod_cpu_usage_seconds_total",
            "pod_memory_working_set_bytes",
        )
    }
    cpu = memory = 0
    for pod, stats in await _usage(kubelet):
        labels: dict[str, Any] = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
        for each in stats:
            own = {"container": each.name, **labels}
            lines["container_cpu_usage_seconds_total"].append(
                _line("container_cpu_usage_seconds_total", each.cpu_nanoseconds / NANO, millis, **own)
            )
            lines["container_memory_working_set_bytes"].append(
                _line("container_memory_working_set_bytes", each.memory_bytes, millis, **own)
            )
        used, held = sum(each.cpu_nanoseconds for each in stats), sum(each.memory_bytes for each in stats)
        cpu, memory = cpu + used, memory + held
        lines["pod_cpu_usage_seconds_total"].append(_line("pod_cpu_usage_seconds_total", used / NANO, millis, **labels))
        lines["pod_memory_working_set_bytes"].append(_line("pod_memory_working_set_bytes", held, millis, **labels))
    lines["node_cpu_usage_seconds_total"] = [_line("node_cpu_usage_seconds_total", cpu / NANO, millis)]
    lines["node_memory_working_set_bytes"] = [_line("node_memory_working_set_bytes", memory, millis)]
    text = []
    for name, found in lines.items():
        text += [f"# TYPE {name} {'counter' if name.endswith('total') else 'gauge'}", *found]
    text += ["# TYPE resource_scrape_error gauge", "resource_scrape_error 0"]
    return "\n".join(text) + "\n"
