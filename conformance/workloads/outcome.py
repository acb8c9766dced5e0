"""What is left after the scenes, with all that is chance or clock replaced, and what differs between two such ends."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from conformance.workloads.api import Api

RESOURCES = (
    "apps/v1/deployments",
    "apps/v1/replicasets",
    "apps/v1/statefulsets",
    "apps/v1/daemonsets",
    "apps/v1/controllerrevisions",
    "batch/v1/jobs",
    "batch/v1/cronjobs",
    "policy/v1/poddisruptionbudgets",
    "autoscaling/v2/horizontalpodautoscalers",
    "v1/replicationcontrollers",
    "v1/persistentvolumeclaims",
    "v1/pods",
)
# Fields that are the server's or chance, and the player's part of pods.
DROPPED = frozenset({"uid", "resourceVersion", "managedFields", "creationTimestamp", "selfLink"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)")
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CHANCE = re.compile(r"\b(web|work(?:-\d+)?|tick-MINUTE)-[bcdfghjklmnpqrstvwxz2456789]{5}\b")
_MINUTE = re.compile(r"\btick-\d{8}\b")
Outcome = dict[str, list[str]]


def _template_hashes(objects: list[dict[str, Any]]) -> list[str]:
    """Hashes of pod templates: those of Deployments and DaemonSets are not upstream's to the bit."""
    found = set()
    for obj in objects:
        labels = obj["metadata"].get("labels") or {}
        found.add(labels.get("pod-template-hash", ""))
        if obj.get("data"):
            found.add(labels.get("controller-revision-hash", ""))
    return sorted(found - {""}, key=len, reverse=True)


class _Mask:
    def __init__(self, hashes: list[str]) -> None:
        self._hashes = re.compile("|".join(rf"\b{re.escape(h)}\b" for h in hashes) or r"(?!)")

    def text(self, text: str) -> str:
        text = _UID.sub("UID", _TIME.sub("TIME", text))
        text = self._hashes.sub("HASH", _MINUTE.sub("tick-MINUTE", text))
        text = re.sub(r"\bweb-HASH-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "web-HASH-CHANCE", text)
        return _CHANCE.sub(r"\1-CHANCE", text)

    def value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(key): self.value(each) for key, each in value.items() if key not in DROPPED}
        if isinstance(value, list):
            masked = [self.value(each) for each in value]
            # Conditions are keyed by type, and stand in the order of their last change: a race on a busy machine.
            keyed = all(isinstance(each, dict) and {"type", "status"} <= each.keys() for each in masked)
            return sorted(masked, key=lambda each: str(each["type"])) if keyed else masked
        return self.text(value) if isinstance(value, str) else value


def _of_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """A pod without what the player did to it, and without the token's volume, which has a random name."""
    spec = {key: value for key, value in pod["spec"].items() if key not in ("nodeName", "volumes")}
    spec["containers"] = [{k: v for k, v in c.items() if k != "volumeMounts"} for c in spec["containers"]]
    claims = [v for v in pod["spec"].get("volumes") or () if "persistentVolumeClaim" in v]
    meta = {key: value for key, value in pod["metadata"].items() if key not in ("generation",)}
    return {"metadata": meta, "spec": {**spec, "claims": claims}, "phase": pod["status"].get("phase")}


def gather(api: Api, namespaces: frozenset[str]) -> Outcome:
    """Objects and events of the scenes, by `scene resource`, each as one line of JSON."""
    by_resource = {
        resource: [obj for obj in api.items(resource) if obj["metadata"]["namespace"] in namespaces]
        for resource in RESOURCES
    }
    mask = _Mask(_template_hashes([obj for objects in by_resource.values() for obj in objects]))
    lines: dict[str, list[str]] = {}
    for resource, objects in by_resource.items():
        for obj in objects:
            shown = _of_pod(obj) if resource == "v1/pods" else obj
            key = f"{obj['metadata']['namespace']} {resource.rpartition('/')[2]}"
            lines.setdefault(key, []).append(json.dumps(mask.value(shown), sort_keys=True))
    for event in api.items("v1/events"):
        namespace, about = event["metadata"]["namespace"], event["involvedObject"]
        if namespace in namespaces:
            what = [about["kind"], about.get("apiVersion"), event["type"], event["reason"]]
            what += [event.get("source"), event.get("reportingComponent"), event["message"]]
            line = json.dumps(mask.value(what), sort_keys=True)
            if line not in lines.setdefault(f"{namespace} events", []):
                lines[f"{namespace} events"].append(line)
    return {key: sorted(each) for key, each in lines.items()}


def differences(theirs: Outcome, ours: Outcome) -> Iterator[str]:
    """One line for each object or event that only one side has; for a pair that differs in fields, the fields."""
    for key in sorted({*theirs, *ours}):
        left, right = Counter(theirs.get(key, ())), Counter(ours.get(key, ()))
        only_theirs, only_ours = sorted((left - right).elements()), sorted((right - left).elements())
        if key.endswith(" events") or len(only_theirs) != len(only_ours):
            yield from (f"{key}: only theirs: {line}" for line in only_theirs)
            yield from (f"{key}: only ours: {line}" for line in only_ours)
            continue
        for one, other in zip(only_theirs, only_ours, strict=True):
            a, b = dict(_leaves(json.loads(one))), dict(_leaves(json.loads(other)))
            for path in sorted({*a, *b}):
                if a.get(path) != b.get(path):
                    yield f"{key}: {path}: theirs {a.get(path)!r}, ours {b.get(path)!r}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for i, each in enumerate(value):
            yield from _leaves(each, f"{path}[{i}]")
    else:
        yield path, value
