"""Bearer tokens: from headers, from WebSocket subprotocols, from the token file; what is wrong is never anonymous."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from apiserver.apimachinery.http import ANONYMOUS, Headers, Request
from apiserver.auth.authenticators.token_file import read_token_file
from apiserver.auth.build import REQUESTS, Authentication, AuthenticationConfig, build_authenticator
from apiserver.auth.interface import AuthenticationError
from apiserver.auth.tests.worlds import FixedClock
from apiserver.auth.union import UnionTokenAuthenticator

FILE = 'secret,ann,u-1,"ops,dev"\nother,bob,u-2\n,nobody,u-3\nsecret2,cy,u-4,""\n'


@pytest.fixture
def subject(tmp_path: Path) -> Authentication:
    path = tmp_path / "tokens.csv"
    path.write_text(FILE)
    return build_authenticator(
        AuthenticationConfig(clock=FixedClock(), token_auth_file=str(path), api_audiences=("api",))
    )


def bearing(value: str) -> Request:
    return Request("GET", "/", headers=Headers([("Authorization", value)]))


def over_websocket(protocols: str) -> Request:
    pairs = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Protocol", protocols)]
    return Request("GET", "/", headers=Headers(pairs))


def encoded(token: str) -> str:
    return "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


@pytest.mark.parametrize("header", ["Bearer secret", "bearer secret", "  Bearer secret  ", "Bearer secret more"])
async def test_a_known_token_names_its_user(subject: Authentication, header: str) -> None:
    user = await subject.requests.authenticate(bearing(header))
    assert user is not None
    assert user[:3] == ("ann", ("ops", "dev", "system:authenticated"), "u-1")


async def test_an_unknown_token_is_an_error(subject: Authentication) -> None:
    with pytest.raises(AuthenticationError) as refused:
        await subject.requests.authenticate(bearing("Bearer nope"))
    assert (refused.value.code, refused.value.message) == (401, "Unauthorized")


@pytest.mark.parametrize("header", ["Basic c2VjcmV0", "Bearer", ""])
async def test_other_credentials_are_none(subject: Authentication, header: str) -> None:
    assert await subject.requests.authenticate(bearing(header)) == ANONYMOUS


async def test_a_space_too_many_is_told_in_a_warning(subject: Authentication) -> None:
    request = bearing("Bearer  secret")
    assert await subject.requests.authenticate(request) == ANONYMOUS
    assert request.warnings == [
        "the provided Authorization header contains extra space before the bearer token, and is ignored"
    ]


async def test_the_space_is_told_of_before_anyone_is_asked_who_the_client_is() -> None:
    first = next(REQUESTS[0](AuthenticationConfig(clock=FixedClock()), UnionTokenAuthenticator([])))
    request = bearing("Bearer  x")
    assert await first.authenticate(request) is None
    assert len(request.warnings) == 1


async def test_a_browser_bears_its_token_as_a_subprotocol(subject: Authentication) -> None:
    request = over_websocket(f"{encoded('other')}, v5.channel.k8s.io")
    user = await subject.requests.authenticate(request)
    assert user is not None
    assert user.name == "bob"
    assert request.headers["sec-websocket-protocol"] == "v5.channel.k8s.io"


@pytest.mark.parametrize(
    ("protocols", "why"),
    [
        (encoded("other"), "missing additional subprotocol"),
        (f"{encoded('a')},{encoded('b')},x", "multiple base64.bearer.authorization tokens specified"),
        ("base64url.bearer.authorization.k8s.io.###,x", "invalid base64.bearer.authorization token encoding"),
        ("base64url.bearer.authorization.k8s.io._w,x", "invalid base64.bearer.authorization token"),
    ],
)
async def test_subprotocols_that_make_no_sense_are_errors(subject: Authentication, protocols: str, why: str) -> None:
    with pytest.raises(AuthenticationError) as refused:
        await subject.requests.authenticate(over_websocket(protocols))
    assert refused.value.why == why


async def test_a_review_tells_the_user_and_the_audiences(subject: Authentication) -> None:
    found = await subject.tokens.authenticate_token("other", ("else", "api"))
    assert found is not None
    user, audiences = found
    assert (user.name, user.groups, audiences) == ("bob", ("system:authenticated",), ("api",))


async def test_a_static_token_is_good_for_the_servers_own_audiences_only(subject: Authentication) -> None:
    with pytest.raises(AuthenticationError) as refused:
        await subject.tokens.authenticate_token("other", ("else",))
    assert refused.value.why == "invalid bearer token"


async def test_a_token_that_begins_with_a_space_is_anonymous_as_upstream_has_it(subject: Authentication) -> None:
    assert await subject.tokens.authenticate_token(" other", ()) == (ANONYMOUS, ("api",))


def test_a_line_with_too_few_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.csv"
    path.write_text("a,b\n")
    with pytest.raises(ValueError, match="at least 3 columns"):
        read_token_file(str(path))
