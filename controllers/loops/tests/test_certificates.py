"""Requests of kubelets are approved and signed; others wait for somebody's approval; old ones go."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from apiserver.apimachinery import objects
from apiserver.apimachinery.clock import VIRTUAL_EPOCH, rfc3339
from controllers.loops.certificates import requests
from controllers.loops.certificates.approving import ANY, SELF, recognized
from controllers.loops.certificates.authority import Authority, CannotSign, life, validity
from controllers.loops.certificates.cleaner import outlived
from controllers.loops.certificates.signing import authorities
from controllers.loops.tests.certificates import authority, csr, request

DAY = 86400.0


def _what(**parts: Any) -> requests.Asked:
    return requests.asked(requests.parse(csr("c", requests.KUBELET_CLIENT, request(**parts))))


def test_a_kubelet_client_certificate_names_a_node_and_nothing_else() -> None:
    usages = ["digital signature", "client auth"]
    assert requests.refuse_kubelet_client(_what(), usages) == ""
    assert requests.refuse_kubelet_client(_what(), [*usages, "key encipherment"]) == ""
    refused = requests.refuse_kubelet_client
    assert refused(_what(organizations=("others",)), usages) == "subject organization is not system:nodes"
    assert refused(_what(dns=("a.b",)), usages) == "DNS subjectAltNames are not allowed"
    assert refused(_what(addresses=("1.2.3.4",)), usages) == "IP subjectAltNames are not allowed"
    assert refused(_what(common_name="bob"), usages) == "subject common name does not begin with system:node:"
    wanted = "usages did not match [client auth digital signature key encipherment]"
    assert refused(_what(), ["client auth"]) == wanted


def test_a_kubelet_serving_certificate_has_a_name_to_serve_under() -> None:
    usages = ["digital signature", "server auth"]
    assert requests.refuse_kubelet_serving(_what(dns=("n1",)), usages) == ""
    assert requests.refuse_kubelet_serving(_what(), usages) == "DNS or IP subjectAltName is required"


def test_a_client_certificate_is_for_clients() -> None:
    refused = requests.refuse_api_server_client
    assert refused(_what(), ["client auth"]) == ""
    assert refused(_what(), ["server auth"]) == "invalid usage for client certificate: server auth"
    assert refused(_what(), []) == "missing required usage for client certificate: client auth"


@pytest.mark.parametrize(
    ("before", "refusal"),
    [
        (b"", ""),
        (b"# made with openssl\n# for bob\n", ""),
        (b"-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n", "PEM block type must be CERTIFICATE REQUEST"),
    ],
)
def test_a_request_may_have_comments_before_it_but_no_other_block(before: bytes, refusal: str) -> None:
    text = base64.b64encode(before + base64.b64decode(request("bob"))).decode()
    try:
        found = requests.asked(requests.parse(csr("c", requests.API_SERVER_CLIENT, text))).common_name
    except requests.BadRequest as error:
        found = str(error)
    assert found == (refusal or "bob")


def test_a_node_asking_for_itself_is_recognized_before_one_asking_for_any() -> None:
    assert recognized(csr("c", requests.KUBELET_CLIENT, username="system:node:n1")) == [SELF, ANY]
    assert recognized(csr("c", requests.KUBELET_CLIENT, username="bootstrap")) == [ANY]
    assert recognized(csr("c", requests.API_SERVER_CLIENT, username="system:node:n1")) == []


def test_a_certificate_lives_as_long_as_asked_within_limits() -> None:
    assert life(None, 365 * DAY) == 365 * DAY
    assert life(60, 365 * DAY) == 600
    assert life(3600, 365 * DAY) == 3600
    assert life(int(400 * DAY), 365 * DAY) == 365 * DAY


def test_a_certificate_begins_five_minutes_ago_and_ends_with_its_signer_at_the_latest() -> None:
    assert validity(1000, 3600, 1e9) == (700, 4600)  # short: its end is not moved
    assert validity(1000, DAY, 1e9) == (700, 1000 + DAY - 300)
    assert validity(1000, DAY, 5000) == (700, 5000)
    with pytest.raises(CannotSign):
        validity(1000, DAY, 900)


def test_a_signed_certificate_has_what_was_asked_for_and_is_no_authority(tmp_path: Path) -> None:
    options = authority(tmp_path)
    signer = Authority(options["cluster_signing_cert_file"], options["cluster_signing_key_file"])
    wanted = requests.parse(csr("c", requests.KUBELET_SERVING, request(dns=("n1",), addresses=("10.0.0.1",))))
    pem = signer.sign(wanted, ["digital signature", "server auth"], 7200, VIRTUAL_EPOCH + 1000)
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()))
    assert certificate.subject == wanted.subject
    extensions = certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["n1"]
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_encipherment
    assert certificate.not_valid_after_utc.timestamp() == VIRTUAL_EPOCH + 1000 + 7200


def test_a_usage_nobody_knows_is_not_signed(tmp_path: Path) -> None:
    options = authority(tmp_path)
    signer = Authority(options["cluster_signing_cert_file"], options["cluster_signing_key_file"])
    with pytest.raises(CannotSign, match='unrecognized usage values: \\["dancing"\\]'):
        signer.sign(requests.parse(csr("c", "s")), ["dancing"], 7200, VIRTUAL_EPOCH + 1)


def test_one_pair_signs_for_all_or_each_signer_has_its_own(tmp_path: Path) -> None:
    general = authority(tmp_path)
    assert len(authorities(general)) == 4
    assert authorities({}) == {}
    own = {f"cluster_signing_kubelet_client_{part}_file": "x" for part in ("cert", "key")}
    assert list(authorities(own)) == [requests.KUBELET_CLIENT]
    with pytest.raises(ValueError, match="at the same time"):
        authorities(general | own)


def test_requests_that_had_their_time_are_to_go() -> None:
    now = VIRTUAL_EPOCH + 2 * DAY

    def decided(kind: str, hours: float, certificate: bytes = b"") -> bool:
        obj = csr("c", requests.KUBELET_CLIENT)
        since = rfc3339(now - hours * 3600)
        obj["status"] = {"conditions": [{"type": kind, "status": "True", "lastUpdateTime": since}]}
        if certificate:
            obj["status"]["certificate"] = base64.b64encode(certificate).decode()
        return outlived(obj, now)

    assert decided("Denied", 1.1) and not decided("Denied", 0.9)
    assert decided("Failed", 1.1) and not decided("Failed", 0.9)
    assert decided("Approved", 24.1) and not decided("Approved", 1.1)
    assert decided("Approved", 1.1, b"pem") and not decided("Approved", 0.9, b"pem")
    pending = csr("c", requests.KUBELET_CLIENT)
    objects.metadata(pending)["creationTimestamp"] = rfc3339(now - 24.1 * 3600)
    assert outlived(pending, now)
