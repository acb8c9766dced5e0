"""Static pods: files of a directory as pods, and their mirrors in the API (upstream pkg/kubelet/config, mirror_client.go)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import yaml

from apiserver.apimachinery import objects
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object, annotations_of
from kubelet.node import facts
from kubelet.node.context import NodeContext
from kubelet.node.status_manager import PODS

log = logging.getLogger(__name__)

CHECK = 20.0  # seconds (upstream fileCheckFrequency)
SUFFIXES = (".yaml", ".yml", ".json")
TOLERATION = {"operator": "Exists", "effect": "NoExecute"}


class Workers(Protocol):
    def static_added(self, pod: Object) -> None: ...

    def static_removed(self, uid: str) -> None: ...


def static_pod(document: Any, node: str, source: str) -> Object:
    """A pod as its file describes it, named after the node, with what the API server would have filled in.

    Raises ValueError.
    """
    if not isinstance(document, dict) or document.get("kind") != "Pod" or not document.get("spec"):
        raise ValueError("not a Pod")
    pod: Object = objects.copy(document)
    meta, spec = objects.metadata(pod), pod["spec"]
    if not meta.get("name") or not spec.get("containers"):
        raise ValueError("a pod needs a name and containers")
    digest = hashlib.md5(json.dumps([node, source, document], sort_keys=True, default=str).encode()).hexdigest()
    meta["uid"] = meta.get("uid") or digest
    meta["name"] = f"{meta['name']}-{node}"
    meta["namespace"] = meta.get("namespace") or "default"
    meta["annotations"] = {
        **(meta.get("annotations") or {}),
        facts.SOURCE_ANNOTATION: "file",
        facts.HASH_ANNOTATION: meta["uid"],
    }
    spec["nodeName"] = node
    spec["tolerations"] = [*(spec.get("tolerations") or ()), TOLERATION]
    _defaults(spec)
    pod["status"] = {"phase": "Pending"}
    return pod


def _defaults(spec: Object) -> None:
    for key, value in (
        ("restartPolicy", "Always"),
        ("terminationGracePeriodSeconds", 30),
        ("dnsPolicy", "ClusterFirst"),
        ("enableServiceLinks", True),
        ("schedulerName", "default-scheduler"),
        ("securityContext", {}),
    ):
        spec.setdefault(key, value)
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        tag = container.get("image", "").rpartition("/")[2].partition(":")[2]
        container.setdefault("imagePullPolicy", "IfNotPresent" if tag not in ("", "latest") else "Always")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")


class StaticPods:
    """Reads a directory again and again; a file that changed is another pod."""

    def __init__(
        self,
        context: NodeContext,
        directory: Path | None,
        workers: Workers,
        api_pod: Callable[[str, str], Object | None],
    ) -> None:
        self._context = context
        self._directory = directory
        self._workers = workers
        self._api_pod = api_pod
        self._client = context.client.resource(PODS)
        self._pods: dict[str, Object] = {}

    def get(self, uid: str) -> Object | None:
        return self._pods.get(uid)

    def mirrored_by(self, mirror: Object) -> Object | None:
        """The static pod whose mirror this is."""
        meta = mirror["metadata"]
        for pod in self._pods.values():
            if (pod["metadata"]["namespace"], pod["metadata"]["name"]) == (meta["namespace"], meta["name"]):
                return pod
        return None

    def mirror_of(self, pod: Object) -> Object | None:
        """The pod that shows a static pod in the API."""
        found = self._api_pod(pod["metadata"]["namespace"], pod["metadata"]["name"])
        return found if found is not None and facts.is_mirror(found) else None

    async def run(self) -> None:
        while self._directory is not None:
            self.read()
            await asyncio.sleep(CHECK)

    def read(self) -> None:
        """Start what is new, end what is gone."""
        assert self._directory is not None
        found: dict[str, Object] = {}
        for path in sorted(self._directory.glob("*")):
            if path.suffix not in SUFFIXES or path.name.startswith("."):
                continue
            try:
                pod = static_pod(yaml.safe_load(path.read_text()), self._context.name, path.name)
            except (OSError, ValueError, yaml.YAMLError) as error:
                log.error("static pod not read", extra={"file": str(path), "error": str(error)})
                continue
            found[facts.uid_of(pod)] = pod
        gone, self._pods = [uid for uid in self._pods if uid not in found], {**found, **self._keep(found)}
        for uid in gone:
            self._workers.static_removed(uid)
        for pod in found.values():
            self._workers.static_added(self._pods[facts.uid_of(pod)])

    def _keep(self, found: dict[str, Object]) -> dict[str, Object]:
        return {uid: pod for uid, pod in self._pods.items() if uid in found}

    async def reconcile(self, pod: Object) -> None:
        """See that the API shows the pod: one mirror, of this very file."""
        mirror = self.mirror_of(pod)
        wanted = annotations_of(pod)[facts.HASH_ANNOTATION]
        if mirror is not None and (
            facts.is_deleted(mirror) or annotations_of(mirror)[facts.MIRROR_ANNOTATION] != wanted
        ):
            await self.delete_mirror(mirror)
            mirror = None
        node = self._context.node
        if mirror is not None or node is None:
            return
        copy: Object = objects.copy(pod)
        meta = copy["metadata"]
        del meta["uid"]
        meta["annotations"][facts.MIRROR_ANNOTATION] = wanted
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._context.name, "uid": node["metadata"]["uid"]}
        meta["ownerReferences"] = [{**owner, "controller": True}]
        copy.pop("status", None)
        try:
            await self._client.create(copy, meta["namespace"])
        except (StatusError, ConnectionError, TimeoutError) as error:
            log.info("mirror pod not created", extra={"pod": meta["name"], "error": str(error)})

    async def delete_mirror(self, mirror: Object) -> None:
        meta = mirror["metadata"]
        try:
            await self._client.delete(meta["name"], meta["namespace"], uid=meta["uid"], grace_period=0)
        except (StatusError, ConnectionError, TimeoutError) as error:
            log.info("mirror pod not deleted", extra={"pod": meta["name"], "error": str(error)})
