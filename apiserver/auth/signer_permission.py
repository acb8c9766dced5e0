"""Whether somebody may do something for a signer (upstream pkg/certauthorization)."""

from __future__ import annotations

from apiserver.apimachinery.http import UserInfo
from apiserver.auth.interface import ALLOW, Authorizer, AuthorizerAttributes


async def is_permitted(authorizer: Authorizer, user: UserInfo, verb: str, signer: str) -> bool:
    """For the signer itself, or for all of its domain."""
    for name in (signer, signer.partition("/")[0] + "/*"):
        asked = AuthorizerAttributes(
            user=user,
            verb=verb,
            is_resource=True,
            group="certificates.k8s.io",
            version="*",
            resource="signers",
            name=name,
        )
        if (await authorizer.authorize(asked)).verdict == ALLOW:
            return True
    return False
