"""certificates.k8s.io: requests for certificates, of anybody and of pods, and whom to trust."""

from __future__ import annotations

from apiserver.api.certificates import certificatesigningrequest, clustertrustbundle, podcertificaterequest
from apiserver.registry.resource import Resource

RESOURCES: tuple[Resource, ...] = (
    certificatesigningrequest.RESOURCE,
    clustertrustbundle.RESOURCE,
    podcertificaterequest.RESOURCE,
)
