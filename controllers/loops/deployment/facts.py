"""What a Deployment and its ReplicaSets amount to: pure functions (upstream pkg/controller/deployment/util)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.objects import Object

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
# Annotations of a Deployment that its ReplicaSets do not take over.
NOT_COPIED = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAXIMUM,
    ROLLBACK_TO,
)
HISTORY_LENGTH = 2000  # characters
NO_DEADLINE = 2**31 - 1  # progressDeadlineSeconds that means none; revisionHistoryLimit likewise


def replicas(obj: Object) -> int:
    count: int | None = obj["spec"].get("replicas")
    return 1 if count is None else count


def status_count(sets: Iterable[Object | None], field: str) -> int:
    return sum((s.get("status") or {}).get(field) or 0 for s in sets if s is not None)


def total_replicas(sets: Iterable[Object | None]) -> int:
    return sum(replicas(s) for s in sets if s is not None)


def active(sets: Iterable[Object | None]) -> list[Object]:
    return [s for s in sets if s is not None and replicas(s) > 0]


def same_template(left: Object, right: Object) -> bool:
    """Equal but for the hash label."""
    return _without_hash(left) == _without_hash(right)


def rollback_to(deployment: Object) -> int | None:
    """The revision that the old rollback annotation asks for (0: the last one), if it asks."""
    text = objects.annotations_of(deployment).get(ROLLBACK_TO, "")
    try:
        return int(text)
    except ValueError:
        return None


def _without_hash(template: Object) -> Object:
    made: Object = _plain(template)
    meta = made.get("metadata") or {}
    labels = {k: v for k, v in (meta.get("labels") or {}).items() if k != HASH_LABEL}
    meta = {k: v for k, v in {**meta, "labels": labels}.items() if v}
    return {**{k: v for k, v in made.items() if k != "metadata"}, "metadata": meta}


def _plain(value: Any) -> Any:
    """A value without nulls and empty lists: to Go they are nothing (apiequality.Semantic)."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if v is not None and v != []}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def created(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("creationTimestamp") or "", meta["name"]


def find_new(deployment: Object, sets: Sequence[Object]) -> Object | None:
    """The oldest set with the deployment's template: of several the others are leftovers."""
    for candidate in sorted(sets, key=created):
        if same_template(candidate["spec"]["template"], deployment["spec"]["template"]):
            return candidate
    return None


def revision(obj: Object) -> int:
    text = objects.annotations_of(obj).get(REVISION, "")
    try:
        return int(text or 0)
    except ValueError:
        return 0


def _strategy(deployment: Object) -> Object:
    return deployment["spec"].get("strategy") or {}


def is_rolling(deployment: Object) -> bool:
    return bool(_strategy(deployment).get("type", "RollingUpdate") == "RollingUpdate")


def _scaled(value: int | str | None, total: int, *, up: bool) -> int:
    if isinstance(value, str):
        share = int(value.removesuffix("%")) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return value or 0


def bounds(deployment: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; both zero would stand still, so one may then be unavailable."""
    rolling = _strategy(deployment).get("rollingUpdate") or {}
    total = replicas(deployment)
    surge = _scaled(rolling.get("maxSurge"), total, up=True)
    unavailable = _scaled(rolling.get("maxUnavailable"), total, up=False)
    return surge, 1 if surge == 0 and unavailable == 0 else unavailable


def max_surge(deployment: Object) -> int:
    return bounds(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    if not is_rolling(deployment) or replicas(deployment) == 0:
        return 0
    return min(bounds(deployment)[1], replicas(deployment))


def new_set_size(deployment: Object, sets: Sequence[Object | None], new: Object) -> int:
    """How large the new set may be now, given the surge (upstream NewRSNewReplicas)."""
    wanted = replicas(deployment)
    if not is_rolling(deployment):
        return wanted
    allowed = wanted + bounds(deployment)[0]
    current = total_replicas(sets)
    if current >= allowed:
        return replicas(new)
    return replicas(new) + min(allowed - current, wanted - replicas(new))


def is_saturated(deployment: Object, new: Object | None) -> bool:
    if new is None:
        return False
    desired = objects.annotations_of(new).get(DESIRED)
    wanted = replicas(deployment)
    available = (new.get("status") or {}).get("availableReplicas", 0)
    return replicas(new) == wanted and desired == str(wanted) and available == wanted


def active_or_latest(new: Object | None, old: Sequence[Object]) -> Object | None:
    """The only set that has pods, or the newest when none has; None when several have."""
    if new is None and not old:
        return None
    found = active([*old, new])
    if not found:
        return new if new is not None else max(old, key=created)
    return found[0] if len(found) == 1 else None


def is_complete(deployment: Object, status: Object) -> bool:
    wanted = replicas(deployment)
    counts = [status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")]
    seen: int = status.get("observedGeneration", 0)
    return counts == [wanted] * 3 and seen >= int(deployment["metadata"].get("generation", 0))


def is_progressing(deployment: Object, status: Object) -> bool:
    """More new pods, fewer old ones, more ready or available ones than last seen."""
    before = deployment.get("status") or {}

    def old_pods(s: Object) -> int:
        return int(s.get("replicas", 0)) - int(s.get("updatedReplicas", 0))

    return (
        status.get("updatedReplicas", 0) > before.get("updatedReplicas", 0)
        or old_pods(status) < old_pods(before)
        or status.get("readyReplicas", 0) > before.get("readyReplicas", 0)
        or status.get("availableReplicas", 0) > before.get("availableReplicas", 0)
    )


def has_deadline(deployment: Object) -> bool:
    return deployment["spec"].get("progressDeadlineSeconds") not in (None, NO_DEADLINE)


def find_condition(status: Object, kind: str) -> Object | None:
    return next((c for c in status.get("conditions") or () if c["type"] == kind), None)


def has_timed_out(deployment: Object, status: Object, now: float) -> bool:
    condition = find_condition(status, "Progressing")
    if condition is None or condition["reason"] == "NewReplicaSetAvailable":
        return False
    if condition["reason"] == "ProgressDeadlineExceeded":
        return True
    since = parse_rfc3339(condition["lastUpdateTime"])
    return bool(since + deployment["spec"]["progressDeadlineSeconds"] < now)


def set_condition(status: Object, kind: str, value: str, reason: str, message: str, now: str) -> None:
    """Put a condition; one with the same status and reason stays as it is (upstream SetDeploymentCondition)."""
    current = find_condition(status, kind)
    if current is not None and current["status"] == value and current["reason"] == reason:
        return
    changed = current["lastTransitionTime"] if current is not None and current["status"] == value else now
    drop_condition(status, kind)
    status.setdefault("conditions", []).append(
        {
            "type": kind,
            "status": value,
            "lastUpdateTime": now,
            "lastTransitionTime": changed,
            "reason": reason,
            "message": message,
        }
    )


def drop_condition(status: Object, kind: str) -> None:
    status["conditions"] = [c for c in status.get("conditions") or () if c["type"] != kind]
    if not status["conditions"]:
        del status["conditions"]


def annotate_sizes(replica_set: Object, deployment: Object) -> bool:
    """Note the sizes the set was last scaled for; whether that changed anything."""
    wanted = replicas(deployment)
    annotations = objects.metadata(replica_set).setdefault("annotations", {})
    noted = {DESIRED: str(wanted), MAXIMUM: str(wanted + max_surge(deployment))}
    if noted.items() <= annotations.items():
        return False
    annotations.update(noted)
    return True


def annotate_new_set(replica_set: Object, deployment: Object, new_revision: int, *, exists: bool) -> bool:
    """Bring the annotations of the new set up to date (upstream SetNewReplicaSetAnnotations)."""
    annotations: dict[str, Any] = objects.metadata(replica_set).setdefault("annotations", {})
    before = dict(annotations)
    annotations.update({k: v for k, v in objects.annotations_of(deployment).items() if k not in NOT_COPIED})
    old = before.get(REVISION, "")
    if revision(replica_set) < new_revision:
        annotations[REVISION] = str(new_revision)
        if exists and old:
            annotations[REVISION_HISTORY] = _longer_history(before.get(REVISION_HISTORY, ""), old)
    if not exists:
        annotate_sizes(replica_set, deployment)
    return annotations != before


def _longer_history(history: str, old: str) -> str:
    entries = [*filter(None, history.split(",")), old]
    while len(",".join(entries)) > HISTORY_LENGTH:
        entries.pop(0)
    return ",".join(entries)


def proportion(replica_set: Object, deployment: Object, to_add: int, added: int) -> int:
    """How many of the pods to add (or, negative, to remove) fall to this set (upstream GetReplicaSetProportion)."""
    if replicas(replica_set) == 0 or to_add == 0 or to_add == added:
        return 0
    share = _fraction(replica_set, deployment)
    left = to_add - added
    return min(share, left) if to_add > 0 else max(share, left)


def _fraction(replica_set: Object, deployment: Object) -> int:
    if replicas(deployment) == 0:
        return -replicas(replica_set)
    size = replicas(deployment) + max_surge(deployment)
    annotated = objects.annotations_of(replica_set).get(MAXIMUM, "")
    status = deployment.get("status") or {}
    before = int(annotated) if annotated.isdigit() and int(annotated) else status.get("replicas", 0)
    if not before:
        return 0
    exact = replicas(replica_set) * size / before
    return math.floor(exact + 0.5) - replicas(replica_set)
