"""The bundle of the API servers' authority is there, is put back, and replaces that of an earlier authority."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from apiserver.apimachinery.clock import run_virtual
from controllers.framework.kinds import CLUSTER_TRUST_BUNDLES
from controllers.loops.tests.certificates import key
from controllers.loops.trust_bundle import SIGNER, bundle_name
from controllers.tests.worlds import LoopWorld, loop_world

LOOP = "kube-apiserver-serving-clustertrustbundle-publisher-controller"


@lru_cache
def authority(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key().public_key())
    made = made.serial_number(7).not_valid_before(start).not_valid_after(start + timedelta(days=3650))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


async def _bundles(w: LoopWorld) -> list[tuple[str, str, str]]:
    found = await w.all(CLUSTER_TRUST_BUNDLES, "")
    return [(b["metadata"]["name"], b["spec"]["signerName"], b["spec"]["trustBundle"]) for b in found]


def test_the_bundle_is_named_after_its_content_and_comes_back() -> None:
    async def main() -> None:
        ca = authority("ca")
        async with loop_world(LOOP, settings={"root_ca": ca}) as w:
            await w.settle(1)
            wanted = [(bundle_name(SIGNER, ca), SIGNER, ca)]
            assert await _bundles(w) == wanted
            await w.resource(CLUSTER_TRUST_BUNDLES).delete(wanted[0][0])
            await w.settle(1)
            assert await _bundles(w) == wanted

    run_virtual(main())


def test_bundles_of_earlier_authorities_and_changes_go() -> None:
    async def main() -> None:
        ca, old = authority("ca"), authority("old")
        name = bundle_name(SIGNER, ca)
        async with loop_world(LOOP, settings={"root_ca": ca}) as w:
            await w.settle(1)
            spec = {"signerName": SIGNER, "trustBundle": old}
            bundles = w.resource(CLUSTER_TRUST_BUNDLES)
            await bundles.create({"metadata": {"name": bundle_name(SIGNER, old)}, "spec": spec})
            await bundles.patch(name, "", {"spec": {"trustBundle": old}})
            await w.settle(1)
            assert await _bundles(w) == [(name, SIGNER, ca)]

    run_virtual(main())


def test_a_name_of_a_bundle() -> None:
    assert bundle_name("a.b/c", "x") == "a.b:c:2d711642b726b04401627ca9"
