"""Trust bundles and the certificates of pods through a whole server."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from apiserver.apimachinery.clock import run_virtual
from apiserver.server.tests.worlds import World, world

GROUP = "/apis/certificates.k8s.io/v1"
BUNDLES, REQUESTS = f"{GROUP}/clustertrustbundles", f"{GROUP}/namespaces/default/podcertificaterequests"
MERGE = "application/merge-patch+json"
NOBODY = x509.Name([])
WHEN = "%Y-%m-%dT%H:%M:%SZ"


@lru_cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@lru_cache
def request(curve: type[ec.EllipticCurve] = ec.SECP256R1) -> str:
    signer = key() if curve is ec.SECP256R1 else ec.generate_private_key(curve())
    made = x509.CertificateSigningRequestBuilder().subject_name(NOBODY).sign(signer, hashes.SHA256())
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def certificate(start: datetime, life: timedelta, *, authority: bool = False) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key().public_key())
    made = made.serial_number(7).not_valid_before(start).not_valid_after(start + life)
    made = made.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    return made.sign(key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@lru_cache
def authority() -> str:
    return certificate(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=30), authority=True)


def bundle(name: str, trust: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"trustBundle": trust, **spec}}


def asking(**changed: Any) -> dict[str, Any]:
    names = {
        f"{who}{what}": f"{who.lower()}-1" for who in ("pod", "serviceAccount", "node") for what in ("Name", "UID")
    }
    spec = {"signerName": "example.com/s", **names, "stubPKCS10Request": request(), **changed}
    return {"metadata": {"name": "x"}, "spec": spec}


def condition(kind: str, status: str = "True") -> dict[str, str]:
    since = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": "Because", "message": "", "lastTransitionTime": since}


async def answer(api: World, status: dict[str, Any], **headers: str) -> tuple[int, Any]:
    return await api.ask("PATCH", f"{REQUESTS}/x/status", {"status": status}, Content_Type=MERGE, **headers)


async def issued(api: World, life: timedelta = timedelta(hours=12)) -> dict[str, Any]:
    """What a signer answers now."""
    _, made = await api.ask("GET", f"{REQUESTS}/x")
    start = datetime.fromisoformat(made["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
    times = {"notBefore": start, "notAfter": start + life, "beginRefreshAt": start + life / 2}
    chain = certificate(start, life)
    shown = {field: when.strftime(WHEN) for field, when in times.items()}
    return {"conditions": [condition("Issued")], "certificateChain": chain, **shown}


def test_a_bundle_of_a_signer_bears_its_name() -> None:
    async def scenario() -> None:
        async with world() as api:
            signed = bundle("example.com:s:one", authority(), signerName="example.com/s")
            assert (await api.ask("POST", BUNDLES, signed))[0] == 201
            code, refused = await api.ask("POST", BUNDLES, bundle("one", authority(), signerName="example.com/s"))
            assert code == 422
            assert "must be named with prefix example.com:s:" in refused["message"]
            code, refused = await api.ask("POST", BUNDLES, bundle("a:b", authority()))
            assert 'without signer name must not have ":" in its name' in refused["message"]
            _, found = await api.ask("GET", f"{BUNDLES}?fieldSelector=spec.signerName%3Dexample.com%2Fs")
            assert [item["metadata"]["name"] for item in found["items"]] == ["example.com:s:one"]

    run_virtual(scenario())


def test_a_bundle_holds_certificates_of_authorities_each_once() -> None:
    async def scenario() -> None:
        async with world() as api:
            plain = certificate(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1))
            for trust, why in (
                ("", "at least one trust anchor must be provided"),
                (authority() * 2, "duplicate trust anchor (indices [0 1])"),
                (authority() + plain, "entry 1 does not have the CA bit set"),
            ):
                code, refused = await api.ask("POST", BUNDLES, bundle("one", trust))
                assert (code, refused["details"]["causes"][0]["message"]) == (
                    422,
                    f'Invalid value: "<value omitted>": {why}',
                )

    run_virtual(scenario())


def test_only_who_may_attest_writes_a_signers_bundle() -> None:
    async def scenario() -> None:
        async with world() as api:
            rules = [{"apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": ["*"]}]
            role = {"metadata": {"name": "r"}, "rules": rules}
            bound: dict[str, Any] = {"metadata": {"name": "r"}, "subjects": [{"kind": "User", "name": "jane"}]}
            bound["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r"}
            await api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
            await api.ask("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", bound)
            await asyncio.sleep(1)  # until the authorizer knows of the role
            signed = bundle("example.com:s:one", authority(), signerName="example.com/s")
            code, refused = await api.ask("POST", BUNDLES, signed, Impersonate_User="jane")
            assert code == 403
            assert refused["message"].endswith('user not permitted to attest for signerName "example.com/s"')
            assert (await api.ask("POST", BUNDLES, bundle("one", authority()), Impersonate_User="jane"))[0] == 201

    run_virtual(scenario())


def test_a_pods_request_is_signed_with_a_strong_key_and_lasts_a_day() -> None:
    async def scenario() -> None:
        async with world() as api:
            code, refused = await api.ask("POST", REQUESTS, asking(stubPKCS10Request=request(ec.SECP224R1)))
            assert code == 422
            assert "elliptic public keys must use curve P256, P384, or P521" in refused["message"]
            code, made = await api.ask("POST", REQUESTS, asking())
            assert (code, made["spec"]["maxExpirationSeconds"], made["status"]) == (201, 86400, {})

    run_virtual(scenario())


def test_the_certificate_is_for_the_requests_key_and_the_answer_is_final() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", REQUESTS, asking())
            given = await issued(api)
            code, refused = await answer(api, {**given, "notAfter": "2030-01-01T00:00:00Z"})
            assert code == 422
            assert "must be set to the NotAfter time encoded in the leaf certificate" in refused["message"]
            code, refused = await answer(api, await issued(api, timedelta(minutes=30)))
            assert "leaf certificate lifetime must be >= 1 hour" in refused["message"]
            code, made = await answer(api, given)
            assert code == 200, made
            code, refused = await answer(api, {"conditions": [condition("Failed")]})
            assert "immutable after PodCertificateRequest is issued, denied, or failed" in refused["message"]

    run_virtual(scenario())


def test_a_denied_request_gets_nothing_else() -> None:
    async def scenario() -> None:
        async with world() as api:
            await api.ask("POST", REQUESTS, asking())
            code, refused = await answer(api, {"conditions": [condition("Denied")], "certificateChain": "x"})
            assert code == 422
            assert "non-condition status fields must be empty" in refused["message"]
            code, refused = await answer(api, {"conditions": [condition("Denied"), condition("Failed")]})
            assert 'There may be at most one condition with type "Issued", "Denied", or "Failed"' in refused["message"]
            assert (await answer(api, {"conditions": [condition("Denied")]}))[0] == 200

    run_virtual(scenario())
