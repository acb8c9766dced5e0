"""SelfSubjectAccessReview, SubjectAccessReview, LocalSubjectAccessReview: may this user do this?

Mirrors upstream pkg/registry/authorization and pkg/apis/authorization/validation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apiserver.api.authorization.access import (
    GROUP,
    answer,
    attributes_from,
    metadata_errors,
    review_error,
    selector_errors,
    shown,
    spec_errors,
    user_of,
)
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object, copy, namespace_of
from apiserver.auth.interface import Authorizer
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

NO_METADATA = ("managedFields",)


def self_errors(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from spec_errors(spec)
    yield from selector_errors(spec)
    yield from metadata_errors(obj, allowed=NO_METADATA, detail="must be empty")


def _subject_errors(spec: Object) -> Iterator[FieldError]:
    yield from spec_errors(spec)
    if not spec.get("user") and not spec.get("groups"):
        yield invalid("spec.user", "", "at least one of user or group must be specified")
    yield from selector_errors(spec)


def subject_errors(obj: Object) -> Iterator[FieldError]:
    yield from _subject_errors(obj["spec"])
    yield from metadata_errors(obj, allowed=NO_METADATA, detail="must be empty")


def local_errors(obj: Object) -> Iterator[FieldError]:
    spec = obj["spec"]
    yield from _subject_errors(spec)
    allowed = (*NO_METADATA, "namespace")
    yield from metadata_errors(obj, allowed=allowed, detail="must be empty except for namespace")
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and (resource.get("namespace") or "") != namespace_of(obj):
        yield invalid(
            "spec.resourceAttributes.namespace", resource.get("namespace") or "", "must match metadata.namespace"
        )
    if other is not None:
        yield invalid("spec.nonResourceAttributes", shown(other), "disallowed on this kind of request")


@dataclass(frozen=True)
class AccessReviewREST:
    """Validates, then asks the server's authorizer about `user(ctx, spec)`."""

    authorizer: Authorizer
    errors: Callable[[Object], Iterator[FieldError]]
    user: Callable[[Context, Object], UserInfo]

    async def create(
        self,
        ctx: Context,
        name: str,
        obj: Object,
        options: Mapping[str, Any],
        admit: Callable[[Object], Awaitable[None]],
    ) -> Object:
        spec = obj["spec"] = obj.get("spec") or {}
        if found := list(self.errors(obj)):
            raise review_error(found)
        await admit(copy(obj))
        attributes, problems = attributes_from(spec, self.user(ctx, spec))
        obj["status"] = await answer(self.authorizer, attributes, problems)
        return obj


def _self(dependencies: Dependencies, store: Store | None) -> AccessReviewREST:
    return AccessReviewREST(dependencies.authorizer, self_errors, lambda ctx, spec: ctx.user)


def _subject(dependencies: Dependencies, store: Store | None) -> AccessReviewREST:
    return AccessReviewREST(dependencies.authorizer, subject_errors, lambda ctx, spec: user_of(spec))


def _local(dependencies: Dependencies, store: Store | None) -> AccessReviewREST:
    return AccessReviewREST(dependencies.authorizer, local_errors, lambda ctx, spec: user_of(spec))


SELF = Resource(
    group=GROUP,
    plural="selfsubjectaccessreviews",
    kind="SelfSubjectAccessReview",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    namespaced=False,
    verbs=("create",),
    rest=_self,
)

SUBJECT = Resource(
    group=GROUP,
    plural="subjectaccessreviews",
    kind="SubjectAccessReview",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    namespaced=False,
    verbs=("create",),
    rest=_subject,
)

LOCAL = Resource(
    group=GROUP,
    plural="localsubjectaccessreviews",
    kind="LocalSubjectAccessReview",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=Strategy(),
    verbs=("create",),
    rest=_local,
)
