"""An operator for kopf over built-in kinds; what its handlers saw stands in annotations. Run by main.py."""

from __future__ import annotations

from typing import Any

import kopf

APP = {"app": "operated"}


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.peering.standalone = True
    settings.persistence.finalizer = "example.com/kopf"


@kopf.on.create("configmaps", labels=APP)
async def created(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.annotations["created"] = "yes"
    kopf.info(body, reason="Made", message="it was made")


@kopf.on.update("configmaps", labels=APP, field="data")
def updated(new: dict[str, str], patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.annotations["updated"] = new["k"]


@kopf.on.create("apps", "v1", "deployments")
def status(patch: kopf.Patch, **_: Any) -> None:
    patch.status["collisionCount"] = 4


@kopf.index("pods", labels={"app": "web"})
def by_node(name: str, spec: kopf.Spec, **_: Any) -> dict[str, str]:
    return {str(spec.get("nodeName")): name}


@kopf.timer("configmaps", interval=1, labels=APP)
def count(by_node: kopf.Index[str, str], patch: kopf.Patch, **_: Any) -> None:
    patch.metadata.annotations["pods"] = str(sum(len(by_node[node]) for node in by_node))


@kopf.daemon("configmaps", labels=APP)
async def accompany(stopped: kopf.DaemonStopped, patch: kopf.Patch, **_: Any) -> None:
    await stopped.wait(60)
