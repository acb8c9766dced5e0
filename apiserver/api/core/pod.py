"""Pod: the strategies of the object and of its subresources that write it.

Mirrors upstream registry/core/pod/strategy.go. The declaration RESOURCE is at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.api.core import pod_columns
from apiserver.api.core.pod_mutations import (
    apply_app_armor_skew,
    apply_label_keys,
    apply_scheduling_gated,
    drop_non_resize_updates,
    keep_observed_generations,
    reset_metadata_for_status,
)
from apiserver.api.core.pod_subresources import SUBRESOURCES
from apiserver.api.podspec.defaults import default_pod
from apiserver.api.podspec.disabled import drop_disabled_spec_fields, drop_disabled_status_fields
from apiserver.api.podspec.resources import default_pod_level_resources, qos_class
from apiserver.api.strategy import KindStrategy
from apiserver.api.validation.pod import create, ephemeral, resize, status, update
from apiserver.api.validation.pod.options import options_of
from apiserver.api.validation.pod.warnings import pod_warnings
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import ip_warnings
from apiserver.apimachinery.errors import FieldError
from apiserver.apimachinery.objects import Object, annotations_of, copy, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource, ServedVersion, Subresource

FINISHED = ("Failed", "Succeeded")


class PodStrategy(KindStrategy):
    """Create, update and delete of pods."""

    graceful = True
    return_deleted_object = True
    has_status = True
    has_generation = True

    def default(self, obj: Object) -> None:
        default_pod(obj)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        spec = obj["spec"]
        obj["metadata"]["generation"] = 1
        obj["status"] = {"phase": "Pending"}
        drop_disabled_spec_fields(spec, obj["metadata"].get("annotations"), None)
        apply_scheduling_gated(obj, ctx.timestamp())
        apply_label_keys(obj)
        ctx.warnings.extend(apply_app_armor_skew(obj))
        default_pod_level_resources(spec)
        obj["status"]["qosClass"] = qos_class(spec)

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        _keep_status(obj, old)
        _keep_pod_level_resources(obj, old)
        _drop_disabled(obj, old)
        _bump_generation(obj, old)

    def validate(self, ctx: Context, obj: Object) -> Iterable[FieldError]:
        return create.pod_errors(obj, options_of(obj["spec"], None, None))

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return update.pod_update_errors(obj, old, _options(obj, old), self.metadata_errors)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterator[str]:
        messages = formats.dns1123_label(name_of(obj))
        if messages:
            shown = " ".join(messages)
            yield (
                "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is "
                f"recommended: [{shown}]"
            )
        yield from pod_warnings(obj)

    def check_graceful_delete(self, ctx: Context, obj: Object, options: dict[str, Any]) -> bool:
        period = options.get("gracePeriodSeconds")
        if period is None:
            period = get(obj, "spec", "terminationGracePeriodSeconds", default=0)
        if not get(obj, "spec", "nodeName") or get(obj, "status", "phase") in FINISHED:
            period = 0
        options["gracePeriodSeconds"] = 1 if period < 0 else period
        return True


def _options(obj: Object, old: Object) -> Any:
    return options_of(obj["spec"], old["spec"], annotations_of(old))


def _keep_status(obj: Object, old: Object) -> None:
    if "status" in old:
        obj["status"] = old["status"]
    else:
        obj.pop("status", None)


def _keep_pod_level_resources(obj: Object, old: Object) -> None:
    """A client that does not know pod-level resources does not remove them."""
    if obj["spec"].get("resources") is None and old["spec"].get("resources") is not None:
        obj["spec"]["resources"] = copy(old["spec"]["resources"])


def _drop_disabled(obj: Object, old: Object) -> None:
    drop_disabled_spec_fields(obj["spec"], obj["metadata"].get("annotations"), old["spec"])
    if obj.get("status"):
        drop_disabled_status_fields(obj["status"], old.get("status"))


def _bump_generation(obj: Object, old: Object) -> None:
    if obj["spec"] != old["spec"]:
        obj["metadata"]["generation"] = (obj["metadata"].get("generation") or 0) + 1


class PodSubresourceStrategy(PodStrategy):
    """What the writing subresources have in common: no status of its own, no warnings."""

    def __init__(self, parent: PodStrategy) -> None:
        self.parent = parent

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return ()


class PodStatusStrategy(PodSubresourceStrategy):
    """`/status`: what kubelets write."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        obj["spec"] = old["spec"]
        meta, old_meta = obj["metadata"], old["metadata"]
        meta.pop("deletionTimestamp", None)
        meta["ownerReferences"] = old_meta.get("ownerReferences") or []
        pod_status, old_status = obj.setdefault("status", {}), old.get("status") or {}
        if not pod_status.get("qosClass") and old_status.get("qosClass"):
            pod_status["qosClass"] = old_status["qosClass"]
        for field in ("resourceClaimStatuses", "extendedResourceClaimStatus", "nodeAllocatableResourceClaimStatuses"):
            if pod_status.get(field) is None and old_status.get(field) is not None:
                pod_status[field] = old_status[field]
        keep_observed_generations(pod_status, old_status)
        _drop_disabled(obj, old)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return status.pod_status_update_errors(obj, old, _options(obj, old))

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[str]:
        for field in ("podIPs", "hostIPs"):
            for i, address in enumerate(get(obj, "status", field, default=())):
                yield from ip_warnings(f"status.{field}[{i}].ip", address.get("ip") or "")

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("spec",), ("metadata", "deletionTimestamp"), ("metadata", "ownerReferences"))


class PodEphemeralContainersStrategy(PodSubresourceStrategy):
    """`/ephemeralcontainers`: only spec.ephemeralContainers may change."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        containers = obj["spec"].get("ephemeralContainers")
        obj["spec"] = dict(old["spec"])
        obj["spec"].pop("ephemeralContainers", None)
        if containers:
            obj["spec"]["ephemeralContainers"] = containers
        _keep_status(obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])
        _drop_disabled(obj, old)
        _bump_generation(obj, old)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return ephemeral.ephemeral_containers_update_errors(obj, old, _options(obj, old), self.metadata_errors)

    def owned_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("spec", "ephemeralContainers"),)


class PodResizeStrategy(PodSubresourceStrategy):
    """`/resize`: only resources and resize policies of containers may change, and pod-level resources."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        drop_non_resize_updates(obj, old)
        _keep_pod_level_resources(obj, old)
        if obj["spec"].get("resources") is not None:
            default_pod_level_resources(obj["spec"])
        _drop_disabled(obj, old)
        _bump_generation(obj, old)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return resize.pod_resize_errors(obj, old, _options(obj, old), self.metadata_errors)

    def owned_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return tuple(
            ("spec", containers, "*", field)
            for containers in ("containers", "initContainers")
            for field in ("resources", "resizePolicy")
        )


def _text(part: str, field: str) -> Any:
    def value(obj: Object) -> str:
        return (obj.get(part) or {}).get(field) or ""

    return value


STRATEGY = PodStrategy()
RESOURCE = Resource(
    group="",
    plural="pods",
    kind="Pod",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    short_names=("po",),
    categories=("all",),
    columns=pod_columns.COLUMNS,
    row_conditions=pod_columns.row_conditions,
    empty={"spec": {"containers": None}, "status": {}},
    selectable={
        "spec.nodeName": _text("spec", "nodeName"),
        "spec.restartPolicy": _text("spec", "restartPolicy"),
        "spec.schedulerName": _text("spec", "schedulerName"),
        "spec.serviceAccountName": _text("spec", "serviceAccountName"),
        "spec.hostNetwork": lambda obj: "true" if get(obj, "spec", "hostNetwork") else "false",
        "status.phase": _text("status", "phase"),
        "status.podIP": lambda obj: get(obj, "status", "podIPs", 0, "ip", default=""),
        "status.podIPs": lambda obj: "",  # accepted and always empty, as upstream's field set lacks it
        "status.nominatedNodeName": _text("status", "nominatedNodeName"),
    },
    field_aliases={"spec.host": "spec.nodeName"},
    watch_index="spec.nodeName",
    subresources=(
        *SUBRESOURCES,
        Subresource(name="ephemeralcontainers", strategy=PodEphemeralContainersStrategy(STRATEGY)),
        Subresource(name="resize", strategy=PodResizeStrategy(STRATEGY)),
        Subresource(name="status", strategy=PodStatusStrategy(STRATEGY)),
    ),
)
