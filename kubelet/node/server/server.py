"""The kubelet's own HTTPS server: one for every node of the process (upstream pkg/kubelet/server).

A request says by its Host which node it means (`<node>.localhost`); one that names a pod need not. Streams are carried over
WebSockets (channels of v4 and v5.channel.k8s.io); a runtime that has none is answered for plainly, before any upgrade.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import web

from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.node.kubelet import Kubelet
from kubelet.node.server import stats
from kubelet.node.server.access import ServerOptions, caller_of, server_context
from kubelet.node.server.logs import NoLog, container_with_log, log_options
from kubelet.node.server.metrics import own_metrics
from kubelet.node.server.streams import carry, channel_protocols
from kubelet.runtime.interface import ContainerRuntimeError, NotSupported, StreamOptions

log = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest, list[str]], Awaitable[web.StreamResponse]]
SUBRESOURCES = {"stats": "stats", "metrics": "metrics", "pods": "pods", "healthz": "healthz"}


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class KubeletServer:
    """Serves `kubelets`, by node name; `port` is where, once it has started."""

    def __init__(self, options: ServerOptions, kubelets: Mapping[str, Kubelet], directory: Path) -> None:
        self._options = options
        self._kubelets = kubelets
        self._directory = directory
        self._server = web.Server(self._handle, access_log=None)
        self._listener: asyncio.Server | None = None
        self.port = 0
        self._routes: dict[str, Handler] = {
            "healthz": self._healthz,
            "pods": self._pods,
            "containerLogs": self._logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._port_forward,
            "stats": self._stats,
            "metrics": self._metrics,
        }

    async def start(self) -> None:
        context = server_context(self._options, self._directory)
        try:
            self._listener = await self._listen(self._options.port, context)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not self._options.or_any_port:
                raise
            self._listener = await self._listen(0, context)
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def _listen(self, port: int, context: ssl.SSLContext) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._server, self._options.host, port, ssl=context, reuse_address=True)

    async def aclose(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._server.shutdown(1.0)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        route = self._routes.get(parts[0]) if parts else None
        try:
            self._authorize(request, parts)
            if route is None:
                raise _Refused(404, "404 page not found")
            return await route(request, parts[1:])
        except _Refused as error:
            return web.Response(status=error.status, text=f"{error}\n")
        except NotSupported as error:
            return web.Response(status=501, text=f"{error}\n")
        except ContainerRuntimeError as error:
            return web.Response(status=500, text=f"{error}\n")

    def _authorize(self, request: web.BaseRequest, parts: list[str]) -> None:
        if parts == ["healthz"]:
            return
        transport = request.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        caller = caller_of(tls.getpeercert(True) if tls is not None else None)
        if caller is None:
            raise _Refused(401, "Unauthorized")
        if not caller.may_call(self._options):
            verb = {"GET": "get", "HEAD": "get", "POST": "create"}.get(request.method, request.method.lower())
            subresource = SUBRESOURCES.get(parts[0] if parts else "", "proxy")
            what = f"user={caller.name}, verb={verb}, resource=nodes, subresource(s)=[{subresource}]"
            raise _Refused(403, f"Forbidden ({what})")

    # Which node, which pod

    def _node(self, request: web.BaseRequest) -> Kubelet:
        host = request.host.rpartition(":")[0] or request.host
        found = self._kubelets.get(host.removesuffix(".localhost"))
        if found is None and len(self._kubelets) == 1:
            found = next(iter(self._kubelets.values()))
        if found is None:
            raise _Refused(404, f"no node {host!r} here: name it by the host, as in <node>.localhost")
        return found

    def _pod(self, parts: list[str]) -> tuple[Kubelet, Object]:
        if len(parts) < 2:
            raise _Refused(404, "404 page not found")
        namespace, name = parts[:2]
        for kubelet in self._kubelets.values():
            pod = kubelet.source.named(namespace, name)
            if pod is not None:
                return kubelet, pod
        raise _Refused(404, f'pod "{name}" does not exist')

    def _container(self, parts: list[str]) -> tuple[Kubelet, Object, str]:
        kubelet, pod = self._pod(parts)
        name = parts[-1]
        if len(parts) < 3 or facts.container_named(pod, name) is None:
            raise _Refused(404, f'container "{name}" not found in pod "{pod["metadata"]["name"]}"')
        return kubelet, pod, name

    async def _running(self, parts: list[str]) -> tuple[Kubelet, str]:
        """The id of a running container."""
        kubelet, pod, name = self._container(parts)
        found = await kubelet.context.runtime.containers(facts.uid_of(pod))
        running = next((each for each in found if each.name == name and each.state == "running"), None)
        if running is None:
            raise _Refused(404, f'container not found ("{name}")')
        return kubelet, running.id

    # Answers

    async def _healthz(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _pods(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        kubelet = self._node(request)
        items = []
        for pod in kubelet.source.all():
            status = kubelet.statuses.get(facts.uid_of(pod))
            items.append({**pod, "status": status} if status is not None else pod)
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        return web.Response(text=json.dumps(body), content_type="application/json")

    async def _logs(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        kubelet, pod, name = self._container(parts)
        status = kubelet.statuses.get(facts.uid_of(pod)) or pod.get("status") or {}
        try:
            previous = request.query.get("previous", "") == "true"
            container = container_with_log(status, pod["metadata"]["name"], name, previous=previous)
            options = log_options(request.query, kubelet.context.clock.now())
            pieces = kubelet.context.runtime.open_log(container, options)
        except (NoLog, NotSupported) as error:
            raise _Refused(400, str(error)) from error
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        async for piece in pieces:
            await response.write(piece)
        await response.write_eof()
        return response

    async def _exec(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        kubelet, container = await self._running(parts)
        stream = await kubelet.context.runtime.exec(container, _stream_options(request))
        return await carry(request, stream, channel_protocols(request))

    async def _attach(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        kubelet, container = await self._running(parts)
        stream = await kubelet.context.runtime.attach(container, _stream_options(request))
        return await carry(request, stream, channel_protocols(request))

    async def _port_forward(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        kubelet, pod = self._pod(parts)
        sandboxes = await kubelet.context.runtime.sandboxes(facts.uid_of(pod))
        if not sandboxes:
            raise _Refused(404, f'pod "{pod["metadata"]["name"]}" has no sandbox')
        ports = [int(port) for port in request.query.get("port", "").split(",") if port.isdigit()]
        stream = await kubelet.context.runtime.port_forward(sandboxes[0].id, ports[0] if ports else 0)
        await stream.aclose()
        raise _Refused(501, "port-forward is not carried by this kubelet")

    async def _stats(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if parts not in ([], ["summary"]):
            raise _Refused(404, "404 page not found")
        return web.Response(text=json.dumps(await stats.summary(self._node(request))), content_type="application/json")

    async def _metrics(self, request: web.BaseRequest, parts: list[str]) -> web.StreamResponse:
        if parts not in ([], ["resource"]):
            raise _Refused(404, "404 page not found")
        read = stats.resource_metrics if parts else own_metrics
        return web.Response(text=await read(self._node(request)))


def _stream_options(request: web.BaseRequest) -> StreamOptions:
    def flag(name: str) -> bool:
        return request.query.get(name, "") in ("1", "true")

    return StreamOptions(
        command=request.query.getall("command", []),
        stdin=flag("input"),
        stdout=flag("output"),
        stderr=flag("error"),
        tty=flag("tty"),
    )
