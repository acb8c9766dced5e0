"""ClusterTrustBundle: certificates of authorities to trust, of one signer or of none."""

from __future__ import annotations

from collections.abc import Iterable

from apiserver.api.columns import NAME
from apiserver.api.relabel import relabel
from apiserver.api.strategy import KindStrategy
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.resource import Column, Resource, ServedVersion


class ClusterTrustBundleStrategy(KindStrategy):
    """Mirrors upstream registry/certificates/clustertrustbundle."""

    namespaced = False
    allow_unconditional_update = False

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return ()


def _signer(obj: Object) -> str:
    return get(obj, "spec", "signerName", default="")  # type: ignore[no-any-return]


RESOURCE = Resource(
    group="certificates.k8s.io",
    plural="clustertrustbundles",
    kind="ClusterTrustBundle",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1beta1",
    convert=relabel,
    strategy=ClusterTrustBundleStrategy(),
    selectable={"spec.signerName": _signer},
    empty={"spec": {"trustBundle": ""}},
    columns=(
        NAME,
        Column(
            "SignerName",
            lambda obj, now: _signer(obj) or "<none>",
            description="signerName indicates the associated signer, if any.\n\nIn order to create or update a "
            "ClusterTrustBundle that sets signerName, you must have the following cluster-scoped "
            "permission: group=certificates.k8s.io resource=signers resourceName=<the signer name> "
            "verb=attest.\n\nIf signerName is not empty, then the ClusterTrustBundle object must be named "
            "with the signer name as a prefix (translating slashes to colons). For example, for the signer "
            "name `example.com/foo`, valid ClusterTrustBundle object names include `example.com:foo:abc` "
            "and `example.com:foo:v1`.\n\nIf signerName is empty, then the ClusterTrustBundle object's "
            "name must not have such a prefix.\n\nList/watch requests for ClusterTrustBundles can filter "
            "on this field using a `spec.signerName=NAME` field selector.",
        ),
    ),
)
