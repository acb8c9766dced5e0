"""`pods/log`, `pods/exec`, `pods/attach`, `pods/portforward`: what is checked before a kubelet is asked.

Mirrors upstream registry/core/pod/rest and the locations of registry/core/pod/strategy.go. Logs are fetched from the
kubelet and the streams of exec, attach and portforward carried to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver.api.core.rest.dialing import Dialer, stream
from apiserver.api.core.rest.kubelets import NODES, Location, container_of, kubelet_location
from apiserver.api.core.rest.log_options import boolean, log_options
from apiserver.api.core.rest.refusals import refused
from apiserver.apimachinery.errors import (
    bad_request,
    invalid_object,
)
from apiserver.apimachinery.gvk import GroupKind, GroupResource
from apiserver.apimachinery.http import AnyResponse, Request, Response, StreamResponse
from apiserver.apimachinery.objects import Object, name_of, namespace_of
from apiserver.registry.context import Context

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

PODS = GroupResource("", "pods")
STREAM_FLAGS = (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))
MAX_ERROR = 2048


class _PodRest:
    """What all of them need: the pod, and the way to its node."""

    def __init__(self, dependencies: Dependencies, store: Store) -> None:
        self._dependencies = dependencies
        self._store = store
        self._dialer: Dialer = dependencies.dialer or Dialer()

    async def _pod(self, ctx: Context, name: str) -> Object:
        return self._store.object(await self._store.get(ctx, name))

    async def _location(self, ctx: Context, pod: Object, path: str, params: list[tuple[str, str]]) -> Location:
        nodes = self._dependencies.store(NODES)
        types = self._dialer.address_types
        return await kubelet_location(ctx, nodes, PODS, pod["spec"]["nodeName"], path, params, types)


def _path(kind: str, pod: Object, container: str = "") -> str:
    path = f"/{kind}/{namespace_of(pod)}/{name_of(pod)}"
    return f"{path}/{container}" if container else path


class LogRest(_PodRest):
    """`pods/log`."""

    async def stream(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        options = log_options(request.query)
        if errors := list(options.errors()):
            raise invalid_object(GroupKind("", "PodLogOptions"), name, errors)
        pod = await self._pod(ctx, name)
        container = container_of(pod, options.container)
        if not pod["spec"].get("nodeName"):
            return Response(204, content_type="")
        location = await self._location(ctx, pod, _path("containerLogs", pod, container), options.params())
        return await _fetch(self._dialer, location, name)


async def _fetch(dialer: Dialer, location: Location, name: str) -> AnyResponse:
    """The kubelet's answer, piece by piece (upstream genericrest.LocationStreamer)."""
    answer = await dialer.fetch(location.url, location.netloc)
    if not 200 <= answer.status <= 206:
        body = (await answer.content.read(MAX_ERROR)).decode("utf-8", "replace")
        answer.release()
        raise refused(answer.status, "pods/log", name, body)
    content_type = answer.headers.get("Content-Type", "text/plain")
    return StreamResponse(200, lambda sink: stream(answer, sink), content_type=content_type)


class ContainerStreamRest(_PodRest):
    """`pods/exec` and `pods/attach`."""

    def __init__(self, dependencies: Dependencies, store: Store, kind: str) -> None:
        super().__init__(dependencies, store)
        self._kind = kind

    def connect_options(self, request: Request) -> Object:
        """PodExecOptions, PodAttachOptions."""
        kind = "PodExecOptions" if self._kind == "exec" else "PodAttachOptions"
        options: dict[str, Any] = {"kind": kind, "apiVersion": "v1"}
        options |= {flag: True for flag, _ in STREAM_FLAGS if boolean(request.query, flag)}
        if container := request.query.get("container"):
            options["container"] = container
        if self._kind == "exec":
            options["command"] = request.query.all("command")
        return options

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        options = self.connect_options(request)
        pod = await self._pod(ctx, name)
        container = container_of(pod, options.get("container", ""))
        _require_host(pod)
        params = [(param, "1") for flag, param in STREAM_FLAGS if options.get(flag)]
        params += [("command", word) for word in options.get("command", ())]
        location = await self._location(ctx, pod, _path(self._kind, pod, container), params)
        return await _upgrade(self._dialer, request, location)


class PortForwardRest(_PodRest):
    """`pods/portforward`."""

    def connect_options(self, request: Request) -> Object:
        """PodPortForwardOptions."""
        ports = [int(port) for port in request.query.all("ports") if port.isascii() and port.isdigit()]
        return {"kind": "PodPortForwardOptions", "apiVersion": "v1", **({"ports": ports} if ports else {})}

    async def connect(self, ctx: Context, name: str, request: Request) -> AnyResponse:
        options = self.connect_options(request)
        pod = await self._pod(ctx, name)
        _require_host(pod)
        ports = ",".join(str(port) for port in options.get("ports", ()))
        location = await self._location(ctx, pod, _path("portForward", pod), [("port", ports)] if ports else [])
        return await _upgrade(self._dialer, request, location)


def _require_host(pod: Object) -> None:
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {name_of(pod)} does not have a host assigned")


async def _upgrade(dialer: Dialer, request: Request, location: Location) -> AnyResponse:
    """Streams need an upgraded connection at both ends."""
    if "upgrade" not in request.headers.get("connection", "").lower():
        raise bad_request("Upgrade request required")
    return await dialer.upgrade(request, location.url, location.netloc, kubelet=True)
