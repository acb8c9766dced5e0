"""What pods of level restricted have to do besides (upstream pod-security-admission/policy)."""

from __future__ import annotations

from apiserver.admission.podsecurity import baseline
from apiserver.admission.podsecurity.findings import (
    Check,
    Finding,
    Pod,
    containers,
    context,
    has_user_namespace,
    is_windows,
    named,
    names_of,
    plural,
    quoted,
    setters,
    uses,
)
from apiserver.apimachinery.objects import Object, get

VOLUMES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)


def allow_privilege_escalation(pod: Pod, minor: int) -> Finding | None:
    if minor < 8 or (minor >= 25 and is_windows(pod.spec)):
        return None
    bad = names_of(pod.spec, lambda container: context(container, "allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    detail = f"{named(bad)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail)


def capabilities(pod: Pod, minor: int) -> Finding | None:
    if minor >= 25 and is_windows(pod.spec):
        return None

    def added(container: Object) -> set[str]:
        return set(get(container, "securityContext", "capabilities", "add", default=())) - {"NET_BIND_SERVICE"}

    details = []
    drops = names_of(
        pod.spec, lambda container: "ALL" not in get(container, "securityContext", "capabilities", "drop", default=())
    )
    if drops:
        details.append(f'{named(drops)} must set securityContext.capabilities.drop=["ALL"]')
    if adds := names_of(pod.spec, lambda container: bool(added(container))):
        values = quoted(sorted(set().union(*(added(container) for container in containers(pod.spec)))))
        details.append(f"{named(adds)} must not include {values} in securityContext.capabilities.add")
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(pod: Pod, minor: int) -> Finding | None:
    bad = [volume for volume in pod.spec.get("volumes") or () if all(volume.get(field) is None for field in VOLUMES)]
    if not bad:
        return None
    names = [volume.get("name") or "" for volume in bad]
    types = sorted(
        {next((key for key in volume if key != "name" and volume[key] is not None), "unknown") for volume in bad}
    )
    what = f"{plural('restricted volume type', len(types))} {quoted(types)}"
    detail = f"{plural('volume', len(names))} {quoted(names)} {uses(names)} {what}"
    return Finding("restricted volume types", detail)


def run_as_non_root(pod: Pod, minor: int) -> Finding | None:
    if minor >= 35 and has_user_namespace(pod.spec):
        return None
    reason = "runAsNonRoot != true"
    if who := setters(pod.spec, lambda holder: context(holder, "runAsNonRoot") is False):
        return Finding(reason, f"{who} must not set securityContext.runAsNonRoot=false")
    if context(pod.spec, "runAsNonRoot") is True:
        return None
    silent = names_of(pod.spec, lambda container: context(container, "runAsNonRoot") is None)
    return Finding(reason, f"pod or {named(silent)} must set securityContext.runAsNonRoot=true") if silent else None


def run_as_user(pod: Pod, minor: int) -> Finding | None:
    if minor < 23 or (minor >= 35 and has_user_namespace(pod.spec)):
        return None
    who = setters(pod.spec, lambda holder: context(holder, "runAsUser") == 0)
    return Finding("runAsUser=0", f"{who} must not set runAsUser=0") if who else None


def seccomp(pod: Pod, minor: int) -> Finding | None:
    if minor >= 25 and is_windows(pod.spec):
        return None
    if found := baseline.seccomp(pod, minor):
        return found
    if context(pod.spec, "seccompProfile") is not None:
        return None
    silent = names_of(pod.spec, lambda container: context(container, "seccompProfile") is None)
    if not silent:
        return None
    detail = f'pod or {named(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", detail)


# Name → (check, since which minor version, the check of level baseline that it takes the place of); in upstream's order.
CHECKS: dict[str, tuple[Check, int, str]] = {
    "allowPrivilegeEscalation": (allow_privilege_escalation, 8, ""),
    "capabilities_restricted": (capabilities, 22, "capabilities_baseline"),
    "procMount_restricted": (baseline.proc_mount_anyway, 35, "procMount"),
    "restrictedVolumes": (volumes, 0, "hostPathVolumes"),
    "runAsNonRoot": (run_as_non_root, 0, ""),
    "runAsUser": (run_as_user, 23, ""),
    "seccompProfile_restricted": (seccomp, 19, "seccompProfile_baseline"),
}
