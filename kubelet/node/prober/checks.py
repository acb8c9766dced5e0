"""One probe of one container, by command, HTTP, TCP or gRPC, with what upstream says of the outcome (pkg/kubelet/prober)."""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelet.node.hooks import HookFailed, headers_of, port_number, url_of
from kubelet.runtime.interface import ContainerRuntime, ContainerRuntimeError

MAX_BODY = 10 * 1024


class ProbeError(Exception):
    """The probe itself could not be made: its outcome counts for nothing."""


class Outcome(NamedTuple):
    success: bool
    message: str = ""


async def check(
    runtime: ContainerRuntime,
    purpose: str,
    probe: dict[str, Any],
    container: dict[str, Any],
    container_id: str,
    ip: str,
) -> Outcome:
    """Raises ProbeError."""
    timeout = float(probe.get("timeoutSeconds") or 1)
    try:
        if "exec" in probe:
            return await _exec(runtime, purpose, probe["exec"].get("command") or [], container_id, timeout)
        if "httpGet" in probe:
            return await _http(runtime, purpose, probe["httpGet"], container, container_id, ip, timeout)
        if "tcpSocket" in probe:
            return await _tcp(runtime, purpose, probe["tcpSocket"], container, container_id, ip, timeout)
        if "grpc" in probe:
            return await _grpc(runtime, purpose, probe["grpc"], container_id, ip, timeout)
    except (ContainerRuntimeError, HookFailed) as error:
        raise ProbeError(str(error)) from error
    raise ProbeError("missing probe handler")


async def _exec(
    runtime: ContainerRuntime, purpose: str, command: list[str], container_id: str, timeout: float
) -> Outcome:
    try:
        result = await runtime.exec_sync(container_id, command, timeout, purpose)
    except TimeoutError:
        return Outcome(False, f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s')
    return Outcome(result.exit_code == 0, result.output[:MAX_BODY].decode("utf-8", "replace"))


async def _http(
    runtime: ContainerRuntime,
    purpose: str,
    action: dict[str, Any],
    container: dict[str, Any],
    container_id: str,
    ip: str,
    timeout: float,
) -> Outcome:
    url = url_of(action, action.get("host") or ip, port_number(action["port"], container))
    try:
        status, body = await runtime.network.http_get(container_id, url, headers_of(action), timeout, purpose)
    except TimeoutError:
        return Outcome(
            False, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        )
    except OSError as error:
        return Outcome(False, f'Get "{url}": {error}')
    if 200 <= status < 400:
        return Outcome(True, body)
    return Outcome(False, f"HTTP probe failed with statuscode: {status}")


async def _tcp(
    runtime: ContainerRuntime,
    purpose: str,
    action: dict[str, Any],
    container: dict[str, Any],
    container_id: str,
    ip: str,
    timeout: float,
) -> Outcome:
    host, port = action.get("host") or ip, port_number(action["port"], container)
    try:
        await runtime.network.tcp_connect(container_id, host, port, timeout, purpose)
    except TimeoutError:
        return Outcome(False, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Outcome(False, str(error))
    return Outcome(True)


async def _grpc(
    runtime: ContainerRuntime, purpose: str, action: dict[str, Any], container_id: str, ip: str, timeout: float
) -> Outcome:
    service, port = action.get("service") or "", int(action["port"])
    try:
        serving = await runtime.network.grpc_health(container_id, ip, port, service, timeout, purpose)
    except TimeoutError:
        return Outcome(False, f"timeout: health rpc did not complete within {timeout:g}s")
    except OSError as error:
        return Outcome(False, f'timeout: failed to connect service "{ip}:{port}" within {timeout:g}s: {error}')
    return Outcome(serving, "" if serving else 'service unhealthy (responded with "NOT_SERVING")')
