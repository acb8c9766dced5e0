"""ServiceAccount: who a pod is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.objects import Object, annotations_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion, Subresource

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

ENFORCE_MOUNTABLE_SECRETS = "kubernetes.io/enforce-mountable-secrets"


class ServiceAccountStrategy(KindStrategy):
    """Mirrors upstream registry/core/serviceaccount and core validation."""

    return_deleted_object = True

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        _keep_names_of_secrets(obj)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        _keep_names_of_secrets(obj)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        if ENFORCE_MOUNTABLE_SECRETS not in annotations_of(obj):
            return ()
        return (
            f"metadata.annotations[{ENFORCE_MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to "
            "isolate access to mounted secrets",
        )

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return () if ENFORCE_MOUNTABLE_SECRETS in annotations_of(old) else self.warnings_on_create(ctx, obj)


def _keep_names_of_secrets(obj: Object) -> None:
    if obj.get("secrets"):
        obj["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in obj["secrets"]]


def _token_rest(dependencies: Dependencies, store: Store) -> Any:
    from apiserver.api.authentication.token_request import token_rest

    return token_rest(dependencies, store)


RESOURCE = Resource(
    group="",
    plural="serviceaccounts",
    kind="ServiceAccount",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ServiceAccountStrategy(),
    short_names=("sa",),
    columns=(NAME, AGE),
    subresources=(
        Subresource(
            name="token",
            verbs=("create",),
            kind=GroupVersionKind("authentication.k8s.io", "v1", "TokenRequest"),
            rest=_token_rest,
        ),
    ),
)
