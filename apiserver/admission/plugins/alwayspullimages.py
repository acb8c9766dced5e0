"""AlwaysPullImages: whoever runs a pod must be allowed to pull its images."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, containers, spec_of, volumes
from apiserver.admission.refusals import forbidden, unexpected
from apiserver.apimachinery.errors import aggregate, not_supported
from apiserver.apimachinery.objects import Object

ALWAYS = "Always"


class AlwaysPullImages(AdmissionPlugin):
    name = "AlwaysPullImages"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS})

    async def admit(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if pod is None or _is_ignored(attributes):
            return
        for container in containers(pod):
            container["imagePullPolicy"] = ALWAYS
        for volume in volumes(pod):
            if volume.get("image") is not None:
                volume["image"]["pullPolicy"] = ALWAYS

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if pod is None or _is_ignored(attributes):
            return
        found = [
            forbidden(attributes, str(not_supported(path, policy, [ALWAYS]))).message
            for path, policy in _policies(pod)
            if policy != ALWAYS
        ]
        if found:
            raise unexpected(aggregate(found))


def _policies(pod: Object) -> list[tuple[str, str]]:
    spec = spec_of(pod)
    fields = ("initContainers", "containers", "ephemeralContainers")
    found = [
        (f"spec.{field}[{i}].imagePullPolicy", _text(container, "imagePullPolicy"))
        for field in fields
        for i, container in enumerate(spec.get(field) or ())
    ]
    for i, volume in enumerate(volumes(pod)):
        if volume.get("image") is not None:
            found.append((f"spec.volumes[{i}].image.pullPolicy", _text(volume["image"], "pullPolicy")))
    return found


def _text(obj: dict[str, Any], field: str) -> str:
    return obj.get(field) or ""


def _is_ignored(attributes: Attributes) -> bool:
    """Subresources, and updates that bring no new image."""
    if attributes.subresource:
        return True
    if attributes.operation != UPDATE or attributes.obj is None or attributes.old is None:
        return False
    old = {container.get("image") for container in containers(attributes.old)}
    return all(container.get("image") in old for container in containers(attributes.obj))
