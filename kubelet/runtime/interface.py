"""What a node needs of the thing that runs containers: CRI's verbs, with streams as duplex streams.

The kubelet knows nothing else of a runtime. Implementations: `simulated.py`; CRI (which dials the URLs that its exec, attach
and port-forward calls give) and Docker (which has streams) fit the same Protocol. Ids are the runtime's own; times are
seconds since the epoch, 0 for never.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

ContainerState = Literal["created", "running", "exited", "unknown"]


class ContainerRuntimeError(Exception):
    """A call failed; the text is what users see in events and statuses."""


class NotFound(ContainerRuntimeError):
    """No such sandbox, container or image."""


class NotSupported(ContainerRuntimeError):
    """The runtime cannot do this at all; the text says how to get one that can."""


class RuntimeVersion(NamedTuple):
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """`handlers` and `features` are those of Node.status; a message says why something is not ready."""

    runtime_ready: bool = True
    network_ready: bool = True
    message: str = ""
    handlers: Sequence[Mapping[str, Any]] = ()
    features: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    pod_uid: str
    namespace: str
    name: str
    attempt: int = 0
    hostname: str = ""
    host_network: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    runtime_handler: str = ""
    log_directory: str = ""
    dns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    port_mappings: Sequence[Mapping[str, Any]] = ()
    security: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SandboxStatus:
    """`ips` is empty for the host's network."""

    id: str
    pod_uid: str
    namespace: str
    name: str
    attempt: int
    ready: bool
    created_at: float
    ips: tuple[str, ...] = ()
    host_network: bool = False


class Mount(NamedTuple):
    container_path: str
    host_path: str
    volume: str
    sub_path: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """`attempt` is the restart count; `command` and `args` replace the image's entrypoint and command."""

    name: str
    attempt: int
    image: str
    image_ref: str
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: Sequence[Mount] = ()
    resources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    security: Mapping[str, Any] = field(default_factory=dict)
    ports: Sequence[Mapping[str, Any]] = ()
    tty: bool = False
    stdin: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    termination_message_path: str = "/dev/termination-log"
    termination_message_policy: str = "File"


@dataclass(slots=True)
class ContainerStatus:
    """`image_ref` is what the API shows as imageID; `resources` are those in force, None when the runtime does not tell."""

    id: str
    sandbox_id: str
    pod_uid: str
    name: str
    attempt: int
    state: ContainerState
    created_at: float
    image: str
    image_ref: str
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, str]] | None = None
    user: Mapping[str, Any] | None = None


class Image(NamedTuple):
    ref: str  # with digest
    names: tuple[str, ...]
    size: int


class ExecResult(NamedTuple):
    exit_code: int
    output: bytes


class ContainerStats(NamedTuple):
    """Usage so far: CPU time in nanoseconds, memory in bytes."""

    id: str
    name: str
    cpu_nanoseconds: int
    memory_bytes: int
    started_at: float


class RuntimeEvent(NamedTuple):
    """Something changed in a pod; look at its status to see what."""

    pod_uid: str


@dataclass(frozen=True, slots=True)
class LogOptions:
    follow: bool = False
    tail_lines: int | None = None
    since: float = 0.0
    timestamps: bool = False
    limit_bytes: int | None = None
    stream: str = "All"  # All, Stdout, Stderr


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What an exec or attach session carries."""

    command: Sequence[str] = ()
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False


class Frame(NamedTuple):
    """A piece of a duplex stream; channels are those of remotecommand: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize."""

    channel: int
    data: bytes


class DuplexStream(Protocol):
    """One exec, attach or port-forward session."""

    def frames(self) -> AsyncIterator[Frame]:
        """What comes from the container, until it ends."""
        ...

    async def send(self, frame: Frame) -> None: ...

    async def aclose(self) -> None: ...


class Remains(NamedTuple):
    """What the API says a pod had before this process began; ids of the sandbox are empty."""

    config: SandboxConfig
    sandbox: SandboxStatus
    containers: Sequence[tuple[ContainerStatus, ContainerConfig]]  # oldest first


@runtime_checkable
class Adopting(Protocol):
    """A runtime without a life of its own: it takes up what its predecessor left."""

    def adopt(self, remains: Remains) -> None: ...


class Network(Protocol):
    """How a node reaches into its pods, for probes and hooks: over the real network, or asked of the simulator.

    `purpose` is liveness, readiness, startup or lifecycle: it tells the user agent.
    """

    async def http_get(
        self, container_id: str, url: str, headers: Sequence[tuple[str, str]], timeout: float, purpose: str
    ) -> tuple[int, str]:
        """Status code and the beginning of the body; OSError or TimeoutError when there is no answer."""
        ...

    async def tcp_connect(self, container_id: str, host: str, port: int, timeout: float, purpose: str) -> None:
        """Returns when something listens; OSError or TimeoutError otherwise."""
        ...

    async def grpc_health(
        self, container_id: str, host: str, port: int, service: str, timeout: float, purpose: str
    ) -> bool:
        """Whether grpc.health.v1 says SERVING; OSError or TimeoutError when there is no answer."""
        ...


class ContainerRuntime(Protocol):
    """Every call may raise ContainerRuntimeError."""

    @property
    def network(self) -> Network: ...

    @property
    def emits_events(self) -> bool:
        """Whether `events` tells of every change; a runtime that does not is listed once a second (upstream's generic PLEG)."""
        ...

    async def version(self) -> RuntimeVersion: ...

    async def status(self) -> RuntimeStatus: ...

    async def set_pod_cidr(self, cidr: str) -> None: ...

    # Sandboxes

    async def run_sandbox(self, config: SandboxConfig) -> str: ...

    async def stop_sandbox(self, sandbox_id: str) -> None: ...

    async def remove_sandbox(self, sandbox_id: str) -> None: ...

    async def sandboxes(self, pod_uid: str = "") -> list[SandboxStatus]:
        """Of one pod or of all, newest first."""
        ...

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig) -> str: ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, grace: float) -> None:
        """Ask to end, kill after `grace` seconds; returns when it has ended. Nothing happens to one that has."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def update_resources(self, container_id: str, resources: Mapping[str, Mapping[str, str]]) -> None: ...

    async def containers(self, pod_uid: str = "") -> list[ContainerStatus]:
        """Of one pod or of all, newest first."""
        ...

    # Images

    async def image(self, name: str) -> Image | None: ...

    async def images(self) -> list[Image]: ...

    async def pull_image(self, name: str, annotations: Mapping[str, str], credentials: Sequence[Any] = ()) -> Image: ...

    async def remove_image(self, ref: str) -> None: ...

    # Looking and reaching in

    async def stats(self, pod_uid: str) -> list[ContainerStats]: ...

    def open_log(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]: ...

    async def exec_sync(
        self, container_id: str, command: Sequence[str], timeout: float, purpose: str = ""
    ) -> ExecResult:
        """Raises TimeoutError after `timeout` seconds (0: never). `purpose` as for Network."""
        ...

    async def exec(self, container_id: str, options: StreamOptions) -> DuplexStream: ...

    async def attach(self, container_id: str, options: StreamOptions) -> DuplexStream: ...

    async def port_forward(self, sandbox_id: str, port: int) -> DuplexStream: ...

    def events(self) -> AsyncIterator[RuntimeEvent]: ...

    async def aclose(self) -> None: ...
