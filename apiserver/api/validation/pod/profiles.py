"""Seccomp and AppArmor profiles: fields, old annotations, and that both say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apiserver.api.podspec.containers import all_containers, sub, with_paths
from apiserver.api.validation.pod.paths import descending_path_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    field_forbidden,
    go_value,
    invalid,
    not_supported,
    required,
    too_long,
)
from apiserver.apimachinery.objects import Object

APP_ARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
MAX_LOCALHOST_PROFILE = 4095  # PATH_MAX - 1

_LOCALHOST = "localhost/"


def app_armor_field(annotation: str) -> Object | None:
    """The appArmorProfile an annotation stands for."""
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation == "runtime/default":
        return {"type": "RuntimeDefault"}
    if annotation.startswith(_LOCALHOST) and annotation != _LOCALHOST:
        return {"type": "Localhost", "localhostProfile": annotation.removeprefix(_LOCALHOST)}
    return None


def app_armor_profile_errors(profile: Object | None, path: str) -> Iterator[FieldError]:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if kind == "Localhost":
        yield from _localhost_profile_errors(local, f"{path}.localhostProfile")
    elif kind in PROFILE_TYPES:
        if local is not None:
            yield invalid(f"{path}.localhostProfile", local, "can only be set when AppArmor type is Localhost")
    elif not kind:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    else:
        yield not_supported(f"{path}.type", kind, PROFILE_TYPES)


def _localhost_profile_errors(local: str | None, path: str) -> Iterator[FieldError]:
    if local is None:
        yield required(path, "must be set when AppArmor type is Localhost")
        return
    if local.strip() != local:
        yield invalid(path, local, "must not be padded with whitespace")
    elif not local:
        yield required(path, "must be set when AppArmor type is Localhost")
    if formats.byte_length(local) > MAX_LOCALHOST_PROFILE:
        yield too_long(path, MAX_LOCALHOST_PROFILE)


def app_armor_annotations_errors(annotations: Mapping[str, str], spec: Object, path: str) -> Iterator[FieldError]:
    for key, profile in annotations.items():
        if not key.startswith(APP_ARMOR_ANNOTATION):
            continue
        container = key.removeprefix(APP_ARMOR_ANNOTATION)
        if not any(c.get("name") == container for c in all_containers(spec)):
            yield invalid(f"{path}[{key}]", container, "container not found")
        if profile not in ("", "runtime/default", "unconfined") and not profile.startswith(_LOCALHOST):
            yield invalid(f"{path}[{key}]", profile, f"invalid AppArmor profile name: {go_value(profile)}")


def app_armor_match_errors(annotations: Mapping[str, str], spec: Object, path: str) -> Iterator[FieldError]:
    """On create, annotation and field must agree."""
    if sub(spec, "os").get("name") == "windows":
        return
    pod_profile = sub(spec, "securityContext").get("appArmorProfile")
    for container, here in with_paths(spec, path):
        profile = sub(container, "securityContext").get("appArmorProfile") or pod_profile
        annotation = annotations.get(APP_ARMOR_ANNOTATION + (container.get("name") or ""))
        if profile is not None and annotation is not None:
            yield from _match_errors(
                annotation, profile, f"{here}.securityContext.appArmorProfile", "apparmor", ("runtime/default",)
            )


def seccomp_field_errors(profile: Object | None, path: str) -> Iterator[FieldError]:
    if profile is None:
        return
    kind, local = profile.get("type") or "", profile.get("localhostProfile")
    if not kind:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in PROFILE_TYPES:
        yield not_supported(f"{path}.type", kind, PROFILE_TYPES)
    if kind == "Localhost":
        if local is None:
            yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from descending_path_errors(local, f"{path}.localhostProfile")
    elif local is not None:
        shown = {"Type": kind, "LocalhostProfile": local}
        yield invalid(f"{path}.localhostProfile", shown, "can only be set when seccomp type is Localhost")


def seccomp_annotations_errors(annotations: Mapping[str, str], path: str) -> Iterator[FieldError]:
    if SECCOMP_POD_ANNOTATION in annotations:
        yield from _seccomp_name_errors(annotations[SECCOMP_POD_ANNOTATION], f"{path}.{SECCOMP_POD_ANNOTATION}")
    for key, profile in annotations.items():
        if key.startswith(SECCOMP_CONTAINER_ANNOTATION):
            yield from _seccomp_name_errors(profile, f"{path}.{key}")


def _seccomp_name_errors(profile: str, path: str) -> Iterator[FieldError]:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return
    if profile.startswith(_LOCALHOST):
        yield from descending_path_errors(profile.removeprefix(_LOCALHOST), path)
    else:
        yield invalid(path, profile, "must be a valid seccomp profile")


def seccomp_match_errors(annotations: Mapping[str, str], spec: Object, path: str) -> Iterator[FieldError]:
    defaults = ("runtime/default", "docker/default")
    profile = sub(spec, "securityContext").get("seccompProfile")
    annotation = annotations.get(SECCOMP_POD_ANNOTATION)
    if profile is not None and annotation is not None:
        yield from _match_errors(annotation, profile, f"{path}.securityContext.seccompProfile", "seccomp", defaults)
    for container, here in with_paths(spec, path):
        profile = sub(container, "securityContext").get("seccompProfile")
        annotation = annotations.get(SECCOMP_CONTAINER_ANNOTATION + (container.get("name") or ""))
        if profile is not None and annotation is not None:
            yield from _match_errors(annotation, profile, f"{here}.securityContext.seccompProfile", "seccomp", defaults)


def _match_errors(
    annotation: str, profile: Object, path: str, word: str, defaults: tuple[str, ...]
) -> Iterator[FieldError]:
    kind = profile.get("type")
    accepted = {"Unconfined": ("unconfined",), "RuntimeDefault": defaults}.get(kind or "")
    if accepted is not None:
        if annotation not in accepted:
            yield field_forbidden(f"{path}.type", f"{word} type in annotation and field must match")
    elif kind == "Localhost":
        if not annotation.startswith(_LOCALHOST):
            yield field_forbidden(f"{path}.type", f"{word} type in annotation and field must match")
        elif annotation.removeprefix(_LOCALHOST) != profile.get("localhostProfile"):
            yield field_forbidden(f"{path}.localhostProfile", f"{word} profile in annotation and field must match")
