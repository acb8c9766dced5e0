"""PodTemplate: a template of pods by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.api.columns import NAME
from apiserver.api.templates import TemplateStrategy, container_columns, labels_text
from apiserver.api.validation.pod.template import template_errors
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.resource import Column, Resource, ServedVersion


class PodTemplateStrategy(TemplateStrategy):
    """Mirrors upstream registry/core/podtemplate."""

    has_status = False
    return_deleted_object = True
    template_path = ("template",)

    def spec_of(self, obj: Object) -> Any:
        return obj.get("template")

    def spec_errors(self, obj: Object, old: Object | None) -> Iterator[FieldError]:
        return template_errors(obj["template"], "template", self.pod_options(old))


RESOURCE = Resource(
    group="",
    plural="podtemplates",
    kind="PodTemplate",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=PodTemplateStrategy(),
    empty={"template": {"metadata": {}, "spec": {"containers": None}}},
    columns=(
        NAME,
        *container_columns("template", priority=0),
        Column(
            "Pod Labels",
            lambda obj, now: labels_text(get(obj, "template", "metadata", "labels")),
            description="The labels for the pod template.",
        ),
    ),
)
