"""ResourceClaimTemplate: what the claims made for pods look like."""

from __future__ import annotations

from apiserver.api.columns import AGE, NAME
from apiserver.api.resource.claims import default_claim, drop_disabled
from apiserver.api.resource.deviceclass import GROUP
from apiserver.api.strategy import KindStrategy
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion


class ResourceClaimTemplateStrategy(KindStrategy):
    """Mirrors upstream registry/resource/resourceclaimtemplate."""

    return_deleted_object = True

    def default(self, obj: Object) -> None:
        default_claim(get(obj, "spec", "spec", default={}))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        drop_disabled(get(obj, "spec", "spec", default={}))

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        drop_disabled(get(obj, "spec", "spec", default={}))


RESOURCE = Resource(
    group=GROUP,
    plural="resourceclaimtemplates",
    kind="ResourceClaimTemplate",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ResourceClaimTemplateStrategy(),
    empty={"spec": {"metadata": {}, "spec": {"devices": {}}}},
    columns=(NAME, AGE),
)
