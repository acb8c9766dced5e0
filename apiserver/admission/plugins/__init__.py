"""The table of admission plugins: upstream's names in upstream's order (pkg/kubeapiserver/options/plugins.go).

A row without a class is a plugin that is not built yet; asking for it, where it is off by default, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import NamedTuple

from apiserver.admission.interface import AdmissionPlugin


class Row(NamedTuple):
    name: str
    path: str  # module:class below this package; "" as long as it is not built
    default: bool


DEFAULT_ORDER: tuple[Row, ...] = (
    Row("AlwaysAdmit", "always:AlwaysAdmit", False),
    Row("NamespaceAutoProvision", "namespace_existence:NamespaceAutoProvision", False),
    Row("NamespaceLifecycle", "namespace_lifecycle:NamespaceLifecycle", True),
    Row("NamespaceExists", "namespace_existence:NamespaceExists", False),
    Row("LimitPodHardAntiAffinityTopology", "antiaffinity:LimitPodHardAntiAffinityTopology", False),
    Row("LimitRanger", "limitranger:LimitRanger", True),
    Row("ServiceAccount", "serviceaccount:ServiceAccount", True),
    Row("NodeRestriction", "noderestriction:NodeRestriction", False),
    Row("TaintNodesByCondition", "nodetaint:TaintNodesByCondition", True),
    Row("AlwaysPullImages", "alwayspullimages:AlwaysPullImages", False),
    Row("ImagePolicyWebhook", "", False),
    Row("PodSecurity", "podsecurity:PodSecurity", True),
    Row("PodNodeSelector", "", False),
    Row("Priority", "priority:Priority", True),
    Row("DefaultTolerationSeconds", "defaulttolerationseconds:DefaultTolerationSeconds", True),
    Row("PodTolerationRestriction", "podtolerationrestriction:PodTolerationRestriction", False),
    Row("EventRateLimit", "", False),
    Row("ExtendedResourceToleration", "extendedresourcetoleration:ExtendedResourceToleration", False),
    Row("DefaultStorageClass", "storage:DefaultStorageClass", True),
    Row("StorageObjectInUseProtection", "storage:StorageObjectInUseProtection", True),
    Row("PodGroupProtection", "", True),
    Row("OwnerReferencesPermissionEnforcement", "", False),
    Row("PersistentVolumeClaimResize", "storage:PersistentVolumeClaimResize", True),
    Row("RuntimeClass", "runtimeclass:RuntimeClass", True),
    Row("CertificateApproval", "certificates:CertificateApproval", True),
    Row("CertificateSigning", "certificates:CertificateSigning", True),
    Row("ClusterTrustBundleAttest", "certificates:ClusterTrustBundleAttest", True),
    Row("CertificateSubjectRestriction", "certificates:CertificateSubjectRestriction", True),
    Row("DefaultIngressClass", "defaultingressclass:DefaultIngressClass", True),
    Row("DenyServiceExternalIPs", "denyserviceexternalips:DenyServiceExternalIPs", False),
    Row("PodTopologyLabels", "podtopologylabels:PodTopologyLabels", True),
    Row("NodeDeclaredFeatureValidator", "", True),
    Row("PodResizeValidator", "podresize:PodResizeValidator", True),
    Row("MutatingAdmissionPolicy", "", True),
    Row("MutatingAdmissionWebhook", "", True),
    Row("ValidatingAdmissionPolicy", "", True),
    Row("ValidatingAdmissionWebhook", "", True),
    Row("ResourceQuota", "resourcequota:ResourceQuota", True),
    Row("AlwaysDeny", "always:AlwaysDeny", False),
)


def problems(enable: Iterable[str], disable: Iterable[str]) -> list[str]:
    """What is wrong with --enable-admission-plugins and --disable-admission-plugins, in upstream's words."""
    enable, disable = list(enable), list(disable)
    rows = {row.name: row for row in DEFAULT_ORDER}
    found = [f'enable-admission-plugins plugin "{name}" is unknown' for name in enable if name not in rows]
    found += [f'disable-admission-plugins plugin "{name}" is unknown' for name in disable if name not in rows]
    both = sorted(set(enable) & set(disable))
    if both:
        found.append(f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped")
    for name in enable:
        if name in rows and not rows[name].path and not rows[name].default:
            found.append(f'enable-admission-plugins plugin "{name}" is not built yet')
    return found


def enabled_plugins(enable: Iterable[str] = (), disable: Iterable[str] = ()) -> list[type[AdmissionPlugin]]:
    """The plugin classes that take part, in order. Raises ValueError for `problems` and for a row
    whose class has another name."""
    enabled, disabled = set(enable), set(disable)
    found = problems(sorted(enabled), sorted(disabled))
    if found:
        raise ValueError("; ".join(found))
    return [
        _load(row)
        for row in DEFAULT_ORDER
        if row.path and row.name not in disabled and (row.default or row.name in enabled)
    ]


def _load(row: Row) -> type[AdmissionPlugin]:
    module, _, name = row.path.partition(":")
    plugin: type[AdmissionPlugin] = getattr(import_module(f"{__name__}.{module}"), name)
    if plugin.name != row.name:
        raise ValueError(f'admission plugin "{row.name}": {row.path} calls itself "{plugin.name}"')
    return plugin
