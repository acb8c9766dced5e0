"""IPAddress: one allocated address, named by itself, and who has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from apiserver.api.columns import NAME, age_cell
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import ip_errors
from apiserver.apimachinery.errors import FieldError, invalid, required
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

_VALUE = re.compile(r'^Invalid value: "(?:[^"\\]|\\.)*": ')


class IPAddressStrategy(KindStrategy):
    """Mirrors upstream registry/networking/ipaddress."""

    namespaced = False
    has_generation = False

    def generate_name(self, ctx: Context, prefix: str) -> str:
        """An address cannot be made up: upstream's generator answers with the prefix."""
        return prefix

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return [_VALUE.sub("", error.text) for error in ip_errors(name, "")]

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _written_errors(obj)
        yield from _missing_errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from _written_errors(obj)
        yield from metadata_update_errors(obj, old)
        yield from _missing_errors(obj)
        if get(obj, "spec", "parentRef") != get(old, "spec", "parentRef"):
            yield invalid("spec.parentRef", None, IMMUTABLE)


def _written_errors(obj: Object) -> Iterator[FieldError]:
    """What upstream checks by hand of the reference's fields that are there."""
    parent = get(obj, "spec", "parentRef", default={})
    for message in formats.dns1123_subdomain(parent["group"]) if parent.get("group") else ():
        yield invalid("spec.parentRef.group", parent["group"], message)
    for key in ("resource", "name", "namespace"):
        value = parent.get(key) or ""
        for message in formats.path_segment_name(value, False) if value else ():
            yield invalid(f"spec.parentRef.{key}", value, message)


def _missing_errors(obj: Object) -> Iterator[FieldError]:
    """What is missing is told last, by declaration."""
    parent = get(obj, "spec", "parentRef")
    if parent is None:
        yield required("spec.parentRef")
        return
    for key in ("resource", "name"):
        if not parent.get(key):
            yield required(f"spec.parentRef.{key}")


def _parent_cell(obj: Object, now: float) -> str:
    parent = get(obj, "spec", "parentRef")
    if parent is None:
        return "<none>"
    resource, group = parent.get("resource") or "", parent.get("group") or ""
    parts = [(f"{resource}.{group}" if group else resource).lower(), parent.get("namespace") or ""]
    return "/".join([*filter(None, parts), parent.get("name") or ""])


RESOURCE = Resource(
    group="networking.k8s.io",
    plural="ipaddresses",
    kind="IPAddress",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("ip",),
    strategy=IPAddressStrategy(),
    empty={"spec": {}},
    columns=(
        NAME,
        Column(
            "ParentRef",
            _parent_cell,
            description="parentRef references the resource that an IPAddress is attached to. An IPAddress must reference a "
            "parent object.",
        ),
        Column("", age_cell),
    ),
)
