"""Environment variables of containers."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.podspec.containers import with_paths
from apiserver.api.validation.pod.field_refs import ENV_FIELDS, field_ref_errors, resource_field_errors
from apiserver.api.validation.pod.names import label_errors
from apiserver.api.validation.pod.paths import backsteps_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_not_found, invalid, required
from apiserver.apimachinery.objects import Object

SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"


def env_errors(variables: list[Object], path: str) -> Iterator[FieldError]:
    for i, variable in enumerate(variables):
        here, name = f"{path}[{i}]", variable.get("name") or ""
        if not name:
            yield required(f"{here}.name")
        else:
            for message in formats.relaxed_env_var_name(name):
                yield invalid(f"{here}.name", name, message)
        if variable.get("valueFrom") is not None:
            yield from _value_from_errors(variable, f"{here}.valueFrom")


def _value_from_errors(variable: Object, path: str) -> Iterator[FieldError]:
    source = variable["valueFrom"]
    count = 0
    for field, check in _SOURCES.items():
        if source.get(field) is not None:
            count += 1
            yield from check(source[field], f"{path}.{field}")
    if not count:
        yield invalid(path, "", f"must specify one of: {SOURCES}")
    elif variable.get("value"):
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _env_field_errors(reference: Object, path: str) -> Iterator[FieldError]:
    return field_ref_errors(reference, ENV_FIELDS, path)


def _env_resource_errors(reference: Object, path: str) -> Iterator[FieldError]:
    return resource_field_errors(reference, path, in_volume=False)


def _key_selector_errors(selector: Object, path: str) -> Iterator[FieldError]:
    name, key = selector.get("name") or "", selector.get("key") or ""
    for message in formats.dns1123_subdomain(name):
        yield invalid(f"{path}.name", name, message)
    if not key:
        yield required(f"{path}.key")
    else:
        for message in formats.config_map_key(key):
            yield invalid(f"{path}.key", key, message)


def _file_key_errors(selector: Object, path: str) -> Iterator[FieldError]:
    key, volume, target = (selector.get(field) or "" for field in ("key", "volumeName", "path"))
    if not key:
        yield required(f"{path}.key")
    else:
        for message in formats.relaxed_env_var_name(key):
            yield invalid(f"{path}.key", key, message)
    if not volume:
        yield required(f"{path}.volumeName")
    else:
        yield from label_errors(volume, f"{path}.volumeName")
    if not target:
        yield required(f"{path}.path")
    else:
        yield from backsteps_errors(target, f"{path}.path")


_SOURCES = {
    "fieldRef": _env_field_errors,
    "resourceFieldRef": _env_resource_errors,
    "configMapKeyRef": _key_selector_errors,
    "secretKeyRef": _key_selector_errors,
    "fileKeyRef": _file_key_errors,
}


def env_from_errors(sources: list[Object], path: str) -> Iterator[FieldError]:
    for i, source in enumerate(sources):
        here, prefix = f"{path}[{i}]", source.get("prefix") or ""
        if prefix:
            for message in formats.relaxed_env_var_name(prefix):
                yield invalid(f"{here}.prefix", prefix, message)
        count = 0
        for field in ("configMapRef", "secretRef"):
            if source.get(field) is not None:
                count += 1
                yield from _env_source_errors(source[field], f"{here}.{field}")
        if not count:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif count > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")


def _env_source_errors(reference: Object, path: str) -> Iterator[FieldError]:
    name = reference.get("name") or ""
    if not name:
        yield required(f"{path}.name")
    else:
        for message in formats.subdomain_name(name, True):
            yield invalid(f"{path}.name", name, message)


def file_key_volumes_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Files that variables come from lie in emptyDir volumes."""
    volumes = {volume.get("name") or "": volume for volume in spec.get("volumes") or ()}
    for container, here in with_paths(spec, path):
        for i, variable in enumerate(container.get("env") or ()):
            reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if reference is None:
                continue
            name_path, name = f"{here}.env[{i}].valueFrom.fileKeyRef.volumeName", reference.get("volumeName") or ""
            if name not in volumes:
                yield field_not_found(name_path, name)
            elif volumes[name].get("emptyDir") is None:
                yield invalid(name_path, name, "referenced volume must be of type emptyDir")
