"""Volumes of the node's pods: waited for before containers start, with back-off and FailedMount events (upstream volumemanager)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.node.context import WARNING, NodeContext
from kubelet.node.environment import ConfigError, expand, variables_of
from kubelet.node.references import References
from kubelet.node.volumes import sources
from kubelet.runtime.interface import Mount

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.5, 122.0  # upstream exponentialbackoff: initial 500 ms, at most 2 m 2 s
TIMEOUT = 123.0  # upstream podAttachAndMountTimeout: 2 m 3 s


class VolumesNotReady(Exception):
    """Some volumes were not there in time."""


class Interrupted(Exception):
    """The pod is to end: its volumes are not waited for any longer."""


class VolumeManager:
    """One node's."""

    def __init__(self, context: NodeContext, references: References) -> None:
        self._context = context
        self._references = references
        self._ready: dict[str, None] = {}  # uids whose volumes were all there

    async def wait_ready(self, pod: Object, stop: asyncio.Event) -> None:
        """Return when every volume is there. Raises VolumesNotReady, or Interrupted when `stop` is set."""
        uid = facts.uid_of(pod)
        if uid in self._ready:
            return
        missing = [_with_claim(pod, volume) for volume in pod["spec"].get("volumes") or ()]
        loop = asyncio.get_running_loop()
        deadline, wait = loop.time() + TIMEOUT, FIRST_WAIT
        while missing := [volume for volume in missing if not await self._try(pod, volume)]:
            if loop.time() + wait > deadline:
                names = " ".join(volume["name"] for volume in missing)
                why = "unattached volumes=[], failed to process volumes=[]: context deadline exceeded"
                raise VolumesNotReady(f"unmounted volumes=[{names}], {why}")
            await _sleep_or_stop(wait, stop)
            wait = min(wait * 2, LONGEST_WAIT)
        self._ready[uid] = None

    async def _try(self, pod: Object, volume: dict[str, Any]) -> bool:
        try:
            await sources.check(volume, pod["metadata"].get("namespace", ""), self._references)
        except (sources.NotReady, StatusError, ConnectionError, TimeoutError) as error:
            if not sources.is_quiet(volume):
                message = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}'
                self._context.event(pod, WARNING, "FailedMount", message)
            log.info("volume not ready", extra={"volume": volume["name"], "error": str(error)})
            return False
        return True

    def mounts(self, pod: Object, container: dict[str, Any], env: Mapping[str, str]) -> list[Mount]:
        """Raises ConfigError."""
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
        return [_mount(mount, volumes.get(mount["name"]) or {}, env) for mount in container.get("volumeMounts") or ()]

    def forget(self, uid: str) -> None:
        self._ready.pop(uid, None)


def _with_claim(pod: Object, volume: dict[str, Any]) -> dict[str, Any]:
    """A generic ephemeral volume is the claim that is named after pod and volume."""
    if "ephemeral" not in volume:
        return volume
    claim = f"{pod['metadata']['name']}-{volume['name']}"
    return {"name": volume["name"], "persistentVolumeClaim": {"claimName": claim}}


def _sub_path(mount: dict[str, Any], env: Mapping[str, str]) -> str:
    """A sub-path with its variables filled in, which has to stay within the volume. Raises ConfigError."""
    path: str = mount.get("subPath") or ""
    if expression := mount.get("subPathExpr"):
        missing = sorted(name for name in variables_of(expression) if not env.get(name))
        if missing:
            raise ConfigError(f"missing value for {', '.join(missing)}")
        path = expand(expression, env)
    if path.startswith("/"):
        raise ConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")
    return path


def _mount(mount: dict[str, Any], volume: dict[str, Any], env: Mapping[str, str]) -> Mount:
    host_path = (volume.get("hostPath") or {}).get("path") or ""
    return Mount(
        container_path=mount["mountPath"],
        host_path=host_path,
        volume=mount["name"],
        sub_path=_sub_path(mount, env),
        read_only=bool(mount.get("readOnly")),
    )


async def _sleep_or_stop(seconds: float, stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
    raise Interrupted
