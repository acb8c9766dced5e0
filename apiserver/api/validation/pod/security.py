"""Security contexts of pods and containers, sysctls, Windows options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from apiserver.api.podspec.containers import sub, with_paths
from apiserver.api.validation.pod.names import user_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.profiles import app_armor_profile_errors, seccomp_field_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import (
    FieldError,
    duplicate,
    field_forbidden,
    invalid,
    not_supported,
    required,
)
from apiserver.apimachinery.objects import Object

PROC_MOUNTS = ("Default", "Unmasked")
GROUP_CHANGE_POLICIES = ("Always", "OnRootMismatch")
GROUPS_POLICIES = ("Merge", "Strict")
SELINUX_POLICIES = ("MountOption", "Recursive")
MAX_CREDENTIAL_SPEC_KIB = 64
MAX_USER_DOMAIN, MAX_USER_NAME = 256, 104
MAX_SYSCTL = 253

_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SYSCTL_SEGMENT}[\./])*{_SYSCTL_SEGMENT}"
_sysctl = re.compile(_SYSCTL).fullmatch
_IPC_SYSCTLS = frozenset(
    f"kernel.{name}"
    for name in ("sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced", "shm", "msgmax", "msgmnb", "msgmni", "msg")
)
_control = re.compile(r"[\x00-\x1f\x7f]").search
_netbios = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}').fullmatch
_DNS = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_dns_domain = re.compile(rf"{_DNS}(?:\.{_DNS})*").fullmatch
_bad_user_characters = re.compile(r'["/\\:;|=,+*?<>@\[\]]').search
_dots_and_spaces = re.compile(r"[. ]+").fullmatch


def security_context_errors(context: Object, path: str, host_users: bool, options: PodOptions) -> Iterator[FieldError]:
    """A container's (upstream ValidateSecurityContext)."""
    yield from user_errors(context.get("runAsUser"), f"{path}.runAsUser")
    yield from user_errors(context.get("runAsGroup"), f"{path}.runAsGroup")
    proc_mount = context.get("procMount")
    if proc_mount is not None:
        if proc_mount not in PROC_MOUNTS:
            yield not_supported(f"{path}.procMount", proc_mount, PROC_MOUNTS)
        if host_users and proc_mount == "Unmasked":
            yield invalid(f"{path}.procMount", proc_mount, "`hostUsers` must be false to use `Unmasked`")
    yield from seccomp_field_errors(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        yield from _escalation_errors(context, path, options)
    yield from windows_options_errors(context.get("windowsOptions"), f"{path}.windowsOptions")
    yield from app_armor_profile_errors(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def _escalation_errors(context: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    if context.get("privileged"):
        message = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield invalid(path, internal_security_context(context), message)
    added = sub(context, "capabilities").get("add") or ()
    if "CAP_SYS_ADMIN" in added and not options.sys_admin_without_escalation:
        message = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        for _ in range(added.count("CAP_SYS_ADMIN")):
            yield invalid(path, internal_security_context(context), message)


def internal_security_context(context: Object) -> Object:
    """As upstream's internal type prints: Go's field names, everything there."""
    capabilities, selinux = context.get("capabilities"), context.get("seLinuxOptions")
    seccomp, armor = context.get("seccompProfile"), context.get("appArmorProfile")
    windows = context.get("windowsOptions")
    return {
        "Capabilities": None if capabilities is None else _capitals(capabilities, {"Add": None, "Drop": None}),
        "Privileged": context.get("privileged"),
        "SELinuxOptions": None if selinux is None else _capitals(selinux, dict.fromkeys(_SELINUX, "")),
        "WindowsOptions": None if windows is None else _windows_options(windows),
        "RunAsUser": context.get("runAsUser"),
        "RunAsGroup": context.get("runAsGroup"),
        "RunAsNonRoot": context.get("runAsNonRoot"),
        "ReadOnlyRootFilesystem": context.get("readOnlyRootFilesystem"),
        "AllowPrivilegeEscalation": context.get("allowPrivilegeEscalation"),
        "ProcMount": context.get("procMount"),
        "SeccompProfile": None if seccomp is None else _capitals(seccomp, {"Type": "", "LocalhostProfile": None}),
        "AppArmorProfile": None if armor is None else _capitals(armor, {"Type": "", "LocalhostProfile": None}),
    }


_SELINUX = ("User", "Role", "Type", "Level")


def _capitals(obj: Object, empty: Object) -> Object:
    return {key: obj.get(key[0].lower() + key[1:], value) for key, value in empty.items()}


def _windows_options(options: Object) -> Object:
    return {
        "GMSACredentialSpecName": options.get("gmsaCredentialSpecName"),
        "GMSACredentialSpec": options.get("gmsaCredentialSpec"),
        "RunAsUserName": options.get("runAsUserName"),
        "HostProcess": options.get("hostProcess"),
    }


def pod_security_context_errors(spec: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    """The pod's (upstream validatePodSpecSecurityContext)."""
    context = spec.get("securityContext")
    if not context:
        return
    here = f"{path}.securityContext"
    yield from user_errors(context.get("fsGroup"), f"{here}.fsGroup")
    yield from user_errors(context.get("runAsUser"), f"{here}.runAsUser")
    yield from user_errors(context.get("runAsGroup"), f"{here}.runAsGroup")
    for i, group in enumerate(context.get("supplementalGroups") or ()):
        yield from user_errors(group, f"{here}.supplementalGroups[{i}]")
    yield from _sysctls_errors(context.get("sysctls") or (), spec, f"{here}.sysctls", options)
    yield from _one_of(context, "fsGroupChangePolicy", GROUP_CHANGE_POLICIES, here)
    yield from seccomp_field_errors(context.get("seccompProfile"), f"{here}.seccompProfile")
    yield from windows_options_errors(context.get("windowsOptions"), f"{here}.windowsOptions")
    yield from app_armor_profile_errors(context.get("appArmorProfile"), f"{here}.appArmorProfile")
    yield from _one_of(context, "supplementalGroupsPolicy", GROUPS_POLICIES, here)
    yield from _one_of(context, "seLinuxChangePolicy", SELINUX_POLICIES, here)


def _one_of(obj: Object, field: str, supported: tuple[str, ...], path: str) -> Iterator[FieldError]:
    value = obj.get(field)
    if value is not None and value not in supported:
        yield not_supported(f"{path}.{field}", value, supported)


def _sysctls_errors(sysctls: Sequence[Object], spec: Object, path: str, options: PodOptions) -> Iterator[FieldError]:
    names: set[str] = set()
    for i, sysctl in enumerate(sysctls):
        here, name = f"{path}[{i}].name", sysctl.get("name") or ""
        if not name:
            yield required(here)
        elif len(name) > MAX_SYSCTL or not _sysctl(name):
            yield invalid(here, name, f"must have at most {MAX_SYSCTL} characters and match regex ^{_SYSCTL}$")
        elif name in names:
            yield duplicate(here, name)
        if not options.any_host_sysctls:
            error = host_sysctl_error(name, spec, here)
            if error is not None:
                yield error
        names.add(name)


def host_sysctl_error(name: str, spec: Object, path: str) -> FieldError | None:
    """A namespaced sysctl must not be set where the namespace is the host's."""
    namespace = _sysctl_namespace(name)
    if spec.get("hostNetwork") and namespace == "Net":
        return invalid(path, name, "may not be specified when 'hostNetwork' is true")
    if spec.get("hostIPC") and namespace == "IPC":
        return invalid(path, name, "may not be specified when 'hostIPC' is true")
    return None


def _sysctl_namespace(name: str) -> str:
    """Upstream component-helpers/node/util/sysctl: slashes are dots when a slash comes first."""
    first = next((char for char in name if char in "./"), ".")
    if first == "/":
        name = name.translate({ord("."): "/", ord("/"): "."})
    name = name.partition("*")[0]
    if name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        return "IPC"
    return "Net" if name.startswith("net.") else ""


def windows_options_errors(options: Object | None, path: str) -> Iterator[FieldError]:
    if options is None:
        return
    name, spec, user = (options.get(f) for f in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName"))
    if name is not None:
        for message in formats.dns1123_subdomain(name):
            yield invalid(f"{path}.gmsaCredentialSpecName", name, message)
    if spec is not None:
        if not spec:
            yield invalid(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec cannot be an empty string")
        elif formats.byte_length(spec) > MAX_CREDENTIAL_SPEC_KIB * 1024:
            message = f"gmsaCredentialSpec size must be under {MAX_CREDENTIAL_SPEC_KIB} KiB"
            yield invalid(f"{path}.gmsaCredentialSpec", spec, message)
    if user is not None:
        for message in _user_name_messages(user):
            yield invalid(f"{path}.runAsUserName", user, message)


def _user_name_messages(name: str) -> Iterator[str]:
    parts = name.split("\\")
    if not name:
        yield "runAsUserName cannot be an empty string"
    elif _control(name):
        yield "runAsUserName cannot contain control characters"
    elif len(parts) > 2:
        yield "runAsUserName cannot contain more than one backslash"
    else:
        yield from _domain_and_user_messages(parts[0] if len(parts) == 2 else None, parts[-1])


def _domain_and_user_messages(domain: str | None, user: str) -> Iterator[str]:
    if domain is not None:
        if formats.byte_length(domain) >= MAX_USER_DOMAIN:
            yield f"runAsUserName's Domain length must be under {MAX_USER_DOMAIN} characters"
        if not (_netbios(domain) or _dns_domain(domain)):
            yield "runAsUserName's Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "runAsUserName's User cannot be empty"
    elif formats.byte_length(user) > MAX_USER_NAME:
        yield f"runAsUserName's User length must not be longer than {MAX_USER_NAME} characters"
    if _dots_and_spaces(user):
        yield "runAsUserName's User cannot contain only periods or spaces"
    if _bad_user_characters(user):
        yield "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def host_process_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Windows host-process containers: all or none, and on the host's network."""
    of_pod = sub(spec, "securityContext", "windowsOptions").get("hostProcess")
    total = host = 0
    for container, here in with_paths(spec, path):
        total += 1
        own = sub(container, "securityContext", "windowsOptions").get("hostProcess")
        if of_pod is not None and own is not None and of_pod != own:
            message = f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
            yield invalid(f"{here}.securityContext.windowsOptions.hostProcess", own, message)
        if own or (own is None and of_pod):
            host += 1
    if not host:
        return
    if host != total:
        message = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid(path, "", message)
    if not spec.get("hostNetwork"):
        message = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid(f"{path}.hostNetwork", False, message)


LINUX_ONLY_POD = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "fsGroup",
    "fsGroupChangePolicy",
    "sysctls",
    "runAsUser",
    "runAsGroup",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "seLinuxChangePolicy",
)
LINUX_ONLY_CONTAINER = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
NOT_ON_WINDOWS = "cannot be set for a windows pod"


def linux_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """What a pod that says it is for Linux may not have."""
    message = "windows options cannot be set for a linux pod"
    if sub(spec, "securityContext").get("windowsOptions") is not None:
        yield field_forbidden(f"{path}.securityContext.windowsOptions", message)
    for container, here in with_paths(spec, path):
        if sub(container, "securityContext").get("windowsOptions") is not None:
            yield field_forbidden(f"{here}.securityContext.windowsOptions", message)


def windows_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """What a pod that says it is for Windows may not have."""
    context = sub(spec, "securityContext")
    for field in LINUX_ONLY_POD:
        if context.get(field) is not None and not (field == "sysctls" and not context[field]):
            yield field_forbidden(f"{path}.securityContext.{field}", NOT_ON_WINDOWS)
    if spec.get("hostUsers") is not None:
        yield field_forbidden(f"{path}.hostUsers", NOT_ON_WINDOWS)
    for field in ("hostPID", "hostIPC"):
        if spec.get(field):
            yield field_forbidden(f"{path}.{field}", NOT_ON_WINDOWS)
    if spec.get("shareProcessNamespace") is not None:
        yield field_forbidden(f"{path}.shareProcessNamespace", NOT_ON_WINDOWS)
    for container, here in with_paths(spec, path):
        own = sub(container, "securityContext")
        for field in LINUX_ONLY_CONTAINER:
            if own.get(field) is not None:
                yield field_forbidden(f"{here}.securityContext.{field}", NOT_ON_WINDOWS)
