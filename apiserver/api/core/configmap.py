"""ConfigMap: small configuration, text and bytes, immutable when told so."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.data import MAX_DATA_SIZE, base64_size, data_key_errors, frozen_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, too_long
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

DATA_DESCRIPTION = (
    "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values with "
    "non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the keys in the "
    "BinaryData field, this is enforced during validation process."
)


class ConfigMapStrategy(KindStrategy):
    """Mirrors upstream registry/core/configmap and core validation."""

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        size = 0
        for key, value in data.items():
            yield from data_key_errors(key, f"data[{key}]")
            if key in binary:
                yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
            size += formats.byte_length(value)
        for key, value in binary.items():
            yield from data_key_errors(key, f"binaryData[{key}]")
            size += base64_size(value)
        if size > MAX_DATA_SIZE:
            yield too_long("[]", MAX_DATA_SIZE)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from frozen_errors(obj, old, "data", "binaryData")
        yield from self.validate_whole(ctx, obj)


def _data_cell(obj: Object, now: float) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


RESOURCE = Resource(
    group="",
    plural="configmaps",
    kind="ConfigMap",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=ConfigMapStrategy(),
    short_names=("cm",),
    columns=(NAME, Column("Data", _data_cell, description=DATA_DESCRIPTION), AGE),
)
