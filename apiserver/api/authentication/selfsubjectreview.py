"""SelfSubjectReview: who the server thinks the asker is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from apiserver.api.authentication.users import user_object
from apiserver.apimachinery.objects import Object, copy
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store


class SelfSubjectReviewREST:
    """Answers with the request's user; what the body says does not matter."""

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        await admit(copy(obj))
        return {
            "kind": "SelfSubjectReview",
            "apiVersion": f"authentication.k8s.io/{ctx.version}",
            "metadata": {"creationTimestamp": ctx.timestamp()},
            "status": {"userInfo": user_object(ctx.user)},
        }


def _rest(dependencies: Dependencies, store: Store | None) -> SelfSubjectReviewREST:
    return SelfSubjectReviewREST()


RESOURCE = Resource(
    group="authentication.k8s.io",
    plural="selfsubjectreviews",
    kind="SelfSubjectReview",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    namespaced=False,
    verbs=("create",),
    rest=_rest,
)
