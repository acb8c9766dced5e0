"""What a cluster needs beside its components and the API server does not bring: nodes may ask for their certificates, and
claims find a default class, `standard`, as in kind: charts that keep data come up. Its volumes are directories of this
machine, made by the controllers (--enable-hostpath-provisioner).

The three bindings are those that kubeadm makes (kubeadm phases bootstraptoken/node): whoever starts a node may ask, the
controllers grant it, and again when a node renews its own.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any, NamedTuple

from pocketkube.errors import LauncherError
from pocketkube.kubelet import BOOTSTRAP_GROUP
from pocketkube.pki import Pki

PLURALS = {"ClusterRoleBinding": "clusterrolebindings", "StorageClass": "storageclasses"}
STANDARD = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/host-path",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
}
_ROLES = (
    ("pocketkube:kubelet-bootstrap", "system:node-bootstrapper", BOOTSTRAP_GROUP),
    (
        "pocketkube:node-autoapprove-bootstrap",
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        BOOTSTRAP_GROUP,
    ),
    (
        "pocketkube:node-autoapprove-certificate-rotation",
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        "system:nodes",
    ),
)
PATIENCE = 10.0


class Administrator(NamedTuple):
    """Who asks, and whom."""

    pki: Pki
    url: str

    def connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.pki.cert("ca")))
        context.load_cert_chain(self.pki.cert("admin"), self.pki.key("admin"))
        return http.client.HTTPSConnection(self.url.removeprefix("https://"), timeout=PATIENCE, context=context)


def objects() -> list[dict[str, Any]]:
    """What has to be there, to be created where it is not."""
    group = "rbac.authorization.k8s.io"
    bindings = [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": group, "kind": "Group", "name": subject}],
        }
        for name, role, subject in _ROLES
    ]
    return [*bindings, STANDARD]


def path_of(obj: dict[str, Any]) -> str:
    """Where an object is created."""
    return f"/apis/{obj['apiVersion']}/{PLURALS[obj['kind']]}"


def ensure(administrator: Administrator) -> None:
    """Create what is missing; what is there stays as it is. Raises LauncherError."""
    connection = administrator.connect()
    try:
        for obj in objects():
            connection.request("POST", path_of(obj), json.dumps(obj), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status not in (201, 409):
                raise LauncherError(f"{obj['metadata']['name']}: {answer.decode(errors='replace')}")
    except OSError as e:
        raise LauncherError(f"the API server does not answer: {e}") from e
    finally:
        connection.close()
