"""certificates.k8s.io: requests for certificates."""

from apiserver.api.certificates import certificatesigningrequest

RESOURCES = (certificatesigningrequest.RESOURCE,)
