"""Volume mounts and block devices of containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apiserver.api.podspec.containers import sub
from apiserver.api.validation.pod.paths import backsteps_errors, descending_path_errors
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    field_not_found,
    invalid,
    not_supported,
    required,
)
from apiserver.apimachinery.objects import Object

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE_READ_ONLY = ("Disabled", "Enabled", "IfPossible")
BIND_OPTIONS = ("nodev", "noexec", "nosuid")


def mounts_errors(container: Object, volumes: Mapping[str, Object], path: str) -> Iterator[FieldError]:
    devices = {d.get("name") or "": d.get("devicePath") or "" for d in container.get("volumeDevices") or ()}
    seen: set[str] = set()
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        here, name, target = f"{path}[{i}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            yield required(f"{here}.name")
        if name not in volumes:
            yield field_not_found(f"{here}.name", name)
        if not target:
            yield required(f"{here}.mountPath")
        if target in seen:
            yield invalid(f"{here}.mountPath", target, "must be unique")
        seen.add(target)
        if name in devices:
            yield invalid(f"{here}.name", name, "must not already exist in volumeDevices")
        if target in devices.values():
            yield invalid(f"{here}.mountPath", target, "must not already exist as a path in volumeDevices")
        yield from _mount_options_errors(mount, container, path, here)
        yield from _bind_options_errors(mount, volumes.get(name), f"{here}.bindMountOptions")


def _mount_options_errors(mount: Object, container: Object, path: str, here: str) -> Iterator[FieldError]:
    sub_path, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    if sub_path:
        yield from descending_path_errors(sub_path, f"{path}.subPath")
    if expression:
        if sub_path:
            yield invalid(f"{here}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        yield from descending_path_errors(expression, f"{path}.subPathExpr")
    if mount.get("mountPropagation") is not None:
        yield from _propagation_errors(mount["mountPropagation"], container, f"{path}.mountPropagation")
    if mount.get("recursiveReadOnly") is not None:
        yield from _recursive_errors(mount, f"{path}.recursiveReadOnly")


def _propagation_errors(mode: str, container: Object, path: str) -> Iterator[FieldError]:
    if mode not in PROPAGATIONS:
        yield not_supported(path, mode, PROPAGATIONS)
    if mode == "Bidirectional" and not sub(container, "securityContext").get("privileged"):
        yield field_forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _recursive_errors(mount: Object, path: str) -> Iterator[FieldError]:
    mode = mount["recursiveReadOnly"]
    if mode not in RECURSIVE_READ_ONLY:
        yield not_supported(path, mode, RECURSIVE_READ_ONLY)
    elif mode != "Disabled":
        if not mount.get("readOnly"):
            yield field_forbidden(path, "may only be specified when readOnly is true")
        if mount.get("mountPropagation") not in (None, "None"):
            yield field_forbidden(path, "may only be specified when mountPropagation is None or not specified")


def _bind_options_errors(mount: Object, volume: Object | None, path: str) -> Iterator[FieldError]:
    options = mount.get("bindMountOptions") or []
    for i, option in enumerate(options):
        if option not in BIND_OPTIONS:
            yield not_supported(f"{path}[{i}]", option, BIND_OPTIONS)
        if option in options[:i]:
            yield duplicate(f"{path}[{i}]", option)
    if options and volume is not None and volume.get("image") is not None:
        yield invalid(path, options, "bindMountOptions may not be used with image volumes")


def devices_errors(container: Object, volumes: Mapping[str, Object], path: str) -> Iterator[FieldError]:
    mounts = {m.get("name") or "": m.get("mountPath") or "" for m in container.get("volumeMounts") or ()}
    names: set[str] = set()
    paths: set[str] = set()
    for i, device in enumerate(container.get("volumeDevices") or ()):
        here, name, target = f"{path}[{i}]", device.get("name") or "", device.get("devicePath") or ""
        yield from _device_name_errors(name, volumes.get(name), names, f"{here}.name")
        if not target:
            yield required(f"{here}.devicePath")
        if target in paths:
            yield invalid(f"{here}.devicePath", target, "must be unique")
        if any(backsteps_errors(target, "")):
            yield invalid(f"{here}.devicePath", target, "can not contain backsteps ('..')")
        else:
            paths.add(target)
        if name in mounts:
            yield invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if target in mounts.values():
            yield invalid(f"{here}.devicePath", target, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)


def _device_name_errors(name: str, volume: Object | None, names: set[str], path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    if name in names:
        yield invalid(path, name, "must be unique")
    if volume is None:
        yield field_not_found(path, name)
    elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
        message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        yield invalid(path, name, message)
