"""Client certificates: the common name is the user, organizations are the groups (upstream authentication/request/x509)."""

from __future__ import annotations

from apiserver.apimachinery.clock import Clock, rfc3339
from apiserver.apimachinery.http import Request, UserInfo
from apiserver.auth.authenticators.chains import IssuerPool
from apiserver.auth.authenticators.groups import with_authenticated_group
from apiserver.auth.der import Certificate, CertificateError, read_certificate
from apiserver.auth.interface import AuthenticationError

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_MEMO = "x509"  # the key in Request.connection


def certificate_of(request: Request) -> Certificate | None:
    """The client's certificate, read once per connection; raises AuthenticationError where it cannot be read."""
    if request.client_certificate is None:
        return None
    memo = request.connection.get(_MEMO)
    if memo is None:
        try:
            memo = request.connection[_MEMO] = read_certificate(request.client_certificate)
        except CertificateError as e:
            raise AuthenticationError(str(e)) from e
    return memo


def check_validity(certificate: Certificate, now: float) -> None:
    """A connection may outlive its certificate: every request is checked."""
    if now > certificate.not_after:
        when = f"current time {rfc3339(now)} is after {rfc3339(certificate.not_after)}"
    elif now < certificate.not_before:
        when = f"current time {rfc3339(now)} is before {rfc3339(certificate.not_before)}"
    else:
        return
    raise AuthenticationError(f"x509: certificate has expired or is not yet valid: {when}")


class ClientCertificateAuthenticator:
    """`pool` is given where the front accepts certificates of other authorities too."""

    def __init__(self, clock: Clock, pool: IssuerPool | None = None) -> None:
        self._clock = clock
        self._pool = pool

    async def authenticate(self, request: Request) -> UserInfo | None:
        certificate = certificate_of(request)
        if certificate is None:
            return None
        check_validity(certificate, self._clock.now())
        user = request.connection.get("x509-user")
        if user is None:
            user = self._user(request, certificate)
            request.connection["x509-user"] = user
        return user if user.name else None

    def _user(self, request: Request, certificate: Certificate) -> UserInfo:
        if self._pool is not None and not self._pool.signed(request.client_certificate or b""):
            raise AuthenticationError("x509: certificate signed by unknown authority")
        return user_of(certificate)


def user_of(certificate: Certificate) -> UserInfo:
    """The user a certificate names; an empty name means that it names none."""
    if not certificate.common_name:
        return UserInfo("")
    if len(certificate.uids) > 1:
        raise AuthenticationError(f"expected 1 UID, but found multiple: [{' '.join(certificate.uids)}]")
    if certificate.uids == ("",):
        raise AuthenticationError("UID cannot be an empty string")
    return with_authenticated_group(
        UserInfo(
            certificate.common_name,
            certificate.organizations,
            certificate.uids[0] if certificate.uids else "",
            ((CREDENTIAL_ID, (f"X509SHA256={certificate.fingerprint}",)),),
        )
    )
