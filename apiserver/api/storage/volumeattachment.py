"""VolumeAttachment: a volume that is to be, or is, attached to a node."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.core.pod_mutations import reset_metadata_for_status
from apiserver.api.podspec.defaults import default_volume_source
from apiserver.api.podspec.quantities import round_list
from apiserver.api.storage.parameters import GROUP, MAX_SIZE, size_of
from apiserver.api.strategy import KindStatusStrategy, KindStrategy
from apiserver.api.validation.persistent_volumes import volume_spec_errors
from apiserver.api.validation.pod.names import subdomain_errors
from apiserver.api.validation.pod.volumes import csi_driver_name_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, required, too_long, too_long_text
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
MAX_MESSAGE = 1024


class AttachmentStrategy(KindStrategy):
    """Mirrors upstream registry/storage/volumeattachment and its validation."""

    namespaced = False
    allow_unconditional_update = False
    return_deleted_object = True
    has_status = True

    def default(self, obj: Object) -> None:
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        for field, empty in (("attacher", ""), ("source", {}), ("nodeName", "")):
            spec.setdefault(field, empty)
        status.setdefault("attached", False)
        inline = spec["source"].get("inlineVolumeSpec")
        if inline is not None:
            round_list(inline.get("capacity"))
            default_volume_source(inline)

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["status"] = {"attached": False}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _written_errors(obj)
        yield from attacher_errors(get(obj, "spec", "attacher", default=""), "spec.attacher")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        """What is declared of a spec is not looked at once it changed, which is wrong enough: written checks answer."""
        if obj.get("spec") == old.get("spec"):
            yield from self.validate_whole(ctx, obj)
            return
        yield from self.metadata_errors(obj)
        yield from csi_driver_name_errors(get(obj, "spec", "attacher", default=""), "spec.attacher")
        yield from _written_errors(obj)
        yield invalid("spec", None, IMMUTABLE)


def _written_errors(obj: Object) -> Iterator[FieldError]:
    """What upstream checks by hand alone."""
    spec, source = obj.get("spec") or {}, get(obj, "spec", "source", default={})
    yield from _source_errors(source, "spec.source")
    yield from subdomain_errors(spec.get("nodeName") or "", "spec.nodeName")
    yield from _status_errors(obj.get("status") or {})
    name = source.get("persistentVolumeName")
    if name is not None:
        yield from subdomain_errors(name, "spec.source.persistentVolumeName")


def attacher_errors(name: str, path: str) -> Iterator[FieldError]:
    """A driver's name as upstream's declared checks word it: letters of either case."""
    if not name:
        yield required(path)
        return
    for message in formats.in_bytes(formats.dns1123_subdomain_caseless(name)):
        yield invalid(path, name, message)
    if formats.byte_length(name) > formats.LABEL_MAX:
        yield too_long_text(path, formats.LABEL_MAX)


def _source_errors(source: Object, path: str) -> Iterator[FieldError]:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if name is None and inline is None:
        yield required(path, ONE_SOURCE)
    elif name is not None and inline is not None:
        yield field_forbidden(path, ONE_SOURCE)
    elif name is not None and not name:
        yield required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from volume_spec_errors(inline, f"{path}.inlineVolumeSpec", inline=True)


def _status_errors(status: Object) -> Iterator[FieldError]:
    if size_of(status.get("attachmentMetadata") or {}) > MAX_SIZE:
        yield too_long("status.attachmentMetadata", MAX_SIZE)
    for field in ("attachError", "detachError"):
        error = status.get(field) or {}
        if formats.byte_length(error.get("message") or "") > MAX_MESSAGE:
            yield too_long(f"status.{field}.message", MAX_MESSAGE)
        code = error.get("errorCode")
        if code is not None and code < 0:
            yield invalid(f"status.{field}.errorCode", code, formats.range_error(0, formats.MAX_INT32))


class AttachmentStatusStrategy(KindStatusStrategy):
    """`/status`: what the attacher reports; metadata stays as it was."""

    def prepare_for_update(self, ctx: Context, obj: Object, old: Object) -> None:
        super().prepare_for_update(ctx, obj, old)
        reset_metadata_for_status(obj["metadata"], old["metadata"])

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[FieldError]:
        return STRATEGY.validate_update(ctx, obj, old)

    def reset_fields(self, version: str) -> tuple[tuple[str, ...], ...]:
        return (("metadata",), ("spec",))


STRATEGY = AttachmentStrategy()
RESOURCE = Resource(
    group=GROUP,
    plural="volumeattachments",
    kind="VolumeAttachment",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=AttachmentStatusStrategy(STRATEGY)),),
    empty={"spec": {"attacher": "", "source": {}, "nodeName": ""}, "status": {"attached": False}},
    columns=(
        NAME,
        Column(
            "Attacher",
            lambda obj, now: get(obj, "spec", "attacher", default=""),
            format="name",
            description="attacher indicates the name of the volume driver that MUST handle this request. This is the name "
            "returned by GetPluginName().",
        ),
        Column(
            "PV",
            lambda obj, now: get(obj, "spec", "source", "persistentVolumeName", default=""),
            description="persistentVolumeName represents the name of the persistent volume to attach.",
        ),
        Column(
            "Node",
            lambda obj, now: get(obj, "spec", "nodeName", default=""),
            description="nodeName represents the node that the volume should be attached to.",
        ),
        Column(
            "Attached",
            lambda obj, now: bool(get(obj, "status", "attached")),
            type="boolean",
            description="attached indicates the volume is successfully attached. This field must only be set by the entity "
            "completing the attach operation, i.e. the external-attacher.",
        ),
        AGE,
    ),
)
