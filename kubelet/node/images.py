"""Images: pulled as the policy says, with back-off, and events in upstream's words (pkg/kubelet/images)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from apiserver.apimachinery.objects import Object, annotations_of
from kubelet.node import facts
from kubelet.node.backoff import Backoff
from kubelet.node.context import NORMAL, WARNING, NodeContext
from kubelet.runtime.interface import ContainerRuntimeError

_REFERENCE = re.compile(
    r"(?:(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?|\[[a-fA-F0-9:]+\](?::[0-9]+)?)/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::([\w][\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?"
)


class ImageError(Exception):
    """No image; `reason` is that of the waiting state."""

    def __init__(self, reason: str, message: str, until: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.until = until  # when a back-off ends


def with_tag(image: str) -> str:
    """`latest` where neither tag nor digest is given. Raises ValueError for what is no image reference."""
    match = _REFERENCE.fullmatch(image)
    if match is None:
        raise ValueError("invalid reference format")
    return image if match.group(1) or match.group(2) else f"{image}:latest"


class Images:
    """One node's images."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._backoff = Backoff(context.clock)
        self._last_error: dict[str, str] = {}

    def forget(self, uid: str) -> None:
        self._backoff.forget(uid)
        for key in [key for key in self._last_error if key.startswith(uid)]:
            del self._last_error[key]

    async def ensure(self, pod: Object, container: dict[str, Any]) -> str:
        """The reference of the image, pulled when necessary. Raises ImageError."""
        image, name = container.get("image") or "", container["name"]
        try:
            tagged = with_tag(image)
        except ValueError as error:
            message = f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": {error}'
            self._context.event(pod, WARNING, "InspectFailed", message, container=name)
            raise ImageError("InvalidImageName", message) from error
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        if policy != "Always":
            present = await self._context.runtime.image(tagged)
            if present is not None:
                message = f'Container image "{image}" already present on machine and can be accessed by the pod'
                self._context.event(pod, NORMAL, "Pulled", message, container=name)
                return present.ref
            if policy == "Never":
                message = f'Container image "{image}" is not present with pull policy of Never'
                self._context.event(pod, WARNING, "ErrImageNeverPull", message, container=name)
                raise ImageError("ErrImageNeverPull", message)
        return await self._pull(pod, name, image, tagged)

    async def _pull(self, pod: Object, name: str, image: str, tagged: str) -> str:
        key = f"{facts.uid_of(pod)}_{image}"
        if until := self._backoff.until_since_update(key):
            message = f'Back-off pulling image "{image}"'
            self._context.event(pod, NORMAL, "BackOff", message, container=name)
            if last := self._last_error.get(key):
                message = f"{message}: {last}"
            raise ImageError("ImagePullBackOff", message, until)
        self._last_error.pop(key, None)
        self._context.event(pod, NORMAL, "Pulling", f'Pulling image "{image}"', container=name)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            pulled = await self._context.runtime.pull_image(tagged, annotations_of(pod))
        except ContainerRuntimeError as error:
            self._context.event(pod, WARNING, "Failed", f'Failed to pull image "{image}": {error}', container=name)
            self._backoff.failed(key, self._context.clock.now())
            self._last_error[key] = f"ErrImagePull: {error}"
            raise ImageError("ErrImagePull", str(error)) from error
        took = go_duration(loop.time() - began)
        message = f'Successfully pulled image "{image}" in {took} ({took} including waiting). Image size: {pulled.size} bytes.'
        self._context.event(pod, NORMAL, "Pulled", message, container=name)
        return pulled.ref


def go_duration(seconds: float) -> str:
    """A duration in whole milliseconds as Go prints it: 0s, 250ms, 1.5s, 2m3s, 5m0s."""
    millis = int(seconds * 1000 + 1e-6)
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    minutes, millis = divmod(millis, 60_000)
    whole, rest = divmod(millis, 1000)
    text = f"{whole}.{rest:03d}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
