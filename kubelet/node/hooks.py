"""Lifecycle hooks: what runs after a container's start and before its end (upstream pkg/kubelet/lifecycle)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery.objects import Object
from kubelet.node import facts
from kubelet.node.context import NodeContext
from kubelet.runtime.interface import ContainerRuntimeError

TIMEOUT = 30.0  # seconds an httpGet hook may take


class HookFailed(Exception):
    """The hook did not do what it should; the text is upstream's."""


def port_number(port: Any, container: dict[str, Any]) -> int:
    """A port by number, or by its name in the container. Raises HookFailed."""
    if isinstance(port, int) or str(port).isdigit():
        return int(port)
    for known in container.get("ports") or ():
        if known.get("name") == port:
            return int(known["containerPort"])
    raise HookFailed(f"couldn't find port: {port}")


def headers_of(action: dict[str, Any]) -> Sequence[tuple[str, str]]:
    return [(header["name"], header.get("value", "")) for header in action.get("httpHeaders") or ()]


async def run_hook(
    context: NodeContext, pod: Object, container: dict[str, Any], container_id: str, handler: dict[str, Any]
) -> None:
    """Raises HookFailed."""
    where = f'for Container "{container["name"]}" in Pod "{facts.full_name(pod)}" failed - error'
    if "exec" in handler:
        command = handler["exec"].get("command") or []
        try:
            result = await context.runtime.exec_sync(container_id, command, 0, "lifecycle")
        except (ContainerRuntimeError, TimeoutError) as error:
            raise HookFailed(f'Exec lifecycle hook ([{" ".join(command)}]) {where}: {error}, message: ""') from error
        if result.exit_code:
            said = result.output.decode("utf-8", "replace")
            why = f"command '{' '.join(command)}' exited with {result.exit_code}: {said}"
            raise HookFailed(f'Exec lifecycle hook ([{" ".join(command)}]) {where}: {why}, message: "{said}"')
    elif "httpGet" in handler:
        action = handler["httpGet"]
        try:
            await _http(context, pod, container, container_id, action)
        except (OSError, HookFailed) as error:
            raise HookFailed(f"HTTP lifecycle hook ({action.get('path', '')}) {where}: {error}") from error
    elif "sleep" in handler:
        await asyncio.sleep(handler["sleep"].get("seconds") or 0)
    else:
        raise HookFailed(f"Cannot run handler: invalid handler: {handler}")


async def _http(
    context: NodeContext, pod: Object, container: dict[str, Any], container_id: str, action: dict[str, Any]
) -> None:
    host = action.get("host") or (pod.get("status") or {}).get("podIP") or ""
    url = url_of(action, host, port_number(action["port"], container))
    await context.runtime.network.http_get(container_id, url, headers_of(action), TIMEOUT, "lifecycle")


def url_of(action: dict[str, Any], host: str, port: int) -> str:
    """The URL of an httpGet action."""
    shown = f"[{host}]" if ":" in host else host
    path = action.get("path") or "/"
    return f"{(action.get('scheme') or 'HTTP').lower()}://{shown}:{port}{path if path.startswith('/') else '/' + path}"
