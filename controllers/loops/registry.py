"""The loops of the `controllers` process, in start order: one line each. A loop is one file, or one folder."""

from __future__ import annotations

from collections.abc import Callable

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
    resourcequota,
    root_ca,
    service_cidr,
    serviceaccount,
    serviceaccount_token,
    statefulset,
    taint_eviction,
    ttl_after_finished,
    volume_binder,
    volume_expand,
    volume_protection,
)

# name as upstream's --controllers knows it → builds the loop
LOOPS: dict[str, Callable[[Context], Loop]] = {
    "serviceaccount-token-controller": serviceaccount_token.build,
    "endpoints-controller": endpoints.build,
    "endpointslice-controller": endpoints.build_slices,
    "endpointslice-mirroring-controller": endpoints.build_mirroring,
    "replicationcontroller-controller": replicaset.build_replication,
    "pod-garbage-collector-controller": pod_gc.build,
    "resourcequota-controller": resourcequota.build,
    "namespace-controller": namespace.build,
    "serviceaccount-controller": serviceaccount.build,
    "garbage-collector-controller": garbage_collector.build,
    "job-controller": job.build,
    "daemonset-controller": daemonset.build,
    "deployment-controller": deployment.build,
    "replicaset-controller": replicaset.build,
    "cronjob-controller": cronjob.build,
    "statefulset-controller": statefulset.build,
    "disruption-controller": disruption.build,
    "horizontal-pod-autoscaler-controller": horizontalpodautoscaler.build,
    "certificatesigningrequest-signing-controller": certificates.build_signing,
    "certificatesigningrequest-approving-controller": certificates.build_approving,
    "certificatesigningrequest-cleaner-controller": certificates.build_cleaner,
    "ttl-controller": node_ttl.build,
    "bootstrap-signer-controller": bootstrap_tokens.build_signer,
    "token-cleaner-controller": bootstrap_tokens.build_cleaner,
    "node-ipam-controller": node_ipam.build,
    "node-lifecycle-controller": node_lifecycle.build,
    "persistentvolume-binder-controller": volume_binder.build,
    "persistentvolume-attach-detach-controller": attach_detach.build,
    "persistentvolume-expander-controller": volume_expand.build,
    "clusterrole-aggregation-controller": clusterrole_aggregation.build,
    "persistentvolumeclaim-protection-controller": volume_protection.build_claims,
    "persistentvolume-protection-controller": volume_protection.build_volumes,
    "volumeattributesclass-protection-controller": volume_protection.build_classes,
    "ttl-after-finished-controller": ttl_after_finished.build,
    "root-ca-certificate-publisher-controller": root_ca.build,
    "ephemeral-volume-controller": ephemeral_volume.build,
    "legacy-serviceaccount-token-cleaner-controller": serviceaccount_token.build_cleaner,
    "taint-eviction-controller": taint_eviction.build,
    "service-cidr-controller": service_cidr.build,
}

# Only run where --controllers names them, as upstream.
OFF_BY_DEFAULT = ("bootstrap-signer-controller", "token-cleaner-controller")
