"""What is asked for in a certificate signing request, and what the cluster's own signers accept.

Mirrors upstream pkg/apis/certificates/helpers.go; the messages end up in the request's Failed condition.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from apiserver.apimachinery.objects import Object

if TYPE_CHECKING:
    from cryptography import x509

KUBELET_SERVING = "kubernetes.io/kubelet-serving"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
API_SERVER_CLIENT = "kubernetes.io/kube-apiserver-client"
LEGACY_UNKNOWN = "kubernetes.io/legacy-unknown"

_BLOCK = re.compile(rb"^-----BEGIN (.+)-----\s*$", re.M)


class BadRequest(ValueError):
    """The bytes of spec.request are no certificate request."""


class Asked(NamedTuple):
    """The parts of a certificate request that decisions are made on."""

    common_name: str
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    emails: tuple[str, ...]
    addresses: tuple[str, ...]
    uris: tuple[str, ...]


def parse(csr: Object) -> x509.CertificateSigningRequest:
    """The X.509 request inside. Raises BadRequest."""
    from cryptography import x509

    pem = base64.b64decode(csr["spec"].get("request") or "")
    block = _BLOCK.search(pem)  # what stands before the first one is a comment
    if block is None or block[1] != b"CERTIFICATE REQUEST":
        raise BadRequest("PEM block type must be CERTIFICATE REQUEST")
    try:
        return x509.load_pem_x509_csr(pem[block.start() :])
    except ValueError as error:
        raise BadRequest(str(error)) from error


def asked(request: x509.CertificateSigningRequest) -> Asked:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def subject(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(attribute.value) for attribute in request.subject.get_attributes_for_oid(oid))

    names: Any = ()
    with contextlib.suppress(x509.ExtensionNotFound):
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    def of(kind: type[x509.GeneralName]) -> tuple[str, ...]:
        return tuple(str(name.value) for name in names if isinstance(name, kind))

    return Asked(
        common_name=subject(NameOID.COMMON_NAME)[-1] if subject(NameOID.COMMON_NAME) else "",
        organizations=subject(NameOID.ORGANIZATION_NAME),
        dns_names=of(x509.DNSName),
        emails=of(x509.RFC822Name),
        addresses=of(x509.IPAddress),
        uris=of(x509.UniformResourceIdentifier),
    )


def conditions(csr: Object) -> list[Object]:
    return (csr.get("status") or {}).get("conditions") or []


def has(csr: Object, kind: str) -> bool:
    """Is there a condition of the type, whatever it says?"""
    return any(condition["type"] == kind for condition in conditions(csr))


def issued(csr: Object) -> bool:
    return bool((csr.get("status") or {}).get("certificate"))


def _usages_differ(usages: Iterable[str], authentication: str) -> str:
    # An RSA key may also encipher keys; the others cannot.
    required = {"digital signature", "key encipherment", authentication}
    if set(usages) in (required, required - {"key encipherment"}):
        return ""
    return f"usages did not match [{' '.join(sorted(required))}]"


def _not_a_node(what: Asked) -> str:
    return "" if what.common_name.startswith("system:node:") else "subject common name does not begin with system:node:"


def refuse_kubelet_client(what: Asked, usages: Iterable[str]) -> str:
    """Why this is no kubelet's client certificate; empty when it is one."""
    if what.organizations != ("system:nodes",):
        return "subject organization is not system:nodes"
    if what.dns_names:
        return "DNS subjectAltNames are not allowed"
    if what.emails:
        return "Email subjectAltNames are not allowed"
    if what.addresses:
        return "IP subjectAltNames are not allowed"
    if what.uris:
        return "URI subjectAltNames are not allowed"
    return _not_a_node(what) or _usages_differ(usages, "client auth")


def refuse_kubelet_serving(what: Asked, usages: Iterable[str]) -> str:
    """Why this is no kubelet's serving certificate; empty when it is one."""
    if what.organizations != ("system:nodes",):
        return "subject organization is not system:nodes"
    if not what.dns_names and not what.addresses:
        return "DNS or IP subjectAltName is required"
    if what.emails:
        return "Email subjectAltNames are not allowed"
    if what.uris:
        return "URI subjectAltNames are not allowed"
    return _usages_differ(usages, "server auth") or _not_a_node(what)


def refuse_api_server_client(what: Asked, usages: Iterable[str]) -> str:
    """Why this is no client certificate for the API server; empty when it is one."""
    usages = list(usages)
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def refuse_nothing(what: Asked, usages: Iterable[str]) -> str:
    """kubernetes.io/legacy-unknown restricts nothing."""
    return ""
