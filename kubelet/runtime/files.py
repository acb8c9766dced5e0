"""The files of simulated pods, as far as their commands look: what was written where, and which paths are volumes.

A volume lasts as long as its pod and is shared by its containers, a hostPath as long as its node, all else as long as its container.
"""

from __future__ import annotations

from collections.abc import Sequence

from kubelet.runtime.interface import ContainerConfig, Mount

Content = dict[str, str]  # path → text


class PodFiles:
    """The volumes of one pod. `host` are the node's files."""

    def __init__(self, host: Content) -> None:
        self._host = host
        self._volumes: Content = {}

    def for_container(self, config: ContainerConfig) -> Files:
        return Files(config.mounts, self._volumes, self._host)


class Files:
    """What one container sees."""

    def __init__(self, mounts: Sequence[Mount], volumes: Content, host: Content) -> None:
        self._mounts = sorted(mounts, key=lambda mount: -len(mount.container_path))
        self._volumes, self._host = volumes, host
        self._own: Content = {}

    def _place(self, path: str) -> tuple[Content, str]:
        path = "/" + path.strip("/")
        for mount in self._mounts:
            root = "/" + mount.container_path.strip("/")
            if path != root and not path.startswith(root.rstrip("/") + "/"):
                continue
            rest = path[len(root) :]
            if mount.host_path:
                return self._host, mount.host_path.rstrip("/") + rest
            return self._volumes, f"{mount.volume}/{mount.sub_path}".rstrip("/") + rest
        return self._own, path

    def read(self, path: str) -> str:
        place, key = self._place(path)
        return place.get(key, "")

    def write(self, path: str, text: str, *, append: bool = False) -> None:
        place, key = self._place(path)
        place[key] = place.get(key, "") + text if append else text

    def remove(self, path: str) -> None:
        place, key = self._place(path)
        for name in [name for name in place if name == key or name.startswith(key + "/")]:
            del place[name]

    def exists(self, path: str) -> bool:
        """A file that was written, a directory on the way to one, or a volume."""
        place, key = self._place(path)
        if key in place or any(name.startswith(key + "/") for name in place):
            return True
        return any("/" + path.strip("/") == "/" + mount.container_path.strip("/") for mount in self._mounts)

    def is_directory(self, path: str) -> bool:
        place, key = self._place(path)
        return key not in place and self.exists(path)
