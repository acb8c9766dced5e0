"""Volumes that are directories of this machine: the one in-tree plugin that makes and deletes any (upstream pkg/volume/hostpath).

Making them is off unless the process was told --enable-hostpath-provisioner, as upstream. Upstream deletes whatever lies
under /tmp when a volume that points there is reclaimed; here only directories that the plugin made itself are removed,
since its machine is somebody's own.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random

NAME = "kubernetes.io/host-path"
DIRECTORY = "/tmp/hostpath_pv"  # upstream's
CREATED_BY = "kubernetes.io/createdby"
DELETABLE = re.compile(r"/tmp/.+")
MODE = 0o750


class PluginError(Exception):
    """A volume could not be made or deleted; the message is upstream's."""


class HostPath:
    """`directory`: where volumes are made, one directory each."""

    def __init__(self, rand: Random, *, enabled: bool, directory: str) -> None:
        self._rand = rand
        self._enabled = enabled
        self._directory = Path(directory or DIRECTORY)

    def check_enabled(self) -> None:
        """Raises PluginError when it may not make any."""
        if not self._enabled:
            raise PluginError(f'provisioning in volume plugin "{NAME}" is disabled')

    def make(self, claim: Object, name: str, policy: str) -> Object:
        """The volume `name` for a claim, its directory made. Raises PluginError."""
        spec = claim["spec"]
        if spec.get("volumeMode") == "Block":
            raise PluginError(f"{NAME} does not support block volume provisioning")
        path = self._directory / self._rand.uuid()
        try:
            path.mkdir(MODE, parents=True)
        except OSError as e:
            raise PluginError(f"mkdir {e.filename}: {(e.strerror or '').lower()}") from e
        size = spec["resources"]["requests"]["storage"]
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "annotations": {CREATED_BY: "hostpath-dynamic-provisioner"}},
            "spec": {
                "persistentVolumeReclaimPolicy": policy,
                "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
                "capacity": {"storage": size},
                "hostPath": {"path": str(path)},
            },
        }

    async def delete(self, path: str) -> None:
        """Remove a volume's directory, if it is one of ours. Raises PluginError."""
        found = Path(path)
        if found.parent != self._directory or found.name == "..":
            if not DELETABLE.search(path):
                raise PluginError(f"host_path deleter only supports /tmp/.+ but received provided {path}")
            return
        try:
            await _remove(found)
        except FileNotFoundError:
            return  # removed before, or by somebody else
        except OSError as e:
            raise PluginError(f"unlinkat {e.filename}: {(e.strerror or '').lower()}") from e


async def _remove(root: Path) -> None:
    """A directory with all that is in it; others get their turn between its directories."""
    for directory, directories, files in os.walk(root, topdown=False):
        for entry in (Path(directory, name) for name in (*files, *directories)):
            if entry.is_dir() and not entry.is_symlink():
                entry.rmdir()
            else:
                entry.unlink()
        await asyncio.sleep(0)
    root.rmdir()
