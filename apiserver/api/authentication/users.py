"""Users as reviews print them."""

from __future__ import annotations

from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object


def user_object(user: UserInfo) -> Object:
    """authentication.k8s.io UserInfo; empty members are left out."""
    members = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra},
    }
    return {key: value for key, value in members.items() if value}
