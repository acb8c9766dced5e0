"""Whoever has proven who they are is a member of system:authenticated."""

from __future__ import annotations

from apiserver.apimachinery.http import ANONYMOUS, UserInfo

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"


def with_authenticated_group(user: UserInfo) -> UserInfo:
    """Add the group, unless the user is anonymous or says already which of the two it is."""
    if user.name == ANONYMOUS.name or AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups:
        return user
    return user._replace(groups=(*user.groups, AUTHENTICATED))
