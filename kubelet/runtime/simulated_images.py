"""Made-up images: a name is enough, unless it says that there is none."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from functools import lru_cache

from kubelet.runtime.behaviour import seconds, setting
from kubelet.runtime.interface import ContainerRuntimeError, Image
from kubelet.runtime.programs import is_missing


@lru_cache(maxsize=1024)
def image_of(name: str) -> Image:
    """A made-up image: its digest and size follow from its name."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    repository = name.split("@")[0]
    if ":" in repository.rsplit("/", 1)[-1]:
        repository = repository.rsplit(":", 1)[0]
    return Image(f"{_canonical(repository)}@sha256:{digest}", (name,), 1_000_000 + int(digest[:6], 16) * 4)


def _canonical(repository: str) -> str:
    host, slash, _ = repository.partition("/")
    if not slash:
        return f"docker.io/library/{repository}"
    return repository if "." in host or ":" in host or host == "localhost" else f"docker.io/{repository}"


class SimulatedImages:
    """What one node has pulled."""

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}

    def get(self, name: str) -> Image | None:
        return self._images.get(name)

    def all(self) -> list[Image]:
        return list(self._images.values())

    def have(self, name: str) -> None:
        """It was pulled before this process began."""
        self._images.setdefault(name, image_of(name))

    async def pull(self, name: str, annotations: Mapping[str, str]) -> Image:
        if wait := seconds(setting(annotations, "pull-seconds")):
            await asyncio.sleep(wait)
        if error := setting(annotations, "pull-error"):
            raise ContainerRuntimeError(error)
        if is_missing(name):
            why = f'failed to resolve reference "{name}": {name}: not found'
            raise ContainerRuntimeError(
                f'rpc error: code = NotFound desc = failed to pull and unpack image "{name}": {why}'
            )
        self._images[name] = image_of(name)
        return self._images[name]

    def remove(self, ref: str) -> None:
        for name in [name for name, image in self._images.items() if ref in (name, image.ref)]:
            del self._images[name]
