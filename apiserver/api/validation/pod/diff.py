"""The difference between two PodSpecs as upstream tells it: a unified diff of its internal types as indented JSON."""

from __future__ import annotations

import json
from difflib import unified_diff

from apiserver.api.validation.internal import internal
from apiserver.apimachinery.objects import Object


def _lines(obj: Object, kind: str) -> list[str]:
    text = json.dumps(internal(obj, kind), indent=1, ensure_ascii=False)
    for char, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(char, escaped)
    return (text + "\n").splitlines(keepends=True)


def _diff(old: Object, new: Object, kind: str) -> str:
    lines = unified_diff(_lines(old, kind), _lines(new, kind), n=3)
    return "".join(line for line in lines if not line.startswith(("--- ", "+++ ")))


def spec_diff(old: Object, new: Object) -> str:
    """Of two PodSpecs."""
    return _diff(old, new, "PodSpec")


def ephemeral_container_diff(old: Object, new: Object) -> str:
    return _diff(old, new, "EphemeralContainer")


def claim_spec_diff(old: Object, new: Object) -> str:
    """Of two PersistentVolumeClaimSpecs."""
    return _diff(old, new, "PersistentVolumeClaimSpec")


def volume_source_diff(old: Object, new: Object) -> str:
    """Of the sources of two PersistentVolumes."""
    return _diff(old, new, "PersistentVolumeSource")
