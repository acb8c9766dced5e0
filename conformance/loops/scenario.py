"""What is done to the server, as data: steps of (method, path, body), and pauses in seconds."""

from __future__ import annotations

from typing import Any

Step = tuple[str, str, Any] | float

CORE = "/api/v1"
DEFAULT = f"{CORE}/namespaces/default"
STORAGE = "/apis/storage.k8s.io/v1"
MOMENT = "2026-01-01T00:00:00Z"


def _node(name: str, **labels: str) -> Step:
    given = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", **labels}
    return "POST", f"{CORE}/nodes", {"metadata": {"name": name, "labels": given}}


def _report(name: str, status: str) -> Step:
    condition = {"type": "Ready", "status": status, "reason": "Said", "message": "", "lastHeartbeatTime": MOMENT,
                 "lastTransitionTime": MOMENT}  # fmt: skip
    return "PATCH", f"{CORE}/nodes/{name}/status", {"status": {"conditions": [condition]}}


def _service(name: str, **spec: Any) -> Step:
    ports = [{"name": "web", "port": 80, "targetPort": "http"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    wanted = {"selector": {"app": name}, "ports": ports, **spec}
    body = {"metadata": {"name": name, "labels": {"team": "a"}}, "spec": {k: v for k, v in wanted.items() if v}}
    return "POST", f"{DEFAULT}/services", body


def _pod(name: str, app: str, ip: str, node: str, ready: str = "True", **spec: Any) -> list[Step]:
    container = {"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": 8080}]}
    body = {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"nodeName": node, "containers": [container], **spec},
    }
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": MOMENT}
    ips = [{"ip": each} for each in ip.split(",")]
    status = {"phase": "Running", "podIP": ips[0]["ip"], "podIPs": ips, "conditions": [condition]}
    return [
        ("POST", f"{DEFAULT}/pods", body),
        ("PATCH", f"{DEFAULT}/pods/{name}/status", {"status": status}),
    ]


def _claim(name: str, size: str, **spec: Any) -> Step:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, **spec}
    return "POST", f"{DEFAULT}/persistentvolumeclaims", {"metadata": {"name": name}, "spec": wanted}


def _volume(name: str, size: str, **spec: Any) -> Step:
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size},
        "hostPath": {"path": f"/srv/{name}"},
        **spec,
    }
    given = {k: v for k, v in wanted.items() if v is not None}
    return "POST", f"{CORE}/persistentvolumes", {"metadata": {"name": name}, "spec": given}


def _class(name: str, **more: Any) -> Step:
    return "POST", f"{STORAGE}/storageclasses", {"metadata": {"name": name}, "provisioner": "disks.example.com", **more}


def _device(name: str, **status: Any) -> list[Step]:
    """A claim of its own name, with a device of that name allocated."""
    path = f"{DEVICES}/namespaces/default/resourceclaims"
    given = {"request": "gpu", "driver": "gpu.example.com", "pool": "p", "device": name, **status}
    return [
        ("POST", path, {"metadata": {"name": name}, "spec": REQUESTS}),
        ("PATCH", f"{path}/{name}", {"metadata": {"finalizers": ["resource.kubernetes.io/delete-protection"]}}),
        ("PATCH", f"{path}/{name}/status", {"status": {"allocation": {"devices": {"results": [given]}}}}),
    ]


def _user(name: str, **source: str) -> list[Step]:
    return _pod(name, "devices", "10.1.1.1", "n1", tolerations=[TOLERATION], resourceClaims=[{"name": "gpu", **source}])


def _rule(name: str, effect: str, device: str) -> Step:
    taint = {"key": "broken", "value": "yes", "effect": effect}
    selector = {"driver": "gpu.example.com", "device": device}
    body = {"metadata": {"name": name}, "spec": {"deviceSelector": selector, "taint": taint}}
    return "POST", f"{DEVICES}/devicetaintrules", body


def _migration(name: str, group: str, resource: str) -> Step:
    body = {"metadata": {"name": name}, "spec": {"resource": {"group": group, "resource": resource}}}
    return "POST", f"{MIGRATIONS}/storageversionmigrations", body


DEVICES, MIGRATIONS = "/apis/resource.k8s.io/v1", "/apis/storagemigration.k8s.io/v1"
REQUESTS = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu"}}]}}
TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}
TOLERATION = {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3600}

# Claims, made and reserved; devices that are tainted; what is stored, written again.
DEVICE_STEPS: list[Step] = [
    ("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
        "metadata": {"name": "gizmos.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
                 "names": {"plural": "gizmos", "singular": "gizmo", "kind": "Gizmo", "listKind": "GizmoList"},
                 "versions": [{"name": "v1", "served": True, "storage": True,
                               "schema": {"openAPIV3Schema": {"type": "object"}}}]},
    }),
    ("POST", f"{DEVICES}/resourceslices", {
        "metadata": {"name": "s"},
        "spec": {"driver": "gpu.example.com", "nodeName": "n1",
                 "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
                 "devices": [{"name": name} for name in ("shared", "broken", "kept", "spare")]},
    }),
    ("POST", f"{DEVICES}/namespaces/default/resourceclaimtemplates", {
        "metadata": {"name": "gpus"}, "spec": {"metadata": {"labels": {"l": "1"}}, "spec": REQUESTS},
    }),
    *_device("shared"),
    *_device("broken"),
    *_device("kept", tolerations=[{"key": "broken", "operator": "Exists", "effect": "NoExecute"}]),
    *_device("idle"),
    *_user("made", resourceClaimTemplateName="gpus"),
    *_user("over", resourceClaimTemplateName="gpus"),
    *_user("poor", resourceClaimTemplateName="missing"),
    *_user("first", resourceClaimName="shared"),
    *_user("second", resourceClaimName="shared"),
    *_user("evicted", resourceClaimName="broken"),
    *_user("tolerates", resourceClaimName="kept"),
    2.0,
    ("PATCH", f"{DEFAULT}/pods/over/status", {"status": {"phase": "Succeeded"}}),
    ("DELETE", f"{DEVICES}/namespaces/default/resourceclaims/idle", None),
    _rule("asks", "None", "shared"),
    _rule("keeps", "NoSchedule", "shared"),
    _rule("evicts", "NoExecute", "broken"),
    _rule("tolerated", "NoExecute", "kept"),
    _migration("core", "", "configmaps"),
    _migration("reviews", "authentication.k8s.io", "tokenreviews"),
]  # fmt: skip

STEPS: list[Step] = [
    2.0,
    _node("n1", **{"topology.kubernetes.io/zone": "z1"}),
    _report("n1", "True"),
    1.0,
    _node("n2"),
    _report("n2", "True"),
    1.0,
    _node("n3"),
    1.0,
    _node("n4"),
    _report("n4", "False"),
    ("PATCH", f"{CORE}/nodes/n2", {"spec": {"unschedulable": True}}),
    _service("web", trafficDistribution="PreferSameNode"),
    _service("db", clusterIP="None", publishNotReadyAddresses=True),
    _service("hand", selector=None),
    ("POST", f"{DEFAULT}/endpoints", {
        "metadata": {"name": "hand", "labels": {"l": "1"}, "annotations": {"a": "b"}},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}],
                     "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": [{"name": "web", "port": 5432}]}],
    }),
    *_pod("a", "web", "10.1.0.1", "n1"),
    *_pod("b", "web", "10.1.0.2,fd00::2", "n2", "False"),
    *_pod("c", "db", "10.1.0.3", "n2", "False", hostname="c", subdomain="db"),
    *_pod("gone", "web", "10.1.0.4", "n1"),
    _class("fast"),
    _class("late", volumeBindingMode="WaitForFirstConsumer"),
    _volume("disk", "7Gi", storageClassName="", csi={"driver": "disks.example.com", "volumeHandle": "h"}, hostPath=None),
    ("PATCH", f"{CORE}/nodes/n1", {
        "metadata": {"annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
    }),
    _volume("small", "1Gi", storageClassName=""),
    _volume("large", "5Gi", storageClassName="", persistentVolumeReclaimPolicy="Delete"),
    2.0,
    _claim("fits", "1Gi", storageClassName=""),
    _claim("none", "90Gi", storageClassName=""),
    _claim("asked", "1Gi", storageClassName="", volumeName="nowhere"),
    _claim("driver", "1Gi", storageClassName="fast"),
    _claim("waits", "1Gi", storageClassName="late"),
    _claim("lost", "4Gi", storageClassName=""),
    _claim("disk", "7Gi", storageClassName=""),
    *_pod("mounts", "x", "10.1.0.6", "n1", tolerations=[TOLERATION],
          volumes=[{"name": "m", "persistentVolumeClaim": {"claimName": "disk"}}]),
    ("POST", f"{DEFAULT}/resourcequotas", {
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "30", "services": "9", "services.nodeports": "1",
                          "count/configmaps": "50", "count/deployments.apps": "2", "requests.storage": "1Ti",
                          "persistentvolumeclaims": "9"}},
    }),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {
        "metadata": {"name": "whole"}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "whole"}}]},
    }),
    ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", {
        "metadata": {"name": "part", "labels": {"to": "whole"}},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }),
    ("POST", "/apis/networking.k8s.io/v1/servicecidrs", {
        "metadata": {"name": "more"}, "spec": {"cidrs": ["10.77.0.0/24"]},
    }),
    ("POST", f"{CORE}/namespaces", {"metadata": {"name": "held"}}),
    ("POST", f"{CORE}/namespaces", {"metadata": {"name": "free"}}),
    2.0,
    ("POST", f"{CORE}/namespaces/held/configmaps", {"metadata": {"name": "x", "finalizers": ["example.com/hold"]}}),
    ("DELETE", f"{CORE}/namespaces/held", None),
    ("DELETE", f"{CORE}/namespaces/free", None),
    ("DELETE", f"{DEFAULT}/pods/gone?gracePeriodSeconds=600", None),
    ("POST", f"{DEFAULT}/secrets", {
        "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": "default"}},
        "type": "kubernetes.io/service-account-token",
    }),
    *_pod("tolerant", "x", "10.1.0.5", "n1", tolerations=[TOLERATION]),
    ("PATCH", f"{CORE}/nodes/n1", {"spec": {"taints": [TAINT]}}),
    ("DELETE", f"{CORE}/persistentvolumes/large", None),
    ("DELETE", f"{DEFAULT}/persistentvolumeclaims/fits", None),
    *DEVICE_STEPS,
    20.0,
]  # fmt: skip

# Nodes fall silent, one vanishes: what takes a minute or two to be seen. The Go migrator waits for its garbage collector.
LONG: list[Step] = [
    _migration("custom", "example.com", "gizmos"),
    _migration("later", "", "configmaps"),
    ("DELETE", f"{CORE}/nodes/n2", None),
    ("DELETE", f"{CORE}/nodes/n4", None),  # which of its taints it would keep when all fall silent is a matter of luck
    ("PATCH", f"{DEFAULT}/configmaps/kube-root-ca.crt", {"data": {"ca.crt": "mine"}}),
    ("DELETE", f"{DEFAULT}/services/db", None),
    ("DELETE", f"{DEFAULT}/endpoints/hand", None),
    ("DELETE", "/apis/networking.k8s.io/v1/servicecidrs/more", None),
    95.0,
]

# What is looked at in the end, by name of the list.
LOOKED_AT = {
    "nodes": f"{CORE}/nodes",
    "endpoints": f"{CORE}/endpoints",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "pods": f"{DEFAULT}/pods",
    "persistentvolumes": f"{CORE}/persistentvolumes",
    "persistentvolumeclaims": f"{DEFAULT}/persistentvolumeclaims",
    "volumeattachments": f"{STORAGE}/volumeattachments",
    "resourcequotas": f"{DEFAULT}/resourcequotas",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1/clusterroles?labelSelector=!kubernetes.io/bootstrapping",
    "servicecidrs": "/apis/networking.k8s.io/v1/servicecidrs",
    "namespaces": f"{CORE}/namespaces",
    "serviceaccounts": f"{CORE}/serviceaccounts",
    "secrets": f"{DEFAULT}/secrets",
    "configmaps": f"{DEFAULT}/configmaps",
    "resourceclaims": f"{DEVICES}/resourceclaims",
    "devicetaintrules": f"{DEVICES}/devicetaintrules",
    "storageversionmigrations": f"{MIGRATIONS}/storageversionmigrations",
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "clustertrustbundles": "/apis/certificates.k8s.io/v1/clustertrustbundles",
    "events": f"{CORE}/events",
}
