"""Names of signers and of ClusterTrustBundles (upstream pkg/apis/core/validation/names.go)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, go_value, invalid, required, too_long

MAX_SIGNER_NAME = formats.SUBDOMAIN_MAX * 2 + formats.LABEL_MAX + 2


def is_kubernetes_signer(name: str) -> bool:
    host = name.partition("/")[0]
    return host == "kubernetes.io" or host.endswith(".kubernetes.io")


def signer_name_errors(name: str, path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    segments = name.split("/")
    if len(segments) != 2:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid(path, name, message)
        return
    domain, rest = segments
    if formats.byte_length(domain) > formats.SUBDOMAIN_MAX:
        yield too_long(path, formats.SUBDOMAIN_MAX)
    yield from _first_bad_label(domain, path, formats.dns1123_label)
    if "." not in domain:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    yield from _first_bad_label(rest, path, formats.dns1123_subdomain)
    if formats.byte_length(name) > MAX_SIGNER_NAME:
        yield too_long(path, MAX_SIGNER_NAME)


def _first_bad_label(text: str, path: str, rule: formats.Rule) -> Iterator[FieldError]:
    for label in text.split("."):
        messages = rule(label)
        for message in messages:
            yield invalid(path, text, f"validating label {go_value(label)}: {message}")
        if messages:
            return


def bundle_name_errors(name: str) -> Sequence[str]:
    """The name of a ClusterTrustBundle; what stands before its last colon is its signer."""
    signer, colon, _ = name.rpartition(":")
    signer = signer.replace(":", "/")
    if not colon or not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return formats.dns1123_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return formats.dns1123_subdomain(name.removeprefix(prefix))


def bundle_name_errors_of(signer: str, name: str, prefix: bool) -> Sequence[str]:
    """The name of a ClusterTrustBundle that says whose it is; "" is nobody's (upstream ValidateClusterTrustBundleName)."""
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return formats.subdomain_name(name, prefix)
    wanted = signer.replace("/", ":") + ":"
    if not name.startswith(wanted):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {wanted}"]
    return formats.subdomain_name(name.removeprefix(wanted), prefix)
