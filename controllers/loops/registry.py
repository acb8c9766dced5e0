"""The loops of the `controllers` process, in start order: one line each. A loop is one file, or one folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from controllers.framework.context import Context
from controllers.framework.manager import Loop
from controllers.loops import (
    attach_detach,
    bootstrap_tokens,
    certificates,
    clusterrole_aggregation,
    cronjob,
    daemonset,
    deployment,
    device_taint_eviction,
    disruption,
    endpoints,
    ephemeral_volume,
    garbage_collector,
    horizontalpodautoscaler,
    job,
    namespace,
    node_ipam,
    node_lifecycle,
    node_ttl,
    pod_gc,
    replicaset,
    resourceclaim,
    resourcequota,
    root_ca,
    service_cidr,
    serviceaccount,
    serviceaccount_token,
    statefulset,
    storage_version_migrator,
    taint_eviction,
    trust_bundle,
    ttl_after_finished,
    volume_binder,
    volume_expand,
    volume_protection,
)


class Entry(NamedTuple):
    """How a loop is built, and the service account in whose name it works (empty: the process's own user), as upstream."""

    build: Callable[[Context], Loop]
    account: str


# by the name that upstream's --controllers knows
LOOPS: dict[str, Entry] = {
    "serviceaccount-token-controller": Entry(serviceaccount_token.build, ""),
    "endpoints-controller": Entry(endpoints.build, "endpoint-controller"),
    "endpointslice-controller": Entry(endpoints.build_slices, "endpointslice-controller"),
    "endpointslice-mirroring-controller": Entry(endpoints.build_mirroring, "endpointslicemirroring-controller"),
    "replicationcontroller-controller": Entry(replicaset.build_replication, "replication-controller"),
    "pod-garbage-collector-controller": Entry(pod_gc.build, "pod-garbage-collector"),
    "resourcequota-controller": Entry(resourcequota.build, "resourcequota-controller"),
    "namespace-controller": Entry(namespace.build, "namespace-controller"),
    "serviceaccount-controller": Entry(serviceaccount.build, "service-account-controller"),
    "garbage-collector-controller": Entry(garbage_collector.build, "generic-garbage-collector"),
    "job-controller": Entry(job.build, "job-controller"),
    "daemonset-controller": Entry(daemonset.build, "daemon-set-controller"),
    "deployment-controller": Entry(deployment.build, "deployment-controller"),
    "replicaset-controller": Entry(replicaset.build, "replicaset-controller"),
    "cronjob-controller": Entry(cronjob.build, "cronjob-controller"),
    "statefulset-controller": Entry(statefulset.build, "statefulset-controller"),
    "disruption-controller": Entry(disruption.build, "disruption-controller"),
    "horizontal-pod-autoscaler-controller": Entry(horizontalpodautoscaler.build, "horizontal-pod-autoscaler"),
    "certificatesigningrequest-signing-controller": Entry(certificates.build_signing, "certificate-controller"),
    "certificatesigningrequest-approving-controller": Entry(certificates.build_approving, "certificate-controller"),
    "certificatesigningrequest-cleaner-controller": Entry(certificates.build_cleaner, "certificate-controller"),
    "podcertificaterequest-cleaner-controller": Entry(certificates.build_pod_cleaner, "podcertificaterequestcleaner"),
    "ttl-controller": Entry(node_ttl.build, "ttl-controller"),
    "bootstrap-signer-controller": Entry(bootstrap_tokens.build_signer, "bootstrap-signer"),
    "token-cleaner-controller": Entry(bootstrap_tokens.build_cleaner, "token-cleaner"),
    "node-ipam-controller": Entry(node_ipam.build, "node-controller"),
    "node-lifecycle-controller": Entry(node_lifecycle.build, "node-controller"),
    "persistentvolume-binder-controller": Entry(volume_binder.build, "persistent-volume-binder"),
    "persistentvolume-attach-detach-controller": Entry(attach_detach.build, "attachdetach-controller"),
    "persistentvolume-expander-controller": Entry(volume_expand.build, "expand-controller"),
    "clusterrole-aggregation-controller": Entry(clusterrole_aggregation.build, "clusterrole-aggregation-controller"),
    "persistentvolumeclaim-protection-controller": Entry(volume_protection.build_claims, "pvc-protection-controller"),
    "persistentvolume-protection-controller": Entry(volume_protection.build_volumes, "pv-protection-controller"),
    "volumeattributesclass-protection-controller": Entry(
        volume_protection.build_classes, "volumeattributesclass-protection-controller"
    ),
    "ttl-after-finished-controller": Entry(ttl_after_finished.build, "ttl-after-finished-controller"),
    "root-ca-certificate-publisher-controller": Entry(root_ca.build, "root-ca-cert-publisher"),
    "kube-apiserver-serving-clustertrustbundle-publisher-controller": Entry(
        trust_bundle.build, "kube-apiserver-serving-clustertrustbundle-publisher"
    ),
    "ephemeral-volume-controller": Entry(ephemeral_volume.build, "ephemeral-volume-controller"),
    "resourceclaim-controller": Entry(resourceclaim.build, "resource-claim-controller"),
    "device-taint-eviction-controller": Entry(device_taint_eviction.build, "device-taint-eviction-controller"),
    "legacy-serviceaccount-token-cleaner-controller": Entry(
        serviceaccount_token.build_cleaner, "legacy-service-account-token-cleaner"
    ),
    "taint-eviction-controller": Entry(taint_eviction.build, "node-controller"),
    "service-cidr-controller": Entry(service_cidr.build, "service-cidrs-controller"),
    "storage-version-migrator-controller": Entry(storage_version_migrator.build, "storage-version-migrator-controller"),
}

# Only run where --controllers names them, as upstream.
OFF_BY_DEFAULT = ("bootstrap-signer-controller", "token-cleaner-controller")
