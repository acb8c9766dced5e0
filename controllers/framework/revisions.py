"""Names of templates: hashes that go into labels and names, and the data of ControllerRevisions in Go's bytes.

The hash of a revision's data is upstream's to the bit (pkg/controller/history), so a Go controller that takes over finds its own.
The hash of a pod template is not: upstream hashes a dump of Go's memory. Templates are told apart by comparing them.
"""

from __future__ import annotations

import hashlib
import json

from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import NAME_ALPHABET

REVISION_HASH = "controller-revision-hash"  # the label of pods and, for DaemonSets, of revisions


def go_json(value: object) -> bytes:
    """A value as Go's encoding/json marshals a map: keys sorted, and some characters escaped for HTML."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in ("&", "<", ">", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode()


def safe_text(number: int) -> str:
    """A number's digits in the alphabet of names (upstream rand.SafeEncodeString)."""
    return "".join(NAME_ALPHABET[ord(digit) % len(NAME_ALPHABET)] for digit in str(number))


def data_hash(data: object, collisions: int | None) -> str:
    """The hash of a revision's data (upstream HashControllerRevision): FNV-1, 32 bits."""
    text = go_json(data) + (b"" if collisions is None else str(collisions).encode())
    number = 0x811C9DC5
    for byte in text:
        number = (number * 0x01000193) % 2**32 ^ byte
    return safe_text(number)


def template_hash(template: Object, collisions: int | None) -> str:
    """A short name of a pod template; `collisions` tells it from one that clashed."""
    text = go_json(template) + (f"#{collisions}".encode() if collisions else b"")
    return safe_text(int.from_bytes(hashlib.sha256(text).digest()[:4], "big"))


def by_revision(revision: Object) -> tuple[int, str, str]:
    """A sort key: the oldest revision first."""
    meta = revision["metadata"]
    return revision.get("revision", 0), meta.get("creationTimestamp") or "", meta["name"]


def in_key_order(value: object) -> object:
    """A value with its keys sorted all the way down, so that it is stored in the bytes Go would store."""
    if isinstance(value, dict):
        return {key: in_key_order(value[key]) for key in sorted(value)}
    return [in_key_order(item) for item in value] if isinstance(value, list) else value
