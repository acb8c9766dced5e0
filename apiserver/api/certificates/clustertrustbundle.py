"""ClusterTrustBundle: certificates of authorities to trust, of one signer or of none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from apiserver.api.columns import NAME
from apiserver.api.relabel import relabel
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.signers import bundle_name_errors_of, signer_name_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, too_long
from apiserver.apimachinery.object_meta import immutable, object_meta_errors
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

MAX_SIZE = 1024 * 1024  # bytes of PEM


class ClusterTrustBundleStrategy(KindStrategy):
    """Mirrors upstream registry/certificates/clustertrustbundle."""

    namespaced = False
    allow_unconditional_update = False

    def metadata_errors(self, obj: Object) -> Iterator[FieldError]:
        names = partial(bundle_name_errors_of, _signer(obj))
        return object_meta_errors(obj["metadata"], False, names, standard_finalizers=True)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        return _errors(obj, parse=True)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from _errors(obj, parse=_bundle(obj) != _bundle(old))
        yield from metadata_update_errors(obj, old)
        yield from immutable(_signer(obj), _signer(old), "spec.signerName")


def _errors(obj: Object, *, parse: bool) -> Iterator[FieldError]:
    """A stored bundle is not parsed again."""
    if _signer(obj):
        yield from signer_name_errors(_signer(obj), "spec.signerName")
    if not parse:
        return
    from apiserver.auth.pod_certificates import bundle_problems

    text = _bundle(obj)
    if formats.byte_length(text) > MAX_SIZE:
        yield too_long("spec.trustBundle", MAX_SIZE)
        return
    for problem in bundle_problems(text):
        yield invalid("spec.trustBundle", "<value omitted>", problem)


def _bundle(obj: Object) -> str:
    return get(obj, "spec", "trustBundle", default="")  # type: ignore[no-any-return]


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
