"""Binds a pod to its node through the API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from apiserver.apimachinery.errors import StatusError
from controllers.framework import kinds
from controllers.scheduler.framework.interface import CycleState, Handle
from controllers.scheduler.framework.pod_info import PodInfo
from controllers.scheduler.framework.status import Status, as_status

MAX_AT_ONCE = 32  # bindings under way: enough to keep a server busy, few enough to keep connections


class DefaultBinder:
    name = "DefaultBinder"

    def __init__(self, args: Mapping[str, Any], handle: Handle) -> None:
        self._pods = handle.client.resource(kinds.PODS)
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def bind(self, state: CycleState, pod: PodInfo, node: str) -> Status | None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        async with self._slots:
            try:
                await self._pods.create(binding, pod.namespace, name=pod.name, subresource="binding")
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                return as_status(error)
        return None
