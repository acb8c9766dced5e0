"""What a StatefulSetSpec must look like (upstream pkg/apis/apps/validation, ValidateStatefulSetSpec and its update)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.validation.int_or_percent import int_or_percent_errors, over_100_percent_errors
from apiserver.api.validation.internal import immutable_internal, internal, label_selector
from apiserver.api.validation.pod.annotations import annotations_specific_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.template import template_errors
from apiserver.api.validation.volume_claims import claim_spec_errors
from apiserver.api.validation.workloads import (
    amount,
    immutable_selector,
    long_running_errors,
    optional_non_negative,
    parsed_selector,
    required_selector_errors,
    selected_errors,
)
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.object_meta import annotations_errors, immutable, labels_errors, non_negative
from apiserver.apimachinery.objects import Object, annotations_of, labels_of

POD_MANAGEMENT = ("OrderedReady", "Parallel")
RETENTION = ("Retain", "Delete")


def statefulset_spec_errors(spec: Object, old: Object | None, options: PodOptions) -> Iterator[FieldError]:
    """A stored spec (`old`) that is wrong already exempts the template from being looked at."""
    if old is None:
        yield from _spec_errors(spec, options, new=True, check_template=True)
        return
    stored_is_right = not any(_spec_errors(old, options, new=False, check_template=True))
    yield from _spec_errors(spec, options, new=False, check_template=stored_is_right)
    yield from immutable_selector(spec.get("selector"), old.get("selector"), "spec.selector")
    claims, path = "volumeClaimTemplates", "spec.volumeClaimTemplates"
    yield from immutable_internal(spec.get(claims), old.get(claims), "[]PersistentVolumeClaim", path)
    for field in ("serviceName", "podManagementPolicy"):
        yield from immutable(spec.get(field) or "", old.get(field) or "", f"spec.{field}")


def _spec_errors(spec: Object, options: PodOptions, *, new: bool, check_template: bool) -> Iterator[FieldError]:
    yield from _management_errors(spec.get("podManagementPolicy") or "", "spec.podManagementPolicy")
    yield from _update_strategy_errors(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    for field in ("whenDeleted", "whenScaled"):
        policy = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get(field)
        if policy not in RETENTION:
            yield not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{field}", policy or "", RETENTION)
    if new:
        for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            yield from claim_spec_errors(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{i}].spec")
    yield from optional_non_negative(spec, ("replicas", "minReadySeconds"), "spec")
    yield from non_negative((spec.get("ordinals") or {}).get("start") or 0, "spec.ordinals.start")
    if new and spec.get("serviceName"):
        for message in formats.dns1123_label(spec["serviceName"]):
            yield invalid("spec.serviceName", spec["serviceName"], message)
    yield from required_selector_errors(spec.get("selector"), "spec.selector", "statefulset")
    yield from _selected_template_errors(spec, options, check_template)
    yield from long_running_errors(spec["template"], "spec.template", "StatefulSet")


def _management_errors(policy: str, path: str) -> Iterator[FieldError]:
    if not policy:
        yield required(path)
    elif policy not in POD_MANAGEMENT:
        yield invalid(path, policy, "must be 'OrderedReady' or 'Parallel'")


def _update_strategy_errors(strategy: Object, path: str) -> Iterator[FieldError]:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    shown = internal(strategy, "StatefulSetUpdateStrategy")
    if not kind:
        yield required(path)
    elif kind == "OnDelete":
        if rolling is not None:
            yield invalid(
                f"{path}.rollingUpdate", shown["RollingUpdate"], "only allowed for updateStrategy 'RollingUpdate'"
            )
    elif kind == "RollingUpdate":
        if rolling is not None:
            yield from _rolling_errors(rolling, f"{path}.rollingUpdate")
    else:
        yield invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _rolling_errors(rolling: Object, path: str) -> Iterator[FieldError]:
    yield from non_negative(rolling.get("partition") or 0, f"{path}.partition")
    unavailable, path = rolling.get("maxUnavailable"), f"{path}.maxUnavailable"
    if unavailable is None:
        return
    yield from int_or_percent_errors(unavailable, path)
    if amount(unavailable) == 0:
        yield invalid(path, unavailable, "cannot be 0")
    yield from over_100_percent_errors(unavailable, path)


def _selected_template_errors(spec: Object, options: PodOptions, check_template: bool) -> Iterator[FieldError]:
    selector, path = parsed_selector(spec.get("selector")), "spec.template"
    if selector is None:
        yield invalid("spec.selector", label_selector(spec["selector"]), "")
        return
    template = _as_pods_get_it(spec)
    if spec.get("selector") is None or not selector.empty:
        yield from selected_errors(selector, template, path)
    if check_template:
        yield from template_errors(template, path, options)
    # Upstream says these twice.
    yield from labels_errors(labels_of(template), f"{path}.labels")
    yield from annotations_errors(annotations_of(template), f"{path}.annotations")
    pod_spec = template.get("spec") or {}
    yield from annotations_specific_errors(annotations_of(template), pod_spec, f"{path}.annotations", options)


def _as_pods_get_it(spec: Object) -> Object:
    """The template with what the controller sets: host names of its own, volumes for the claims."""
    template: Object = spec["template"]
    pod_spec = {k: v for k, v in (template.get("spec") or {}).items() if k not in ("subdomain", "hostname")}
    names = [claim["metadata"].get("name") or "" for claim in spec.get("volumeClaimTemplates") or ()]
    if names:
        volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(names)]
        volumes += [v for v in pod_spec.get("volumes") or () if v.get("name") not in names]
        pod_spec["volumes"] = volumes
    return {**template, "spec": pod_spec}
