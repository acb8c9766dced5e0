"""Probes and lifecycle hooks: one handler each."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.object_meta import non_negative
from apiserver.apimachinery.objects import Object

HTTP_SCHEMES = ("HTTP", "HTTPS")
HTTP_PROTOCOLS = ("HTTP1", "HTTP2")
GRPC_MODES = ("Plaintext", "TLS")
ONE_HANDLER = "may not specify more than 1 handler type"
PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_SIGNALS = (
    "SIGABRT SIGALRM SIGBUS SIGCHLD SIGCLD SIGCONT SIGFPE SIGHUP SIGILL SIGINT SIGIO SIGIOT SIGKILL SIGPIPE SIGPOLL SIGPROF "
    "SIGPWR SIGQUIT SIGSEGV SIGSTKFLT SIGSTOP SIGSYS SIGTERM SIGTRAP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 "
    "SIGVTALRM SIGWINCH SIGXCPU SIGXFSZ SIGRTMIN SIGRTMAX"
)
STOP_SIGNALS = {
    "linux": tuple(
        sorted(
            [
                *_SIGNALS.split(),
                *(f"SIGRTMIN+{i}" for i in range(1, 16)),
                *(f"SIGRTMAX-{i}" for i in range(1, 15)),
            ]
        )
    ),
    "windows": ("SIGKILL", "SIGTERM"),
}


def probes_errors(container: Object, grace: int | None, path: str) -> Iterator[FieldError]:
    """Liveness, readiness and startup probe of a container."""
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(field)
        if probe is None:
            continue
        here = f"{path}.{field}"
        yield from _probe_errors(probe, grace, here)
        if field == "readinessProbe":
            period = probe.get("terminationGracePeriodSeconds")
            if period is not None:
                message = "must not be set for readinessProbes"
                yield invalid(f"{here}.terminationGracePeriodSeconds", period, message)
        elif (probe.get("successThreshold") or 0) != 1:
            yield invalid(f"{here}.successThreshold", probe.get("successThreshold") or 0, "must be 1")


def _probe_errors(probe: Object, grace: int | None, path: str) -> Iterator[FieldError]:
    yield from handler_errors(probe, PROBE_HANDLERS, grace, path)
    for field in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"):
        yield from non_negative(probe.get(field) or 0, f"{path}.{field}")
    period = probe.get("terminationGracePeriodSeconds")
    if period is not None and period <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", period, "must be greater than 0")


def lifecycle_errors(lifecycle: Object, grace: int | None, path: str, os: Object | None) -> Iterator[FieldError]:
    for field in ("postStart", "preStop"):
        if lifecycle.get(field) is not None:
            yield from handler_errors(lifecycle[field], HOOK_HANDLERS, grace, f"{path}.{field}")
    if lifecycle.get("stopSignal") is not None:
        yield from _stop_signal_errors(lifecycle["stopSignal"], f"{path}.stopSignal", os)


def _stop_signal_errors(signal: str, path: str, os: Object | None) -> Iterator[FieldError]:
    if os is None:
        yield field_forbidden(path, "may not be set for containers with empty `spec.os.name`")
        return
    supported = STOP_SIGNALS.get(os.get("name") or "")
    if supported is not None and signal not in supported:
        yield not_supported(path, signal, supported)


def handler_errors(handler: Object, kinds: tuple[str, ...], grace: int | None, path: str) -> Iterator[FieldError]:
    count = 0
    for kind in kinds:
        action = handler.get(kind)
        if action is None:
            continue
        count += 1
        if count > 1:
            yield field_forbidden(f"{path}.{kind}", ONE_HANDLER)
        elif kind == "sleep":
            yield from _sleep_errors(action, grace, f"{path}.sleep")
        else:
            yield from _ACTIONS[kind](action, f"{path}.{kind}")
    if not count:
        yield required(path, "must specify a handler type")


def _exec_errors(action: Object, path: str) -> Iterator[FieldError]:
    if not action.get("command"):
        yield required(f"{path}.command")


def _http_get_errors(action: Object, path: str) -> Iterator[FieldError]:
    if not action.get("path"):
        yield required(f"{path}.path")
    yield from port_errors(action.get("port"), f"{path}.port")
    scheme, protocol = action.get("scheme") or "", action.get("protocol")
    if scheme not in HTTP_SCHEMES:
        yield not_supported(f"{path}.scheme", scheme, HTTP_SCHEMES)
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        for message in formats.http_header_name(name):
            yield invalid(f"{path}.httpHeaders", name, message)
    if protocol is None:
        return
    if protocol not in HTTP_PROTOCOLS:
        yield not_supported(f"{path}.protocol", protocol, HTTP_PROTOCOLS)
    elif protocol == "HTTP2" and scheme != "HTTP":
        yield invalid(f"{path}.protocol", protocol, "is only supported with HTTP (H2C)")
    elif protocol == "HTTP2" and action.get("host"):
        yield invalid(f"{path}.host", action["host"], 'must be empty when `protocol` is "HTTP2"')


def _tcp_socket_errors(action: Object, path: str) -> Iterator[FieldError]:
    return port_errors(action.get("port"), f"{path}.port")


def _grpc_errors(action: Object, path: str) -> Iterator[FieldError]:
    yield from port_errors(action.get("port"), f"{path}.port")
    mode = action.get("mode")
    if mode is not None and mode not in GRPC_MODES:
        yield not_supported(f"{path}.mode", mode, GRPC_MODES)


def _sleep_errors(action: Object, grace: int | None, path: str) -> Iterator[FieldError]:
    seconds = action.get("seconds") or 0
    if grace is not None and not 0 <= seconds <= grace:
        message = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield invalid(path, seconds, message)


def port_errors(port: int | str | None, path: str) -> Iterator[FieldError]:
    """A number or a name (upstream ValidatePortNumOrName)."""
    if isinstance(port, str):
        for message in formats.port_name(port):
            yield invalid(path, port, message)
    else:
        for message in formats.port_number(port or 0):
            yield invalid(path, port or 0, message)


_ACTIONS = {
    "exec": _exec_errors,
    "httpGet": _http_get_errors,
    "tcpSocket": _tcp_socket_errors,
    "grpc": _grpc_errors,
}
