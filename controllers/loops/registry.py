"""The loops of the `controllers` process, in start order: one line each. A loop is one file, or one folder."""

from __future__ import annotations

from collections.abc import Callable

from controllers.framework.context import Context
from controllers.framework.manager import Loop
from controllers.loops import deployment, garbage_collector, namespace, replicaset, root_ca, serviceaccount

# name as upstream's --controllers knows it → builds the loop
LOOPS: dict[str, Callable[[Context], Loop]] = {
    "serviceaccount-controller": serviceaccount.build,
    "root-ca-certificate-publisher-controller": root_ca.build,
    "namespace-controller": namespace.build,
    "garbage-collector-controller": garbage_collector.build,
    "replicationcontroller-controller": replicaset.build_replication,
    "replicaset-controller": replicaset.build,
    "deployment-controller": deployment.build,
}
