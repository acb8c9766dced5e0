"""DeviceClass: a kind of device that claims can ask for by name."""

from __future__ import annotations

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy
from apiserver.registry.resource import Resource, ServedVersion

GROUP = "resource.k8s.io"


class DeviceClassStrategy(KindStrategy):
    """Mirrors upstream registry/resource/deviceclass."""

    namespaced = False
    return_deleted_object = True
    has_generation = True


RESOURCE = Resource(
    group=GROUP,
    plural="deviceclasses",
    kind="DeviceClass",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=DeviceClassStrategy(),
    empty={"spec": {}},
    columns=(NAME, AGE),
)
