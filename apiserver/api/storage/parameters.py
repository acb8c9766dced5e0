"""What the classes of storage share: the name of who provides it, and parameters for it.

Mirrors upstream pkg/apis/storage/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, required, too_long
from apiserver.apimachinery.object_meta import label_key_errors

GROUP = "storage.k8s.io"
MAX_SIZE = 256 * 1024  # bytes of names and values together
MAX_COUNT = 512


def provisioner_errors(name: str, path: str) -> Iterator[FieldError]:
    """Whether there is one at all is asked apart: for StorageClasses last, by declaration."""
    if name:
        yield from label_key_errors(name.lower(), path)


def parameters_errors(parameters: Mapping[str, str] | None, path: str, *, needed: bool = False) -> Iterator[FieldError]:
    given = parameters or {}
    if len(given) > MAX_COUNT:
        yield too_long(path, MAX_COUNT)
        return
    if "" in given:
        yield invalid(path, "", "field can not be empty.")
    if size_of(given) > MAX_SIZE:
        yield too_long(path, MAX_SIZE)
    if needed and not given:
        yield required(path, "must contain at least one key/value pair")


def size_of(texts: Mapping[str, str]) -> int:
    """Bytes of names and values together."""
    return sum(formats.byte_length(name) + formats.byte_length(value) for name, value in texts.items())
