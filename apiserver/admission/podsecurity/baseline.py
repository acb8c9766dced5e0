"""What no pod of level baseline does (upstream pod-security-admission/policy)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.admission.podsecurity.findings import (
    Check,
    Finding,
    Pod,
    containers,
    context,
    has_user_namespace,
    named,
    names_of,
    plural,
    quoted,
    setters,
    uses,
    values_of,
)
from apiserver.apimachinery.errors import go_quote
from apiserver.apimachinery.objects import Object, get

CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
PROFILES = ("RuntimeDefault", "Localhost")
APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
SELINUX_TYPES = ("", "container_t", "container_init_t", "container_kvm_t")
# Sysctls by the minor version that began to allow them.
SYSCTLS = (
    (
        0,
        (
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.tcp_syncookies",
            "net.ipv4.ping_group_range",
            "net.ipv4.ip_unprivileged_port_start",
        ),
    ),
    (27, ("net.ipv4.ip_local_reserved_ports",)),
    (
        29,
        (
            "net.ipv4.tcp_keepalive_time",
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
        ),
    ),
    (32, ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")),
    (37, ("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat")),
)


def app_armor(pod: Pod, minor: int) -> Finding | None:
    def is_bad(holder: Object) -> bool:
        profile = context(holder, "appArmorProfile")
        return isinstance(profile, dict) and profile.get("type") not in PROFILES

    values = sorted(values_of(pod.spec, "appArmorProfile", "type") - set(PROFILES))
    who = [found] if (found := setters(pod.spec, is_bad)) else []
    annotations = sorted(
        f"{key}={go_quote(value)}"
        for key, value in pod.annotations.items()
        if key.startswith(APPARMOR_PREFIX) and not (value in ("", "runtime/default") or value.startswith("localhost/"))
    )
    if annotations:
        values += annotations
        who.append(plural("annotation", len(annotations)))
    if not who:
        return None
    detail = f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}"
    return Finding(plural("forbidden AppArmor profile", len(values)), detail)


def capabilities(pod: Pod, minor: int) -> Finding | None:
    def added(container: Object) -> set[str]:
        return set(get(container, "securityContext", "capabilities", "add", default=())) - CAPABILITIES

    bad = names_of(pod.spec, lambda container: bool(added(container)))
    if not bad:
        return None
    values = sorted(set().union(*(added(container) for container in containers(pod.spec))))
    detail = f"{named(bad)} must not include {quoted(values)} in securityContext.capabilities.add"
    return Finding("non-default capabilities", detail)


def host_namespaces(pod: Pod, minor: int) -> Finding | None:
    bad = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]
    return Finding("host namespaces", ", ".join(bad)) if bad else None


def host_path_volumes(pod: Pod, minor: int) -> Finding | None:
    bad = [volume.get("name") or "" for volume in pod.spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Finding("hostPath volumes", f"{plural('volume', len(bad))} {quoted(bad)}") if bad else None


def host_ports(pod: Pod, minor: int) -> Finding | None:
    def ports(container: Object) -> set[str]:
        return {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}

    bad = names_of(pod.spec, lambda container: bool(ports(container)))
    if not bad:
        return None
    found = sorted(set().union(*(ports(container) for container in containers(pod.spec))))
    return Finding("hostPort", f"{named(bad)} {uses(bad)} {plural('hostPort', len(found))} {', '.join(found)}")


def probe_hosts(pod: Pod, minor: int) -> Finding | None:
    if minor < 34:
        return None
    bad = sorted(set(names_of(pod.spec, lambda container: any(_hosts(container)))))
    if not bad:
        return None
    hosts = sorted({host for container in containers(pod.spec) for host in _hosts(container)})
    what = plural("probe or lifecycle host", len(hosts))
    return Finding("probe or lifecycle host", f"{named(bad)} {uses(bad)} {what} {quoted(hosts)}")


def _hosts(container: Object) -> Iterator[str]:
    """Hosts other than the pod that a container's probes and hooks turn to."""
    handlers = [container.get(field) for field in ("livenessProbe", "readinessProbe", "startupProbe")]
    handlers += [get(container, "lifecycle", field) for field in ("postStart", "preStop")]
    for handler in handlers:
        for field in ("httpGet", "tcpSocket"):
            if host := get(handler, field, "host"):
                yield host


def privileged(pod: Pod, minor: int) -> Finding | None:
    bad = names_of(pod.spec, lambda container: context(container, "privileged") is True)
    return Finding("privileged", f"{named(bad)} must not set securityContext.privileged=true") if bad else None


def proc_mount(pod: Pod, minor: int) -> Finding | None:
    """Level restricted has its own for 1.35 and later; before that this one is in both."""
    return None if minor >= 35 and has_user_namespace(pod.spec) else proc_mount_anyway(pod, minor)


def proc_mount_anyway(pod: Pod, minor: int) -> Finding | None:
    bad = names_of(pod.spec, lambda container: context(container, "procMount") not in (None, "Default"))
    if not bad:
        return None
    given = {str(context(container, "procMount")) for container in containers(pod.spec)}
    values = quoted(sorted(given - {"None", "Default"}))
    return Finding("procMount", f"{named(bad)} must not set securityContext.procMount to {values}")


def selinux(pod: Pod, minor: int) -> Finding | None:
    allowed = (*SELINUX_TYPES, "container_engine_t") if minor >= 31 else SELINUX_TYPES

    def is_bad(holder: Object) -> bool:
        options = context(holder, "seLinuxOptions")
        if not isinstance(options, dict):
            return False
        return (options.get("type") or "") not in allowed or bool(options.get("user") or options.get("role"))

    who = setters(pod.spec, is_bad)
    if not who:
        return None
    types = sorted(values_of(pod.spec, "seLinuxOptions", "type") - set(allowed))
    found = [f"{plural('type', len(types))} {quoted(types)}"] if types else []
    found += [
        f"{field} may not be set" for field in ("user", "role") if values_of(pod.spec, "seLinuxOptions", field) - {""}
    ]
    return Finding("seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(found)}")


def has_bad_seccomp(holder: Object) -> bool:
    profile = context(holder, "seccompProfile")
    return isinstance(profile, dict) and profile.get("type") not in PROFILES


def seccomp(pod: Pod, minor: int) -> Finding | None:
    if minor < 19:
        return _seccomp_annotations(pod)
    who = setters(pod.spec, has_bad_seccomp)
    if not who:
        return None
    values = quoted(sorted(values_of(pod.spec, "seccompProfile", "type") - set(PROFILES)))
    return Finding("seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {values}")


def _seccomp_annotations(pod: Pod) -> Finding | None:
    """Before 1.19 profiles stood in annotations."""
    keys = [SECCOMP_POD, *(SECCOMP_PREFIX + (container.get("name") or "") for container in containers(pod.spec))]
    bad = sorted(
        {
            f"{key}={go_quote(value)}"
            for key in keys
            if (value := pod.annotations.get(key)) is not None
            and not (value in ("runtime/default", "docker/default") or value.startswith("localhost/"))
        }
    )
    return Finding("seccompProfile", f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}") if bad else None


def sysctls(pod: Pod, minor: int) -> Finding | None:
    allowed = {name for since, names in SYSCTLS if minor >= since for name in names}
    given = [sysctl.get("name") or "" for sysctl in get(pod.spec, "securityContext", "sysctls", default=())]
    bad = [name for name in given if name not in allowed]
    return Finding("forbidden sysctls", ", ".join(bad)) if bad else None


def windows_host_process(pod: Pod, minor: int) -> Finding | None:
    who = setters(pod.spec, lambda holder: context(holder, "windowsOptions", "hostProcess") is True)
    return (
        Finding("hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true") if who else None
    )


# In the order of upstream's names for them, which is the order of messages.
CHECKS: dict[str, Check] = {
    "appArmorProfile": app_armor,
    "capabilities_baseline": capabilities,
    "hostNamespaces": host_namespaces,
    "hostPathVolumes": host_path_volumes,
    "hostPorts": host_ports,
    "hostProbesAndHostLifecycle": probe_hosts,
    "privileged": privileged,
    "procMount": proc_mount,
    "seLinuxOptions": selinux,
    "seccompProfile_baseline": seccomp,
    "sysctls": sysctls,
    "windowsHostProcess": windows_host_process,
}
