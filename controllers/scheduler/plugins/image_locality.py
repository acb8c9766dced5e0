"""Nodes that have a pod's images already are better, the larger and the more widespread the images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.node_info import NodeInfo
from controllers.scheduler.framework.pod_info import PodInfo

_MB = 1024 * 1024
MIN_THRESHOLD = 23 * _MB  # as upstream: 90 % of images on docker hub lie between these
MAX_PER_CONTAINER = 1000 * _MB


class ImageLocality:
    name = "ImageLocality"

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._snapshot = handle.snapshot

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        if not node.images:
            return 0
        images = state.data.get(self.name)
        if images is None:
            images = state.data[self.name] = list(_images(pod))
        total, found = len(self._snapshot), 0
        for name in images:
            image = node.images.get(name)
            if image is not None:
                found += int(image.size * (image.nodes / total))
        return priority(found, len(images))


def priority(found: int, images: int) -> int:
    most = MAX_PER_CONTAINER * images
    return 100 * (min(max(found, MIN_THRESHOLD), most) - MIN_THRESHOLD) // (most - MIN_THRESHOLD)


def _images(pod: PodInfo) -> Iterator[str]:
    spec = pod.pod["spec"]
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        yield normalized(container.get("image") or "")
    for volume in spec.get("volumes") or ():
        if image := volume.get("image"):
            yield normalized(image.get("reference") or "")


def normalized(name: str) -> str:
    """With the tag that is meant when there is none."""
    return f"{name}:latest" if name.rfind(":") <= name.rfind("/") else name
