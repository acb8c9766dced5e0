"""The resources loops work with, by name: one place for their groups and versions."""

from __future__ import annotations

from apiserver.apimachinery.gvk import GroupVersionResource as R

CONFIG_MAPS = R("", "v1", "configmaps")
ENDPOINTS = R("", "v1", "endpoints")
EVENTS = R("", "v1", "events")
NAMESPACES = R("", "v1", "namespaces")
NODES = R("", "v1", "nodes")
PERSISTENT_VOLUMES = R("", "v1", "persistentvolumes")
PERSISTENT_VOLUME_CLAIMS = R("", "v1", "persistentvolumeclaims")
PODS = R("", "v1", "pods")
REPLICATION_CONTROLLERS = R("", "v1", "replicationcontrollers")
RESOURCE_QUOTAS = R("", "v1", "resourcequotas")
SECRETS = R("", "v1", "secrets")
SERVICE_ACCOUNTS = R("", "v1", "serviceaccounts")
SERVICES = R("", "v1", "services")

CONTROLLER_REVISIONS = R("apps", "v1", "controllerrevisions")
DAEMON_SETS = R("apps", "v1", "daemonsets")
DEPLOYMENTS = R("apps", "v1", "deployments")
REPLICA_SETS = R("apps", "v1", "replicasets")
STATEFUL_SETS = R("apps", "v1", "statefulsets")

CRON_JOBS = R("batch", "v1", "cronjobs")
JOBS = R("batch", "v1", "jobs")

CERTIFICATE_SIGNING_REQUESTS = R("certificates.k8s.io", "v1", "certificatesigningrequests")
CLUSTER_ROLES = R("rbac.authorization.k8s.io", "v1", "clusterroles")
CSI_DRIVERS = R("storage.k8s.io", "v1", "csidrivers")
ENDPOINT_SLICES = R("discovery.k8s.io", "v1", "endpointslices")
HORIZONTAL_POD_AUTOSCALERS = R("autoscaling", "v2", "horizontalpodautoscalers")
IP_ADDRESSES = R("networking.k8s.io", "v1", "ipaddresses")
LEASES = R("coordination.k8s.io", "v1", "leases")
POD_DISRUPTION_BUDGETS = R("policy", "v1", "poddisruptionbudgets")
RESOURCE_CLAIMS = R("resource.k8s.io", "v1", "resourceclaims")
SERVICE_CIDRS = R("networking.k8s.io", "v1", "servicecidrs")
SUBJECT_ACCESS_REVIEWS = R("authorization.k8s.io", "v1", "subjectaccessreviews")
STORAGE_CLASSES = R("storage.k8s.io", "v1", "storageclasses")
VOLUME_ATTACHMENTS = R("storage.k8s.io", "v1", "volumeattachments")
VOLUME_ATTRIBUTES_CLASSES = R("storage.k8s.io", "v1", "volumeattributesclasses")
