"""Bindings of pods to nodes (upstream ValidatePodBinding)."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.objects import Object


def binding_errors(binding: Object) -> Iterator[FieldError]:
    target = binding.get("target") or {}
    kind, name = target.get("kind") or "", target.get("name") or ""
    if kind not in ("", "Node"):
        yield not_supported("target.kind", kind, ("Node", "<empty>"))
    if not name:
        yield required("target.name")
    elif kind in ("", "Node"):
        for message in formats.dns1123_subdomain(name):
            yield invalid("target.name", name, message)
