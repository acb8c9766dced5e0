"""What a JobSpec must look like, new and changed, alone and inside a CronJob (upstream pkg/apis/batch/validation)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.batch.labels import CONTROLLER_UID, JOB_NAME, LEGACY_CONTROLLER_UID, LEGACY_JOB_NAME
from apiserver.api.batch.policies import policies_errors
from apiserver.api.validation.internal import immutable_internal, label_selector
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.template import template_errors
from apiserver.api.validation.workloads import (
    immutable_selector,
    optional_non_negative,
    parsed_selector,
    selected_errors,
    shown_labels,
)
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required, too_long
from apiserver.apimachinery.object_meta import domain_prefixed_path_errors, immutable
from apiserver.apimachinery.objects import Object, copy, get, labels_of, name_of

COMPLETION_MODES = ("NonIndexed", "Indexed")
RESTART_POLICIES = ("OnFailure", "Never")
MAX_PARALLELISM = 100_000  # of Indexed Jobs: it bounds the length of status.completedIndexes
MAX_FAILED_INDEXES = 100_000
MANY_COMPLETIONS = 100_000
MAX_FOR_MANY = 10_000  # at once, and failed, where completions are many
MAX_MANAGED_BY = 63
COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)


def job_spec_errors(spec: Object, path: str, options: PodOptions, *, any_values: bool = False) -> Iterator[FieldError]:
    """Upstream ValidateJobSpec."""
    yield from bare_job_spec_errors(spec, path, options)
    selector = spec.get("selector")
    if selector is None:
        yield required(f"{path}.selector")
    yield from label_selector_errors(selector, f"{path}.selector", any_values=any_values)
    parsed = parsed_selector(selector)
    if parsed is not None:
        yield from selected_errors(parsed, spec["template"], f"{path}.template")


def bare_job_spec_errors(spec: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    """All but the selector."""
    yield from optional_non_negative(spec, COUNTS, path)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if (manager := spec.get("managedBy")) is not None:
        yield from domain_prefixed_path_errors(manager, f"{path}.managedBy")
        if formats.byte_length(manager) > MAX_MANAGED_BY:
            yield too_long(f"{path}.managedBy", MAX_MANAGED_BY)
    mode = spec.get("completionMode")
    if mode is not None and mode not in COMPLETION_MODES:
        yield not_supported(f"{path}.completionMode", mode, COMPLETION_MODES)
    if mode == "Indexed":
        yield from _indexed_errors(spec, path)
    elif mode in (None, "NonIndexed"):
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(field) is not None:
                yield invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    yield from policies_errors(spec, path)
    yield from template_errors(spec["template"], f"{path}.template", options)
    yield from _restart_policy_errors(spec, f"{path}.template.spec.restartPolicy")


def _indexed_errors(spec: Object, path: str) -> Iterator[FieldError]:
    completions, parallelism, failed = spec.get("completions"), spec.get("parallelism"), spec.get("maxFailedIndexes")
    if completions is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > MAX_PARALLELISM:
        message = f"must be less than or equal to {MAX_PARALLELISM} when completion mode is Indexed"
        yield invalid(f"{path}.parallelism", parallelism, message)
    if completions is not None and failed is not None and failed > completions:
        yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > MAX_FAILED_INDEXES:
        yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {MAX_FAILED_INDEXES}")
    if (completions or 0) > MANY_COMPLETIONS and spec.get("backoffLimitPerIndex") is not None:
        yield from _many_errors(parallelism, failed, path)


def _many_errors(parallelism: int | None, failed: int | None, path: str) -> Iterator[FieldError]:
    if failed is None:
        yield required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {MANY_COMPLETIONS}")
    message = (
        f"must be less than or equal to {MAX_FOR_MANY} when completions are above {MANY_COMPLETIONS} and used with backoff "
        "limit per index"
    )
    for field, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
        if value is not None and value > MAX_FOR_MANY:
            yield invalid(f"{path}.{field}", value, message)


def _restart_policy_errors(spec: Object, path: str) -> Iterator[FieldError]:
    policy = get(spec, "template", "spec", "restartPolicy", default="")
    if policy in ("", "Always"):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in RESTART_POLICIES:
        yield not_supported(path, policy, RESTART_POLICIES)
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


# The whole Job


def generated_selector_errors(job: Object, *, prefixed: bool = True) -> Iterator[FieldError]:
    """A selector that was asked to be generated is what generation makes (upstream validateGeneratedSelector)."""
    spec, meta = job["spec"], job["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    uid, name = meta.get("uid") or "", name_of(job)
    if not uid:
        yield required("metadata.uid")
    expected = {LEGACY_CONTROLLER_UID: uid, LEGACY_JOB_NAME: name}
    if prefixed:
        expected.update({CONTROLLER_UID: uid, JOB_NAME: name})
    labels = labels_of(spec["template"])
    for label, value in expected.items():
        here = f"spec.template.metadata.labels[{label}]"
        if label not in labels:
            yield required(here, f"must be '{value}'")
        elif labels[label] != value:
            yield invalid(here, shown_labels(labels), f"must be '{value}'")
    parsed = parsed_selector(spec["selector"])
    if parsed is not None and not parsed.matches(expected):
        yield invalid("spec.selector", label_selector(spec["selector"]), "`selector` not auto-generated")


def host_name_errors(job: Object) -> Iterator[FieldError]:
    """Pods of an Indexed Job carry its name and their index as their host name."""
    spec, name = job["spec"], name_of(job)
    completions = spec.get("completions") or 0
    if spec.get("completionMode") != "Indexed" or completions <= 0:
        return
    longest = f"{name}-{completions - 1}"
    if any(formats.dns1123_label(longest)):
        yield invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {longest}")


def job_update_errors(job: Object, old: Object, options: PodOptions, *, any_values: bool) -> Iterator[FieldError]:
    """The rest of upstream ValidateJobUpdate: most of a Job is for good."""
    spec, old_spec = job["spec"], old["spec"]
    yield from job_spec_errors(spec, "spec", options, any_values=any_values)
    yield from _completions_update_errors(spec, old_spec, "spec.completions")
    yield from immutable_selector(spec.get("selector"), old_spec.get("selector"), "spec.selector")
    yield from _template_update_errors(spec, old)
    yield from immutable(spec.get("completionMode"), old_spec.get("completionMode"), "spec.completionMode")
    failure = (spec.get("podFailurePolicy"), old_spec.get("podFailurePolicy"))
    yield from immutable_internal(*failure, "*PodFailurePolicy", "spec.podFailurePolicy")
    for field in ("backoffLimitPerIndex", "managedBy"):
        yield from immutable(spec.get(field), old_spec.get(field), f"spec.{field}")
    success = (spec.get("successPolicy"), old_spec.get("successPolicy"))
    yield from immutable_internal(*success, "*SuccessPolicy", "spec.successPolicy")
    yield from host_name_errors(job)


def _completions_update_errors(spec: Object, old: Object, path: str) -> Iterator[FieldError]:
    completions = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        yield from immutable(completions, old.get("completions"), path)
    elif completions is not None and completions not in (old.get("completions"), spec.get("parallelism")):
        yield invalid(path, completions, "can only be modified in tandem with spec.parallelism")


def _template_update_errors(spec: Object, old: Object) -> Iterator[FieldError]:
    """While a Job is suspended and none of its pods runs, where pods go and what they need may still change."""
    template, old_template = spec["template"], old["spec"]["template"]
    mutable = _is_at_rest(old)
    if mutable:
        old_template = _with_directives_of(template, old_template)
    if not old["spec"].get("suspend") or not mutable:
        yield from immutable_internal(template, old_template, "PodTemplateSpec", "spec.template")
        return
    pod, old_pod = template.get("spec") or {}, _with_resources_of(template.get("spec") or {}, old_template["spec"])
    yield from immutable_internal(pod, old_pod, "PodSpec", "spec.template.spec")


def _is_at_rest(job: Object) -> bool:
    """Upstream shouldAllowMutablePodTemplate."""
    status = job.get("status") or {}
    suspended = any(c.get("type") == "Suspended" and c.get("status") == "True" for c in status.get("conditions") or ())
    rested = status.get("startTime") is None or suspended
    return bool(job["spec"].get("suspend")) and rested and not status.get("active")


def _with_directives_of(template: Object, old: Object) -> Object:
    """The old template with what may change of where its pods go."""
    made: Object = copy(old)
    pod, made_pod = template.get("spec") or {}, made.setdefault("spec", {})
    _set(made_pod, "affinity", _affinity_of(pod.get("affinity"), made_pod.get("affinity")))
    for field in ("nodeSelector", "tolerations", "schedulingGates"):
        _set(made_pod, field, pod.get(field))
    for field in ("annotations", "labels"):
        _set(made.setdefault("metadata", {}), field, (template.get("metadata") or {}).get(field))
    return made


def _affinity_of(new: Object | None, old: Object | None) -> Object | None:
    """The old affinity with the new one's node affinity; nothing where nothing is left of it."""
    if new is None and old is None:
        return None
    made = {k: v for k, v in (old or {}).items() if k != "nodeAffinity"}
    if new is not None and new.get("nodeAffinity") is not None:
        made["nodeAffinity"] = new["nodeAffinity"]
    return made if made or new is not None else None


def _with_resources_of(pod: Object, old: Object) -> Object:
    """The old pod with the resources of the new one's containers, where these are the same ones."""
    made: Object = copy(old)
    for field in ("containers", "initContainers"):
        containers, old_containers = pod.get(field) or [], made.get(field) or []
        if len(containers) == len(old_containers):
            for container, old_container in zip(containers, old_containers, strict=True):
                if container.get("name") == old_container.get("name"):
                    _set(old_container, "resources", container.get("resources"))
    return made


def _set(target: Object, field: str, value: object) -> None:
    if value is None:
        target.pop(field, None)
    else:
        target[field] = value
