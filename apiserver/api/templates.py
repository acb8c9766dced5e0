"""Kinds that make pods from a template: the strategy they share, and the columns that show what is in the template.

Mirrors what upstream repeats in registry/apps, registry/batch and registry/core/replicationcontroller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from apiserver.api.podspec.defaults import default_pod_spec
from apiserver.api.podspec.disabled import drop_disabled_spec_fields
from apiserver.api.strategy import KindStatusStrategy, KindStrategy, metadata_update_errors
from apiserver.api.validation.pod.options import PodOptions
from apiserver.api.validation.pod.template import template_options
from apiserver.api.validation.pod.warnings import template_warnings
from apiserver.api.validation.workloads import collision_errors, counts_errors
from apiserver.apimachinery import formats, labels
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Subresource
from apiserver.registry.scale import scale_subresource

NONE = "<none>"


class TemplateStrategy(KindStrategy):
    """A kind with a pod template at `template_path`. `names_pods`: its name becomes part of its pods' names."""

    has_status = True
    has_generation = True
    names_pods = False
    template_path: tuple[str, ...] = ("spec", "template")
    zero_counts: tuple[str, ...] = ()  # fields of status that are written even when they are 0

    def template_of(self, obj: Object) -> Object | None:
        return get(obj, *self.template_path)  # type: ignore[no-any-return]

    def default(self, obj: Object) -> None:
        """Defaults of the template; kinds add theirs."""
        template = self.template_of(obj)
        if template is not None:
            default_pod_spec(template.setdefault("spec", {}))

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        if self.has_status:
            obj["status"] = dict.fromkeys(self.zero_counts, 0)
        drop_disabled_template_fields(self.template_of(obj), None)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        drop_disabled_template_fields(self.template_of(obj), self.template_of(old))
        super().prepare_for_update(ctx, obj, old)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterator[str]:
        if self.names_pods and (messages := formats.dns1123_label(name_of(obj))):
            shown = " ".join(messages)
            yield (
                "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS "
                f"label is recommended: [{shown}]"
            )
        yield from self.template_warnings(obj)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        if obj["metadata"].get("generation") != old["metadata"].get("generation"):
            yield from self.template_warnings(obj)

    def template_warnings(self, obj: Object) -> Iterator[str]:
        template = self.template_of(obj)
        if template is not None:
            yield from template_warnings(template, ".".join(self.template_path))

    def validate(self, ctx: Context, obj: Object) -> Iterable[FieldError]:
        return self.spec_errors(obj, None)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        """Upstream does not look at the name again."""
        yield from metadata_update_errors(obj, old)
        yield from self.spec_errors(obj, old)

    def spec_errors(self, obj: Object, old: Object | None) -> Iterable[FieldError]:
        """What is wrong with the rest of an object; `old` is the stored one on update."""
        return ()

    def pod_options(self, old: Object | None) -> PodOptions:
        """What the validation of the template lets pass; `old` is the stored object."""
        return template_options(self.template_of(old) if old is not None else None)


class ReplicasStatusStrategy(KindStatusStrategy):
    """`/status` of a kind that counts pods: none of `counts` may be negative, those `within` not more than replicas."""

    def __init__(
        self, parent: KindStrategy, counts: tuple[str, ...], within: tuple[str, ...] = (), ready: str = "readyReplicas"
    ) -> None:
        super().__init__(parent)
        self.counts = counts
        self.within = within
        self.ready = ready if within else ""

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from self.counts_errors(obj)
        yield from collision_errors(obj, old)

    def counts_errors(self, obj: Object) -> Iterator[FieldError]:
        return counts_errors(obj["status"], self.counts, self.within, self.ready)


def drop_disabled_template_fields(template: Object | None, old: Object | None) -> None:
    """Upstream DropDisabledTemplateFields."""
    if template is None:
        return
    meta = template.get("metadata") or {}
    old_spec = (old.get("spec") or {}) if old is not None else None
    drop_disabled_spec_fields(template.setdefault("spec", {}), meta.get("annotations"), old_spec)
    if meta.get("annotations") == {}:
        del meta["annotations"]


# Tables


def label_selector_text(selector: Object | None, invalid: str) -> str:
    """A metav1.LabelSelector as text; `invalid` stands for one that cannot be read."""
    try:
        return str(labels.from_label_selector(selector))
    except labels.SelectorError:
        return invalid


def selector_cell(obj: Object, now: float) -> str:
    """Upstream metav1.FormatLabelSelector."""
    return label_selector_text(get(obj, "spec", "selector"), "<error>") or NONE


def labels_text(values: Mapping[str, str] | None) -> str:
    """Upstream labels.FormatLabels."""
    return ",".join(sorted(f"{key}={value}" for key, value in (values or {}).items())) or NONE


def _containers_cell(path: tuple[str, ...], field: str) -> Callable[[Object, float], str]:
    def cell(obj: Object, now: float) -> str:
        return ",".join(c.get(field) or "" for c in get(obj, *path, "spec", "containers", default=()))

    return cell


def container_columns(*path: str, priority: int = 1) -> tuple[Column, Column]:
    """Names and images of the containers in the template at `path`."""
    names, images = _containers_cell(path, "name"), _containers_cell(path, "image")
    return (
        Column("Containers", names, priority=priority, description="Names of each container in the template."),
        Column("Images", images, priority=priority, description="Images referenced by each container in the template."),
    )


def count_cell(*path: str) -> Callable[[Object, float], int]:
    return lambda obj, now: get(obj, *path, default=0)


def template_scale() -> Subresource:
    """`/scale` of a kind with a metav1.LabelSelector."""
    return scale_subresource(lambda obj: label_selector_text(get(obj, "spec", "selector"), ""))
