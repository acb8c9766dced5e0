"""A pod that is created, and what every later validation of a pod repeats."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.podspec.containers import sub
from apiserver.api.validation.pod.annotations import annotations_specific_errors
from apiserver.api.validation.pod.containers import image_padding_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.profiles import app_armor_match_errors, seccomp_match_errors
from apiserver.api.validation.pod.spec import pod_spec_errors
from apiserver.apimachinery.errors import FieldError, field_forbidden
from apiserver.apimachinery.object_meta import non_negative
from apiserver.apimachinery.objects import Object, annotations_of


def pod_errors(pod: Object, options: PodOptions) -> Iterator[FieldError]:
    """Upstream ValidatePodCreate, metadata aside."""
    spec, annotations = pod["spec"], annotations_of(pod)
    yield from annotations_and_spec_errors(pod, options)
    if spec.get("ephemeralContainers"):
        yield field_forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield field_forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    if annotations:
        yield from seccomp_match_errors(annotations, spec, "spec")
        yield from app_armor_match_errors(annotations, spec, "spec")


def annotations_and_spec_errors(pod: Object, options: PodOptions) -> Iterator[FieldError]:
    """Upstream validatePodMetadataAndSpec, metadata aside."""
    spec = pod["spec"]
    yield from annotations_specific_errors(annotations_of(pod), spec, "metadata.annotations", options)
    yield from pod_spec_errors(spec, "spec", options, pod)
    if not spec.get("serviceAccountName"):
        yield from _token_errors(spec)
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None:
        yield from non_negative(grace, "spec.terminationGracePeriodSeconds")
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            yield from image_padding_errors(container, f"spec.{field}[{i}]")


def _token_errors(spec: Object) -> Iterator[FieldError]:
    for i, volume in enumerate(spec.get("volumes") or ()):
        for j, source in enumerate(sub(volume, "projected").get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                here = f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken"
                yield field_forbidden(here, "must not be specified when serviceAccountName is not set")
