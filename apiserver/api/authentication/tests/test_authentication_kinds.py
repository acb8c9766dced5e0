"""SelfSubjectReview, TokenReview, TokenRequest."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.authentication.selfsubjectreview import SelfSubjectReviewREST
from apiserver.api.authentication.token_request import TokenREST
from apiserver.api.authentication.tokenreview import TokenReviewREST
from apiserver.apimachinery.errors import StatusError, not_found
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.build import AuthenticationConfig, build_authenticator
from apiserver.auth.jwt import SigningKey, parse
from apiserver.auth.serviceaccount import TokenIssuer
from apiserver.auth.tests.worlds import FixedClock, World, ec_pem, meta
from apiserver.registry.context import Context

PEM = ec_pem()
CLOCK = FixedClock()
TOKENS = TokenIssuer(issuer="https://i", key=SigningKey(PEM), clock=CLOCK, rand=Random(1), audiences=("https://i",))


def context(namespace: str = "shop", who: UserInfo = UserInfo("ann")) -> Context:  # noqa: B008
    return Context(CLOCK, Random(1), version="v1", namespace=namespace, user=who)


async def admit(obj: Object) -> None:
    assert "status" not in obj


class Stores:
    """Stores over a world; what a Store gives for a record is the object itself."""

    def __init__(self, world: World, resource: GroupResource) -> None:
        self._world = world
        self._resource = resource

    async def get(self, ctx: Context, name: str) -> Any:
        found = self._world(self._resource).get(ctx.namespace, name)
        if found is None:
            raise not_found(self._resource, name)
        return found

    def object(self, record: Any) -> Object:
        return record  # type: ignore[no-any-return]


@pytest.fixture
def rest() -> TokenREST:
    world = World()
    world.add("serviceaccounts", {"metadata": meta("robot", "shop", uid="a-1")})
    world.add(
        "pods", {"metadata": meta("web", "shop", uid="p-1"), "spec": {"serviceAccountName": "robot", "nodeName": "n1"}}
    )
    world.add("pods", {"metadata": meta("alien", "shop", uid="p-2"), "spec": {"serviceAccountName": "default"}})
    world.add("nodes", {"metadata": meta("n1", uid="n-1")})
    stores: Any = lambda resource: Stores(world, resource)  # noqa: E731
    return TokenREST(TOKENS, stores(GroupResource("", "serviceaccounts")), stores)


async def request(rest: TokenREST, body: Object, name: str = "robot", ctx: Context | None = None) -> Object:
    return await rest.create(ctx or context(), name, body, {}, admit)


async def test_defaults_are_filled_in(rest: TokenREST) -> None:
    answer = await request(rest, {})
    assert answer["metadata"] == {
        "name": "robot",
        "namespace": "shop",
        "uid": "a-1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    assert answer["spec"] == {"audiences": ["https://i"], "expirationSeconds": 3600, "boundObjectRef": None}
    assert answer["status"]["expirationTimestamp"] == "2026-01-01T01:00:00Z"


def claims(answer: Object) -> Object:
    token = parse(answer["status"]["token"])
    assert token is not None
    return token.claims


async def test_a_pods_token_carries_its_node(rest: TokenREST) -> None:
    ref = {"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": "p-1"}
    answer = await request(rest, {"spec": {"boundObjectRef": ref, "expirationSeconds": 3607}})
    own = claims(answer)["kubernetes.io"]
    assert (own["pod"], own["node"]) == ({"name": "web", "uid": "p-1"}, {"name": "n1", "uid": "n-1"})
    assert own["warnafter"] == CLOCK.now() + 3607
    assert claims(answer)["exp"] == CLOCK.now() + 365 * 24 * 3600
    assert answer["status"]["expirationTimestamp"] == "2026-01-01T01:00:07Z"


@pytest.mark.parametrize(
    ("body", "name", "code", "message"),
    [
        ({}, "nobody", 404, 'serviceaccounts "nobody" not found'),
        (
            {"metadata": {"name": "x"}},
            "robot",
            422,
            'TokenRequest.authentication.k8s.io "robot" is invalid: metadata.name: Invalid value: "x": must match the '
            "service account name if specified",
        ),
        (
            {"metadata": {"uid": "x"}},
            "robot",
            409,
            'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "robot": the UID in the token request (x) '
            "does not match the UID of the service account (a-1)",
        ),
        (
            {"spec": {"expirationSeconds": 99}},
            "robot",
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 99: may not specify a '
            "duration less than 10 minutes",
        ),
        (
            {"spec": {"expirationSeconds": 999999999999}},
            "robot",
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 999999999999: may not '
            "specify a duration larger than 2^32 seconds",
        ),
        ({"spec": {"boundObjectRef": {}}}, "robot", 400, "cannot bind token to object of type /, Kind="),
        (
            {"spec": {"boundObjectRef": {"kind": "Foo", "apiVersion": "apps/v1", "name": "x"}}},
            "robot",
            400,
            "cannot bind token to object of type apps/v1, Kind=Foo",
        ),
        (
            {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "x"}}},
            "robot",
            404,
            'pods "x" not found',
        ),
        (
            {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "alien"}}},
            "robot",
            400,
            'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
        ),
        (
            {"spec": {"boundObjectRef": {"kind": "Node", "apiVersion": "v1", "name": "n1", "uid": "other"}}},
            "robot",
            409,
            'Operation cannot be fulfilled on Node "n1": the UID in the bound object reference (other) does not match the UID '
            "in record. The object might have been deleted and then recreated",
        ),
    ],
)
async def test_refusals(rest: TokenREST, body: Object, name: str, code: int, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        await request(rest, body, name)
    assert (refused.value.code, refused.value.message) == (code, message)


async def test_a_limit_shortens_and_warns(rest: TokenREST) -> None:
    limited = TokenREST(
        TokenIssuer(issuer="i", key=SigningKey(PEM), clock=CLOCK, rand=Random(1), audiences=("i",), max_expiration=900),
        rest.accounts,
        rest.store,
    )
    ctx = context()
    answer = await request(limited, {}, ctx=ctx)
    assert answer["spec"]["expirationSeconds"] == 900
    assert ctx.warnings == ["requested expiration of 3600 seconds shortened to 900 seconds"]


async def test_a_self_review_tells_who_asks() -> None:
    who = UserInfo("ann", ("dev",), "u-1", (("k", ("v",)),))
    answer = await SelfSubjectReviewREST().create(context("", who), "", {"metadata": {"name": "x"}}, {}, admit)
    assert answer["metadata"] == {"creationTimestamp": "2026-01-01T00:00:00Z"}
    assert answer["status"] == {"userInfo": {"username": "ann", "uid": "u-1", "groups": ["dev"], "extra": {"k": ["v"]}}}


async def test_a_token_review_tells_whose_the_token_is(rest: TokenREST) -> None:
    world = World()
    world.add("serviceaccounts", {"metadata": meta("robot", "shop", uid="a-1")})
    config = AuthenticationConfig(
        clock=CLOCK, service_account_issuers=("https://i",), service_account_key_pems=(PEM,), read=world.read
    )
    review = TokenReviewREST(build_authenticator(config).tokens)

    async def status(**spec: Any) -> Object:
        answer = await review.create(context(""), "", {"spec": spec}, {}, admit)
        return answer["status"]  # type: ignore[no-any-return]

    token = (await request(rest, {}))["status"]["token"]
    good = await status(token=token)
    assert good["authenticated"]
    assert good["user"]["username"] == "system:serviceaccount:shop:robot"
    assert good["audiences"] == ["https://i"]
    assert await status(token="nonsense") == {"user": {}, "error": "invalid bearer token"}
    why = '[invalid bearer token, token audiences ["https://i"] is invalid for the target audiences ["x"]]'
    assert await status(token=token, audiences=["x"]) == {"user": {}, "error": why}
    with pytest.raises(StatusError, match="token is required for TokenReview in authentication"):
        await status(token="")
