"""ResourceClaimTemplate: what the claims made for pods look like."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.resource import declared
from apiserver.api.resource.claim_checks import TemplateChecks
from apiserver.api.resource.claims import claim_errors, default_claim, drop_disabled
from apiserver.api.resource.deviceclass import GROUP
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.internal import immutable_internal
from apiserver.api.validation.volume_claims import template_metadata_errors
from apiserver.apimachinery.errors import FieldError
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

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _written_errors(obj)
        yield from declared.claim_errors(get(obj, "spec", "spec", default={}), "spec.spec")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from _written_errors(obj)
        yield from metadata_update_errors(obj, old)
        yield from immutable_internal(obj.get("spec"), old.get("spec"), "ResourceClaimTemplateSpec", "spec")
        yield from declared.claim_errors(get(obj, "spec", "spec", default={}), "spec.spec")


def _written_errors(obj: Object) -> Iterator[FieldError]:
    yield from template_metadata_errors(get(obj, "spec", "metadata", default={}), "spec.metadata")
    yield from claim_errors(get(obj, "spec", "spec", default={}), "spec.spec")


RESOURCE = Resource(
    group=GROUP,
    plural="resourceclaimtemplates",
    kind="ResourceClaimTemplate",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ResourceClaimTemplateStrategy(),
    checks=lambda dependencies, store: TemplateChecks(dependencies),
    empty={"spec": {"metadata": {}, "spec": {"devices": {"requests": None}}}},
    columns=(NAME, AGE),
)
