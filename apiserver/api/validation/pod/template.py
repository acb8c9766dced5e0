"""A pod template inside another kind (upstream ValidatePodTemplateSpec)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.validation.pod.annotations import annotations_specific_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.profiles import app_armor_match_errors, seccomp_match_errors
from apiserver.api.validation.pod.spec import pod_spec_errors
from apiserver.apimachinery.errors import FieldError, field_forbidden
from apiserver.apimachinery.object_meta import annotations_errors, labels_errors
from apiserver.apimachinery.objects import Object, annotations_of


def template_options(old: Object | None) -> PodOptions:
    """Options for a template; `old` is the stored one."""
    if old is None:
        return PodOptions(is_pod=False)
    return PodOptions(old.get("spec") or {}, annotations_of(old), is_pod=False)


def template_errors(template: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    annotations = meta.get("annotations") or {}
    yield from labels_errors(meta.get("labels"), f"{path}.labels")
    yield from annotations_errors(annotations, f"{path}.annotations")
    yield from annotations_specific_errors(annotations, spec, f"{path}.annotations", options)
    yield from pod_spec_errors(spec, f"{path}.spec", options)
    if annotations:
        yield from seccomp_match_errors(annotations, spec, f"{path}.spec")
        yield from app_armor_match_errors(annotations, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        yield field_forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")
