"""What the API server itself changes in a pod that is written (upstream registry/core/pod/strategy.go)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.podspec.containers import all_containers, sub
from apiserver.api.validation.pod.profiles import APP_ARMOR_ANNOTATION, app_armor_field, app_armor_profile_errors
from apiserver.apimachinery.objects import Object

LISTED_METADATA = (
    "deletionTimestamp",
    "generation",
    "selfLink",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
)


def apply_scheduling_gated(pod: Object, now: str) -> None:
    """A pod with scheduling gates says that it waits for them."""
    if not pod["spec"].get("schedulingGates"):
        return
    pod["status"]["conditions"] = [
        {
            "type": "PodScheduled",
            "status": "False",
            "lastProbeTime": None,
            "lastTransitionTime": now,
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }
    ]


def apply_label_keys(pod: Object) -> None:
    """matchLabelKeys and mismatchLabelKeys become requirements with the pod's own label values."""
    labels = pod["metadata"].get("labels") or {}
    affinity = pod["spec"].get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for weighted in terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
            _apply_to_term(weighted.get("podAffinityTerm") or {}, labels)
        for term in terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            _apply_to_term(term, labels)
    for constraint in pod["spec"].get("topologySpreadConstraints") or ():
        if constraint.get("labelSelector") is not None:
            _add_requirements(constraint["labelSelector"], constraint.get("matchLabelKeys") or (), "In", labels)


def _apply_to_term(term: Object, labels: Object) -> None:
    selector = term.get("labelSelector")
    if selector is not None:
        _add_requirements(selector, term.get("matchLabelKeys") or (), "In", labels)
        _add_requirements(selector, term.get("mismatchLabelKeys") or (), "NotIn", labels)


def _add_requirements(selector: Object, keys: Sequence[str], operator: str, labels: Object) -> None:
    added = [{"key": key, "operator": operator, "values": [labels[key]]} for key in keys if key in labels]
    if added:
        selector["matchExpressions"] = [*(selector.get("matchExpressions") or ()), *added]


def apply_app_armor_skew(pod: Object) -> Iterator[str]:
    """Old AppArmor annotations fill the field where it is not set; yields the warnings."""
    spec = pod["spec"]
    if sub(spec, "os").get("name") == "windows":
        return
    annotations = pod["metadata"].get("annotations") or {}
    pod_profile = sub(spec, "securityContext").get("appArmorProfile")
    for container in all_containers(spec):
        key = APP_ARMOR_ANNOTATION + (container.get("name") or "")
        if key not in annotations or sub(container, "securityContext").get("appArmorProfile") is not None:
            continue
        profile = app_armor_field(annotations[key])
        if profile is not None and any(app_armor_profile_errors(profile, "")):
            profile = None
        if profile is not None and profile != pod_profile:
            container["securityContext"] = {**sub(container, "securityContext"), "appArmorProfile": profile}
        elif profile is not None:
            continue
        yield f'metadata.annotations[{key}]: deprecated since v1.30; use the "appArmorProfile" field instead'


def keep_observed_generations(status: Object, old: Object) -> None:
    """A client that does not know observedGeneration does not clear it."""
    if not status.get("observedGeneration") and old.get("observedGeneration"):
        status["observedGeneration"] = old["observedGeneration"]
    known: dict[str, list[int]] = {}
    for condition in old.get("conditions") or ():
        known.setdefault(condition.get("type") or "", []).append(condition.get("observedGeneration") or 0)
    for condition in status.get("conditions") or ():
        generations = known.get(condition.get("type") or "")
        generation = generations.pop(0) if generations else 0
        if generation and not condition.get("observedGeneration"):
            condition["observedGeneration"] = generation


def reset_metadata_for_status(meta: Object, old: Object) -> None:
    """Upstream metav1.ResetObjectMetaForStatus: managedFields stay as they come."""
    for field in LISTED_METADATA:
        if field in old:
            meta[field] = old[field]
        else:
            meta.pop(field, None)


def drop_non_resize_updates(pod: Object, old: Object) -> None:
    """Take everything but resources from the old pod; where containers do not match, leave it to validation."""
    spec, old_spec = pod["spec"], old["spec"]
    fields = ("containers", "initContainers")
    if any(len(spec.get(field) or ()) != len(old_spec.get(field) or ()) for field in fields):
        return
    resources = spec.get("resources")
    merged = {field: _merge_resources(spec.get(field) or [], old_spec.get(field) or []) for field in fields}
    spec = pod["spec"] = dict(old_spec)
    spec.pop("resources", None)
    if resources is not None:
        spec["resources"] = resources
    for field, containers in merged.items():
        if containers:
            spec[field] = containers
    if "status" in old:
        pod["status"] = old["status"]
    reset_metadata_for_status(pod["metadata"], old["metadata"])


def _merge_resources(containers: list[Object], old: list[Object]) -> list[Object]:
    merged = []
    for container, old_container in zip(containers, old, strict=True):
        if container.get("name") != old_container.get("name"):
            return containers
        kept = dict(old_container)
        for field in ("resources", "resizePolicy"):
            kept.pop(field, None)
            if container.get(field) is not None:
                kept[field] = container[field]
        merged.append(kept)
    return merged
