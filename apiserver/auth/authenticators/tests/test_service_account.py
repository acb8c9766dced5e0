"""Service-account tokens: what is issued is accepted, as long as everything it is bound to lives."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.build import Authentication, AuthenticationConfig, build_authenticator, lister_reader
from apiserver.auth.interface import AuthenticationError
from apiserver.auth.jwt import KeySet, SigningKey, b64encode, parse
from apiserver.auth.serviceaccount import BoundTo, OpenIDMetadata, TokenIssuer
from apiserver.auth.tests.worlds import FixedClock, World, ec_pem, meta, pem

ISSUER = "https://issuer.example"
PEM = ec_pem()
POD: Object = {"metadata": meta("web-0", "shop", uid="p-1")}
NODE: Object = {"metadata": meta("n1", uid="n-1")}
SECRET: Object = {"metadata": meta("s", "shop", uid="s-1")}
ACCOUNT: Object = {"metadata": meta("robot", "shop", uid="a-1")}


class Server:
    """An issuer and the authenticators of one server, over one small world."""

    def __init__(self, key: bytes = PEM, **config: Any) -> None:
        self.clock = FixedClock()
        self.world = World()
        for resource, obj in (("serviceaccounts", ACCOUNT), ("pods", POD), ("nodes", NODE), ("secrets", SECRET)):
            self.world.add(resource, obj)
        self.issuer = TokenIssuer(
            issuer=ISSUER, key=SigningKey(key), clock=self.clock, rand=Random(1), audiences=(ISSUER,)
        )
        self.authentication: Authentication = build_authenticator(
            AuthenticationConfig(
                clock=self.clock,
                service_account_issuers=(ISSUER,),
                service_account_key_pems=(key,),
                read=lister_reader(lambda: self.world),
                **config,
            )
        )

    def token(self, bound: BoundTo = BoundTo(), audiences: tuple[str, ...] = (ISSUER,), seconds: int = 3600) -> str:  # noqa: B008
        return self.issuer.issue(ACCOUNT, audiences, seconds, bound)

    async def why(self, token: str, audiences: tuple[str, ...] = ()) -> str:
        """Why the token is refused; the loopback client's own refusal, which upstream puts first, left out."""
        with pytest.raises(AuthenticationError) as refused:
            await self.authentication.tokens.authenticate_token(token, audiences)
        assert refused.value.reasons[0] == "invalid bearer token"
        return ", ".join(refused.value.reasons[1:])

    async def user(self, token: str, audiences: tuple[str, ...] = ()) -> Any:
        found = await self.authentication.tokens.authenticate_token(token, audiences)
        assert found is not None
        return found[0]


KEYS: dict[str, Callable[[], bytes]] = {
    "ES256": ec_pem,
    "ES384": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
    "ES512": lambda: pem(ec.generate_private_key(ec.SECP521R1())),
    "RS256": lambda: pem(rsa.generate_private_key(65537, 2048)),
}


@pytest.mark.parametrize("algorithm", KEYS)
async def test_a_token_is_accepted_whatever_the_key(algorithm: str) -> None:
    server = Server(KEYS[algorithm]())
    token = server.token()
    parsed = parse(token)
    assert parsed is not None
    assert parsed.header["alg"] == algorithm
    user = await server.user(token)
    groups = ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")
    assert user[:3] == ("system:serviceaccount:shop:robot", groups, "a-1")


async def test_claims_are_upstreams() -> None:
    server = Server()
    parsed = parse(server.token(BoundTo(pod=POD, node=NODE)))
    assert parsed is not None
    now = int(server.clock.now())
    assert parsed.claims == {
        "aud": [ISSUER],
        "exp": now + 3600,
        "iat": now,
        "iss": ISSUER,
        "jti": parsed.claims["jti"],
        "kubernetes.io": {
            "namespace": "shop",
            "node": {"name": "n1", "uid": "n-1"},
            "pod": {"name": "web-0", "uid": "p-1"},
            "serviceaccount": {"name": "robot", "uid": "a-1"},
        },
        "nbf": now,
        "sub": "system:serviceaccount:shop:robot",
    }


async def test_a_pods_token_says_pod_and_node() -> None:
    server = Server()
    extra = dict((await server.user(server.token(BoundTo(pod=POD, node=NODE)))).extra)
    assert extra["authentication.kubernetes.io/pod-name"] == ("web-0",)
    assert extra["authentication.kubernetes.io/pod-uid"] == ("p-1",)
    assert extra["authentication.kubernetes.io/node-name"] == ("n1",)
    assert extra["authentication.kubernetes.io/node-uid"] == ("n-1",)
    assert extra["authentication.kubernetes.io/credential-id"][0].startswith("JTI=")


@pytest.mark.parametrize(
    ("bound", "resource", "namespace", "name"),
    [
        (BoundTo(pod=POD), "pods", "shop", "web-0"),
        (BoundTo(node=NODE), "nodes", "", "n1"),
        (BoundTo(secret=SECRET), "secrets", "shop", "s"),
    ],
)
async def test_a_token_dies_with_what_it_is_bound_to(bound: BoundTo, resource: str, namespace: str, name: str) -> None:
    server = Server()
    token = server.token(bound)
    await server.user(token)
    server.world.remove(resource, namespace, name)
    assert await server.why(token) == "service account token has been invalidated"


async def test_an_object_of_the_same_name_is_not_the_same_object() -> None:
    server = Server()
    pods, accounts = server.token(BoundTo(pod=POD)), server.token()
    server.world.add("pods", {"metadata": meta("web-0", "shop", uid="p-2")})
    assert await server.why(pods) == "pod UID (p-2) does not match service account pod ref claim (p-1)"
    server.world.add("serviceaccounts", {"metadata": meta("robot", "shop", uid="a-2")})
    assert await server.why(accounts) == "service account UID (a-2) does not match claim (a-1)"


async def test_deletion_counts_when_it_lies_back_further_than_clocks_differ() -> None:
    server = Server()
    token = server.token()
    deleted = meta("robot", "shop", uid="a-1", deletionTimestamp=rfc3339(server.clock.now()))
    server.world.add("serviceaccounts", {"metadata": deleted})
    await server.user(token)
    server.clock.time += 61
    assert await server.why(token) == "service account shop/robot has been deleted"


async def test_a_missing_account_is_told_as_upstream_does() -> None:
    server = Server()
    server.world.remove("serviceaccounts", "shop", "robot")
    assert await server.why(server.token()) == 'serviceaccounts "robot" not found'


@pytest.mark.parametrize(
    ("shift", "why"),
    [
        (3600 + 61, "service account token has expired"),
        (-61, "service account token is not valid yet"),
    ],
)
async def test_tokens_have_their_time(shift: int, why: str) -> None:
    server = Server()
    token = server.token()
    server.clock.time += shift
    assert await server.why(token) == why


async def test_a_minute_of_skew_is_forgiven() -> None:
    server = Server()
    token = server.token()
    server.clock.time += 3600 + 59
    await server.user(token)
    server.clock.time -= 3600 + 59 + 59
    await server.user(token)


async def test_a_token_for_others_is_not_for_the_server() -> None:
    server = Server()
    token = server.token(audiences=("vault",))
    why = f'token audiences ["vault"] is invalid for the target audiences ["{ISSUER}"]'
    assert await server.why(token) == why
    found = await server.authentication.tokens.authenticate_token(token, ("vault", "x"))
    assert found is not None
    assert found[1] == ("vault",)


async def test_a_changed_token_is_refused_even_when_the_good_one_is_known() -> None:
    server = Server()
    good = server.token()
    await server.user(good)
    header, claims, signature = good.split(".")
    forged = b64encode(base64.urlsafe_b64decode(claims + "==").replace(b"robot", b"admin"))
    assert await server.why(f"{header}.{forged}.{signature}") == "go-jose/go-jose: error in cryptographic primitive"
    assert await server.why(f"{header}.{claims}.{b64encode(b'x' * 64)}") != ""


async def test_a_signature_has_one_length() -> None:
    server = Server()
    header, claims, signature = server.token().split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    padded = b64encode(b"\0" + raw[:32] + b"\0" + raw[32:])
    assert await server.why(f"{header}.{claims}.{padded}") == "go-jose/go-jose: error in cryptographic primitive"


async def test_another_key_is_no_key() -> None:
    server, stranger = Server(), Server(ec_pem())
    assert await server.why(stranger.token()) == "invalid signature, no keys found"


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "..", "e30.e30.e30", "e30.W10.x"])
async def test_what_is_no_token_of_ours_is_nobodys(token: str) -> None:
    server = Server(anonymous=False)
    if token:
        assert await server.why(token) == ""
    else:
        assert await server.authentication.tokens.authenticate_token(token, ()) is None


async def test_no_signature_is_not_a_signature() -> None:
    server = Server()
    parsed = parse(server.token())
    assert parsed is not None
    _, claims, _ = server.token().split(".")
    header = b64encode(b'{"alg":"none"}')
    assert await server.why(f"{header}.{claims}.") == "go-jose/go-jose: error in cryptographic primitive"


def legacy(server: Server, **changes: str) -> str:
    claims = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:shop:robot",
        "kubernetes.io/serviceaccount/namespace": "shop",
        "kubernetes.io/serviceaccount/secret.name": "s",
        "kubernetes.io/serviceaccount/service-account.name": "robot",
        "kubernetes.io/serviceaccount/service-account.uid": "a-1",
    }
    return SigningKey(PEM).sign({**claims, **changes})


def keep(server: Server, token: str, **labels: str) -> None:
    data = {"token": base64.b64encode(token.encode()).decode()}
    server.world.add("secrets", {"metadata": meta("s", "shop", uid="s-1", labels=labels), "data": data})


async def test_a_legacy_token_lives_as_long_as_its_secret() -> None:
    server = Server()
    token = legacy(server)
    keep(server, token)
    assert (await server.user(token)).name == "system:serviceaccount:shop:robot"
    server.world.remove("secrets", "shop", "s")
    assert await server.why(token) == "Token has been invalidated"


async def test_a_legacy_token_has_to_be_the_one_in_the_secret() -> None:
    server = Server()
    keep(server, "another")
    assert await server.why(legacy(server)) == "Token does not match server's copy"


async def test_a_legacy_token_marked_invalid_is_refused() -> None:
    server = Server()
    token = legacy(server)
    keep(server, token, **{"kubernetes.io/legacy-token-invalid-since": "2026-01-01"})
    assert "has been marked invalid" in await server.why(token)


async def test_claims_of_a_legacy_token_have_to_agree() -> None:
    server = Server()
    token = legacy(server, sub="system:serviceaccount:shop:other")
    keep(server, token)
    assert await server.why(token) == "sub claim is invalid"


async def test_without_lookup_a_legacy_token_needs_no_secret() -> None:
    server = Server(service_account_lookup=False)
    assert (await server.user(legacy(server))).uid == "a-1"


def test_a_kubelets_token_lives_a_year_and_says_when_it_should_have_been_renewed() -> None:
    issuer = Server().issuer
    assert issuer.lifetimes(3607, (ISSUER,), to_pod=True) == (365 * 24 * 3600, 3607)
    assert issuer.lifetimes(3607, (ISSUER,), to_pod=False) == (3607, 0)
    assert issuer.lifetimes(3607, ("vault",), to_pod=True) == (3607, 0)
    assert issuer.lifetimes(3600, (ISSUER,), to_pod=True) == (3600, 0)


def test_the_published_keys_verify_what_is_issued() -> None:
    rsa_pem = KEYS["RS256"]()
    metadata = OpenIDMetadata(ISSUER, "https://here/openid/v1/jwks", KeySet((PEM + rsa_pem, PEM)))
    keys = json.loads(metadata.jwks)["keys"]
    assert [list(key) for key in keys] == [
        ["use", "kty", "kid", "crv", "alg", "x", "y"],
        ["use", "kty", "kid", "alg", "n", "e"],
    ]
    assert keys[0]["kid"] == SigningKey(PEM).verification.key_id
    assert metadata.configuration == (
        b'{"issuer":"https://issuer.example","jwks_uri":"https://here/openid/v1/jwks","response_types_supported":'
        b'["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256","RS256"]}'
    )
