"""Client certificates and front proxies: who they name, until when, and whom they may speak for."""

from __future__ import annotations

import datetime

import pytest

from apiserver.apimachinery.http import ANONYMOUS, Headers, Request, UserInfo
from apiserver.auth.authenticators.request_header import RequestHeaderOptions
from apiserver.auth.build import AuthenticationConfig, build_authenticator
from apiserver.auth.der import CertificateError, read_certificate
from apiserver.auth.interface import AuthenticationError, Authenticator
from apiserver.auth.tests.worlds import Authority, FixedClock

USERS, PROXIES = Authority("users"), Authority("proxies")


def authenticator(clock: FixedClock | None = None, *, proxies: bool = False, anonymous: bool = True) -> Authenticator:
    header = RequestHeaderOptions(PROXIES.pem, ("front-proxy",), uid_headers=("X-Remote-Uid",)) if proxies else None
    config = AuthenticationConfig(
        clock=clock or FixedClock(), client_ca_pem=USERS.pem, request_header=header, anonymous=anonymous
    )
    return build_authenticator(config).requests


def request(certificate: bytes | None = None, **headers: str) -> Request:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request("GET", "/", client_certificate=certificate, headers=Headers(pairs))


async def test_a_certificate_names_the_user_its_groups_and_its_uid() -> None:
    der = USERS.issue("jürg", "ops", "dev", uids=("u-1",))
    user = await authenticator().authenticate(request(der))
    assert user is not None
    assert user[:3] == ("jürg", ("ops", "dev", "system:authenticated"), "u-1")
    fingerprint = read_certificate(der).fingerprint
    assert user.extra == (("authentication.kubernetes.io/credential-id", (f"X509SHA256={fingerprint}",)),)


async def test_without_a_certificate_one_is_anonymous_or_nobody() -> None:
    assert await authenticator().authenticate(request()) == ANONYMOUS
    assert await authenticator(anonymous=False).authenticate(request()) is None


async def test_a_certificate_without_a_name_is_anonymous() -> None:
    assert await authenticator().authenticate(request(USERS.issue("", "ops"))) == ANONYMOUS


@pytest.mark.parametrize("uids", [("a", "b"), ("",)])
async def test_uids_that_are_no_uid_are_refused(uids: tuple[str, ...]) -> None:
    with pytest.raises(AuthenticationError):
        await authenticator().authenticate(request(USERS.issue("x", uids=uids)))


async def test_an_open_connection_does_not_outlive_its_certificate() -> None:
    clock = FixedClock()
    der = USERS.issue("x", until=datetime.datetime.fromtimestamp(clock.time + 60, datetime.UTC).replace(tzinfo=None))
    subject, used = authenticator(clock), request(der)
    assert await subject.authenticate(used) is not None
    clock.time += 61
    with pytest.raises(AuthenticationError) as refused:
        await subject.authenticate(used)
    assert "certificate has expired" in refused.value.why
    assert refused.value.message == "Unauthorized"


async def test_a_front_proxy_speaks_for_others() -> None:
    asked = request(
        PROXIES.issue("front-proxy"),
        X_Remote_User="ann",
        X_Remote_Group="g",
        X_Remote_Uid="u",
        X_Remote_Extra_A_2fb="c",
    )
    user = await authenticator(proxies=True).authenticate(asked)
    assert user == UserInfo("ann", ("g", "system:authenticated"), "u", (("a-2fb", ("c",)),))


async def test_only_allowed_names_of_the_proxy_authority_speak_for_others() -> None:
    for certificate in (PROXIES.issue("other"), None):
        with pytest.raises(AuthenticationError) if certificate else _nothing():
            user = await authenticator(proxies=True).authenticate(request(certificate, X_Remote_User="ann"))
            assert user == ANONYMOUS


async def test_headers_with_a_users_certificate_do_not_count() -> None:
    user = await authenticator(proxies=True).authenticate(request(USERS.issue("bob"), X_Remote_User="ann"))
    assert user is not None
    assert user.name == "bob"


async def test_a_proxys_certificate_names_no_user() -> None:
    with pytest.raises(AuthenticationError, match="Unauthorized") as refused:
        await authenticator(proxies=True).authenticate(request(PROXIES.issue("admin", "system:masters")))
    assert "unknown authority" in refused.value.why


@pytest.mark.parametrize("cut", [0, 1, 10, 100])
def test_bytes_that_are_no_certificate_are_refused_as_such(cut: int) -> None:
    with pytest.raises(CertificateError):
        read_certificate(USERS.issue("x")[:cut])


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...
