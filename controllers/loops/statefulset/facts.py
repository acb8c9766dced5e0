"""What a StatefulSet and its pods say, and how its pods look: pure functions (upstream stateful_set_utils.go)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from apiserver.apimachinery import intstr, objects
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.ownership import controller_reference
from controllers.framework.revisions import REVISION_HASH

API_VERSION, KIND = "apps/v1", "StatefulSet"
POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


# The set


def replicas(stateful_set: Object) -> int:
    count: int = stateful_set["spec"].get("replicas", 1)
    return count


def start(stateful_set: Object) -> int:
    """The ordinal of the first pod."""
    first: int = (stateful_set["spec"].get("ordinals") or {}).get("start", 0)
    return first


def ordinals(stateful_set: Object) -> range:
    return range(start(stateful_set), start(stateful_set) + replicas(stateful_set))


def is_parallel(stateful_set: Object) -> bool:
    return bool(stateful_set["spec"].get("podManagementPolicy") == "Parallel")


def strategy(stateful_set: Object) -> str:
    return str((stateful_set["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate")


def rolling(stateful_set: Object) -> Object | None:
    return (stateful_set["spec"].get("updateStrategy") or {}).get("rollingUpdate")


def partition(stateful_set: Object) -> int:
    count: int = (rolling(stateful_set) or {}).get("partition") or 0
    return count


def max_unavailable(stateful_set: Object) -> int:
    value = (rolling(stateful_set) or {}).get("maxUnavailable", 1)
    return max(intstr.scaled(value, replicas(stateful_set), round_up=False), 1)


def min_ready(stateful_set: Object) -> int:
    seconds: int = stateful_set["spec"].get("minReadySeconds") or 0
    return seconds


# Its pods


def parent_and_ordinal(pod: Object) -> tuple[str, int]:
    """`web-3` is ("web", 3); a name of another form is ("", -1)."""
    match = _NAME.fullmatch(pod["metadata"]["name"])
    if match is None or int(match.group(2)) >= 2**31:
        return "", -1
    return match.group(1), int(match.group(2))


def ordinal(pod: Object) -> int:
    return parent_and_ordinal(pod)[1]


def is_member(stateful_set: Object, pod: Object) -> bool:
    return bool(parent_and_ordinal(pod)[0] == stateful_set["metadata"]["name"])


def revision(pod: Object) -> str:
    return objects.labels_of(pod).get(REVISION_HASH, "")


def is_created(pod: Object) -> bool:
    """Not one of our own that is still to be made."""
    return bool(pod_facts.phase(pod))


def is_over(pod: Object) -> bool:
    return pod_facts.phase(pod) in ("Failed", "Succeeded")


def is_terminating(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def runs_ready(pod: Object) -> bool:
    return pod_facts.phase(pod) == "Running" and pod_facts.is_ready(pod)


def is_available(stateful_set: Object, pod: Object, now: float) -> bool:
    return pod_facts.is_available(pod, min_ready(stateful_set), now)


def is_unavailable(stateful_set: Object, pod: Object, now: float) -> bool:
    return is_terminating(pod) or not is_available(stateful_set, pod, now)


def claim_name(stateful_set: Object, template: Object, index: int) -> str:
    return f"{template['metadata']['name']}-{stateful_set['metadata']['name']}-{index}"


def claim_templates(stateful_set: Object) -> list[Object]:
    return stateful_set["spec"].get("volumeClaimTemplates") or []


def claims(stateful_set: Object, pod: Object) -> list[Object]:
    """The claims of a pod, as they are to be made."""
    selected = stateful_set["spec"]["selector"].get("matchLabels") or {}
    found = []
    for template in claim_templates(stateful_set):
        claim = objects.copy(template)
        claim.pop("status", None)
        meta = claim["metadata"]
        meta["name"] = claim_name(stateful_set, template, ordinal(pod))
        meta["namespace"] = stateful_set["metadata"]["namespace"]
        if has := {**(meta.get("labels") or {}), **selected}:
            meta["labels"] = has
        found.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim})
    return found


def has_identity(stateful_set: Object, pod: Object) -> bool:
    return is_member(stateful_set, pod) and objects.labels_of(pod).get(POD_NAME) == pod["metadata"]["name"]


def has_storage(stateful_set: Object, pod: Object) -> bool:
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    return all(
        (volumes.get(template["metadata"]["name"], {}).get("persistentVolumeClaim") or {}).get("claimName")
        == claim_name(stateful_set, template, ordinal(pod))
        for template in claim_templates(stateful_set)
    )


def with_identity(pod: Object) -> Object:
    meta = pod["metadata"]
    marks = {POD_NAME: meta["name"], POD_INDEX: str(ordinal(pod))}
    return {**pod, "metadata": {**meta, "labels": {**(meta.get("labels") or {}), **marks}}}


def with_storage(stateful_set: Object, pod: Object) -> Object:
    """The pod with a volume for each claim, before those it has otherwise."""
    names = {t["metadata"]["name"]: claim_name(stateful_set, t, ordinal(pod)) for t in claim_templates(stateful_set)}
    volumes = [{"name": name, "persistentVolumeClaim": {"claimName": claim}} for name, claim in names.items()]
    volumes += [volume for volume in pod["spec"].get("volumes") or () if volume["name"] not in names]
    return {**pod, "spec": {**pod["spec"], "volumes": volumes}} if volumes else pod


def new_pod(stateful_set: Object, template: Object, index: int, revision_name: str) -> Object:
    """Pod `index` made from a template of the set's history."""
    pod = pod_facts.from_template(template, stateful_set, controller_reference(stateful_set, API_VERSION, KIND))
    meta = pod["metadata"]
    meta["name"] = f"{stateful_set['metadata']['name']}-{index}"
    meta["namespace"] = stateful_set["metadata"]["namespace"]
    meta["labels"] = {**meta.get("labels", {}), REVISION_HASH: revision_name}
    pod["spec"]["hostname"] = meta["name"]
    if stateful_set["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = stateful_set["spec"]["serviceName"]
    return with_storage(stateful_set, with_identity(pod))


def keeps_current(stateful_set: Object, index: int) -> bool:
    """Is a new pod of this ordinal made from the current revision, not from the update?"""
    if rolling(stateful_set) is not None:
        return index < start(stateful_set) + partition(stateful_set)
    current: int = (stateful_set.get("status") or {}).get("currentReplicas", 0)
    return strategy(stateful_set) == "RollingUpdate" and index < start(stateful_set) + current


# The status


def counts(stateful_set: Object, pods: Iterable[Object], current: str, update: str, now: float) -> dict[str, int]:
    found = dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"), 0)
    for pod in pods:
        if not is_created(pod):
            continue
        found["replicas"] += 1
        if runs_ready(pod):
            found["readyReplicas"] += 1
            found["availableReplicas"] += is_available(stateful_set, pod, now)
        if not is_terminating(pod):
            found["currentReplicas"] += revision(pod) == current
            found["updatedReplicas"] += revision(pod) == update
    return found


def complete(stateful_set: Object, status: dict[str, Any]) -> None:
    """When every pod is updated and ready, the update is the current revision."""
    wanted = replicas(stateful_set)
    if [status[field] for field in ("updatedReplicas", "readyReplicas", "replicas")] == [wanted] * 3:
        status["currentReplicas"] = status["updatedReplicas"]
        status["currentRevision"] = status["updateRevision"]


def plain_status(status: dict[str, Any]) -> dict[str, Any]:
    """The status as it goes over the wire: what Go leaves out when it is zero is left out."""
    kept = ("replicas", "availableReplicas", "collisionCount")
    return {name: value for name, value in status.items() if value or name in kept}
