"""The few requests of the workloads check: objects by path, answers as dicts."""

from __future__ import annotations

import json
from typing import Any

from conformance.differential.player import Answer, Session
from conformance.target import Target

MERGE = "application/merge-patch+json"


def root(api_version: str) -> str:
    return f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"


def plural(kind: str) -> str:
    """Good for the kinds of the scenes."""
    return kind.lower() + "s"


class Api:
    """One connection; `path` is `group/version/resource/name`, or `v1/resource/name`."""

    def __init__(self, target: Target) -> None:
        self._session = Session(target)

    def close(self) -> None:
        self._session.close()

    def send(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Answer:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        return self._session.send(method, path, headers, data, False)

    def where(self, path: str, namespace: str) -> str:
        """The URL's path of a path of the scenes."""
        *version, resource, name = path.split("/")
        return f"{root('/'.join(version))}/namespaces/{namespace}/{resource}/{name}"

    def create(self, obj: dict[str, Any], namespace: str) -> Answer:
        scope = f"/namespaces/{namespace}" if namespace else ""
        return self.send("POST", f"{root(obj['apiVersion'])}{scope}/{plural(obj['kind'])}", obj)

    def items(self, resource: str) -> list[dict[str, Any]]:
        """All objects of `group/version/resource`, in all namespaces."""
        version, _, name = resource.rpartition("/")
        return self.send("GET", f"{root(version)}/{name}").body.get("items") or []
