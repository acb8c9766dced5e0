"""Defaults of a PodSpec and of a Pod (upstream pkg/apis/core/v1/defaults.go and zz_generated.defaults.go).

`default_pod_spec` is for every kind with a pod in it; `default_pod` adds what only real pods get.
"""

from __future__ import annotations

from typing import Any

from apiserver.api.podspec.images import default_pull_policy
from apiserver.api.podspec.quantities import round_list
from apiserver.apimachinery.objects import Object

VOLUME_SOURCES = (
    "hostPath",
    "emptyDir",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "persistentVolumeClaim",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "downwardAPI",
    "fc",
    "azureFile",
    "configMap",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "projected",
    "portworxVolume",
    "scaleIO",
    "storageos",
    "csi",
    "ephemeral",
    "image",
)
FILE_MODE = 0o644


def _fill(obj: Object, field: str, value: Any) -> None:
    """Set a field that is absent, null or Go's zero value of a string or number."""
    if not obj.get(field):
        obj[field] = value


def _fill_pointer(obj: Object, field: str, value: Any) -> None:
    """Set a field that is absent or null; a zero somebody wrote stays."""
    if obj.get(field) is None:
        obj[field] = value


def default_pod(pod: Object) -> None:
    """Upstream SetObjectDefaults_Pod."""
    spec = pod.setdefault("spec", {})
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is not None and grace < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            _default_requests(container)
            if spec.get("hostNetwork"):
                _default_host_ports(container)
    _fill_pointer(spec, "enableServiceLinks", True)
    default_pod_spec(spec)
    status = pod.get("status")
    if status:
        _default_status(status)


def _default_requests(container: Object) -> None:
    """What is limited and not requested is requested."""
    resources = container.get("resources")
    limits = resources.get("limits") if resources else None
    if not resources or not limits:
        return
    requests = resources.get("requests")
    if requests is None:
        requests = resources["requests"] = {}
    for name, amount in limits.items():
        if name not in requests:
            requests[name] = amount


def _default_host_ports(container: Object) -> None:
    for port in container.get("ports") or ():
        if not port.get("hostPort") and port.get("containerPort"):
            port["hostPort"] = port["containerPort"]


def _default_status(status: Object) -> None:
    """podIP and podIPs say the same; podIP wins."""
    ip, ips = status.get("podIP"), status.get("podIPs")
    if ip and (not ips or ips[0].get("ip") != ip):
        status["podIPs"] = [{"ip": ip}]
    elif ips and not ip:
        status["podIP"] = ips[0].get("ip") or ""
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for container in status.get(field) or ():
            round_list(container.get("allocatedResources"))
            _round_resources(container.get("resources"))
    round_list(status.get("allocatedResources"))
    _round_resources(status.get("resources"))


def _round_resources(resources: Object | None) -> None:
    if resources:
        round_list(resources.get("limits"))
        round_list(resources.get("requests"))


def default_pod_spec(spec: Object) -> None:
    """Upstream SetDefaults_PodSpec with all that lies below."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    _fill(spec, "dnsPolicy", "ClusterFirst")
    _fill(spec, "restartPolicy", "Always")
    _fill_pointer(spec, "securityContext", {})
    _fill_pointer(spec, "terminationGracePeriodSeconds", 30)
    _fill(spec, "schedulerName", "default-scheduler")
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            _default_container(container)
    round_list(spec.get("overhead"))
    _round_resources(spec.get("resources"))


def _default_container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image") or "")
    _fill(container, "terminationMessagePath", "/dev/termination-log")
    _fill(container, "terminationMessagePolicy", "File")
    for port in container.get("ports") or ():
        _fill(port, "protocol", "TCP")
    for variable in container.get("env") or ():
        if variable.get("valueFrom"):
            _default_source(variable["valueFrom"])
    resources = container.get("resources")
    if resources is None:
        container["resources"] = {}
    else:
        _round_resources(resources)
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            _default_probe(container[field])
    lifecycle = container.get("lifecycle")
    if lifecycle:
        for field in ("postStart", "preStop"):
            if lifecycle.get(field):
                _default_http_get(lifecycle[field])


def _default_source(source: Object) -> None:
    if source.get("fieldRef") is not None:
        _fill(source["fieldRef"], "apiVersion", "v1")
    if source.get("fileKeyRef") is not None:
        _fill_pointer(source["fileKeyRef"], "optional", False)
    if source.get("resourceFieldRef") is not None:
        _fill_pointer(source["resourceFieldRef"], "divisor", "0")


def _default_probe(probe: Object) -> None:
    _fill(probe, "timeoutSeconds", 1)
    _fill(probe, "periodSeconds", 10)
    _fill(probe, "successThreshold", 1)
    _fill(probe, "failureThreshold", 3)
    _default_http_get(probe)
    if probe.get("grpc") is not None:
        _fill_pointer(probe["grpc"], "service", "")


def _default_http_get(handler: Object) -> None:
    action = handler.get("httpGet")
    if action is not None:
        _fill(action, "path", "/")
        _fill(action, "scheme", "HTTP")


def _default_volume(volume: Object) -> None:
    for source in VOLUME_SOURCES:
        if volume.get(source) is not None:
            break
    else:
        volume["emptyDir"] = {}
        return
    for source, default in _VOLUME_DEFAULTS.items():
        if volume.get(source) is not None:
            default(volume[source])


def _default_image(image: Object) -> None:
    if not image.get("pullPolicy"):
        image["pullPolicy"] = default_pull_policy(image.get("reference") or "")


def _default_host_path(source: Object) -> None:
    _fill_pointer(source, "type", "")


def _default_mode(source: Object) -> None:
    _fill_pointer(source, "defaultMode", FILE_MODE)


def _default_iscsi(source: Object) -> None:
    _fill(source, "iscsiInterface", "default")


def _default_rbd(source: Object) -> None:
    _fill(source, "pool", "rbd")
    _fill(source, "user", "admin")
    _fill(source, "keyring", "/etc/ceph/keyring")


def _default_downward_files(source: Object) -> None:
    for item in source.get("items") or ():
        _default_source(item)


def _default_downward(source: Object) -> None:
    _default_mode(source)
    _default_downward_files(source)


def _default_azure_disk(source: Object) -> None:
    _fill_pointer(source, "cachingMode", "ReadWrite")
    _fill_pointer(source, "fsType", "ext4")
    _fill_pointer(source, "readOnly", False)
    _fill_pointer(source, "kind", "Shared")


def _default_projected(source: Object) -> None:
    _default_mode(source)
    for part in source.get("sources") or ():
        if part.get("downwardAPI") is not None:
            _default_downward_files(part["downwardAPI"])
        if part.get("serviceAccountToken") is not None:
            _fill_pointer(part["serviceAccountToken"], "expirationSeconds", 3600)


def _default_scale_io(source: Object) -> None:
    _fill(source, "storageMode", "ThinProvisioned")
    _fill(source, "fsType", "xfs")


def _default_ephemeral(source: Object) -> None:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return
    spec = template.setdefault("spec", {})
    _fill_pointer(spec, "volumeMode", "Filesystem")
    _round_resources(spec.get("resources"))


_VOLUME_DEFAULTS = {
    "image": _default_image,
    "hostPath": _default_host_path,
    "secret": _default_mode,
    "iscsi": _default_iscsi,
    "rbd": _default_rbd,
    "downwardAPI": _default_downward,
    "configMap": _default_mode,
    "azureDisk": _default_azure_disk,
    "projected": _default_projected,
    "scaleIO": _default_scale_io,
    "ephemeral": _default_ephemeral,
}


def default_volume_source(spec: Object) -> None:
    """The source a PersistentVolumeSpec names has the defaults of a pod's."""
    for field in ("hostPath", "rbd", "iscsi", "azureDisk", "scaleIO"):
        if spec.get(field) is not None:
            _VOLUME_DEFAULTS[field](spec[field])
