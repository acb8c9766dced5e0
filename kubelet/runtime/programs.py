"""What a simulated container's command does: which images and commands end, when, and how.

The table is small and honest: shells and everyday commands run in `shell.py`, images that are servers run for ever, an
unknown command runs for ever too (it is some server, most likely).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from apiserver.apimachinery.rand import Random
from kubelet.runtime.behaviour import NEVER
from kubelet.runtime.files import Files
from kubelet.runtime.interface import ContainerConfig
from kubelet.runtime.shell import Run, Shell, script_of
from kubelet.runtime.shell_syntax import ShellError

SIGTERM_CODE = 143
SHELLS = frozenset({"sh", "bash", "ash", "dash"})
# Commands that do something and end; those with an effect here are in shell.py.
_SHORT = """
    basename cat chmod chown cp curl cut date df dig dirname du echo env expr false find free grep head hostname id ip ls
    ln md5sum mkdir mktemp mount mv netstat nslookup printenv printf ps pwd rm rmdir sed seq sha256sum sleep sort stat sync
    tail tar tee test touch tr true uname uniq wc wget which whoami [ awk mounttest perl
"""
SHORT = frozenset(_SHORT.split())
# Images whose default command ends when nobody types: a shell without a terminal, a greeting.
SHORT_IMAGES = frozenset({"busybox", "alpine", "ubuntu", "debian", "fedora", "centos", "bash", "hello-world"})
AGNHOST_SHORT = frozenset(
    {"connect", "dns-server-list", "dns-suffix", "entrypoint-tester", "etc-hosts", "mounttest", "help", "version"}
)


AGNHOST_NAMES = frozenset({"agnhost", "agnhost-2"})  # of the program in its image
# agnhost's servers that fail on purpose, after so many seconds.
LIVENESS_SECONDS = 10.0
UNHEALTHY_FLAG = "--delay-unhealthy-seconds="
# agnhost's mounttest: for how long it watches a file.
RETRY_FLAG, RETRY_SECONDS = "--retry_time=", 180.0


# Where agnhost's servers listen; what is not in the table is not known, and answers on every port.
AGNHOST_PORTS: dict[str, tuple[str, ...]] = {
    "grpc-health-checking": ("5000", "8080"),
    "liveness": ("8080",),
    "pause": (),
    "test-webserver": ("80",),
}
# Images that are meant not to exist: tests and demos name them so.
MISSING = re.compile(r"(^|[./:_-])(404|invalid|non-?existent|does-not-exist|not-?exist(s|ing)?)([./:_-]|$)")


def is_missing(image: str) -> bool:
    """Whether an image's name says that there is none."""
    return MISSING.search(image) is not None


def _agnhost_words(config: ContainerConfig) -> list[str] | None:
    """What agnhost is told to be, with its arguments; None for another image or another program of it."""
    if image_name(config.image) != "agnhost":
        return None
    if config.command and config.command[0].rsplit("/", 1)[-1] not in AGNHOST_NAMES:
        return None
    return [*config.command[1:], *config.args] or ["pause"]


def listens(config: ContainerConfig, port: int) -> bool:
    """Whether something may be behind a port."""
    words = _agnhost_words(config)
    known = AGNHOST_PORTS.get(words[0]) if words else None
    return known is None or str(port) in known


def healthy_seconds(config: ContainerConfig) -> float:
    """How long a server answers well; NEVER ends for most."""
    words = _agnhost_words(config) or [""]
    if words[0] == "liveness":
        return LIVENESS_SECONDS
    if words[0] == "grpc-health-checking":
        delays = [word.removeprefix(UNHEALTHY_FLAG) for word in words if word.startswith(UNHEALTHY_FLAG)]
        return float(delays[0]) if delays and delays[0].isdigit() else NEVER
    return NEVER


class Program:
    """A command under way. `advance` runs it to its next wait."""

    def __init__(self, shell: Shell, run: Run) -> None:
        self._shell = shell
        self._run = run
        self.exit_code = 0

    @property
    def output(self) -> str:
        return self._shell.output

    def advance(self) -> float | None:
        """Seconds until the next call; None when it has ended, NEVER when it goes on for ever."""
        try:
            return next(self._run)
        except StopIteration as end:
            self.exit_code = end.value
        except ShellError:
            return NEVER
        return None


def image_name(image: str) -> str:
    """`busybox` of `registry.k8s.io/e2e-test-images/busybox:1.37@sha256:…`."""
    return image.split("@")[0].rsplit("/", 1)[-1].split(":")[0]


def program_of(config: ContainerConfig, files: Files, rand: Random) -> Program | None:
    """None: it runs until it is stopped."""
    words = [*config.command, *config.args]
    image = image_name(config.image)
    agnhost = _agnhost_words(config)
    if agnhost is not None:
        if agnhost[0] not in AGNHOST_SHORT:
            return None
        words = ["sleep", str(_watch_seconds(agnhost))]
    elif not words:
        if image not in SHORT_IMAGES or (config.stdin and image != "hello-world"):
            return None
        words = ["true"]
    elif not config.command and image not in SHORT_IMAGES:
        return None  # arguments of an entrypoint that is not known
    return _start(words, config, files, rand)


def _watch_seconds(words: list[str]) -> float:
    """How long mounttest looks at a file that it was told to look at again and again; 0 for everything else."""
    if not any(word.startswith("--file_content_in_loop=") for word in words):
        return 0.0
    given = [word.removeprefix(RETRY_FLAG) for word in words if word.startswith(RETRY_FLAG)]
    return float(given[-1]) if given and given[-1].isdigit() else RETRY_SECONDS


def _start(words: list[str], config: ContainerConfig, files: Files, rand: Random) -> Program | None:
    name = words[0].rsplit("/", 1)[-1]
    shell = Shell(dict(config.env), files, rand, uid=config.security.get("runAsUser") or 0)
    if name in SHELLS:
        script = script_of(words[1:])
        if script is None:
            return None if config.stdin or len(words) > 1 else Program(shell, shell.command(["true"]))
        return Program(shell, shell.run(script))
    if name not in SHORT:
        return None
    return Program(shell, shell.command(words))


def exec_program(command: Sequence[str], config: ContainerConfig, files: Files, rand: Random) -> Program:
    """A command executed in a running container: an unknown one succeeds."""
    shell = Shell(dict(config.env), files, rand, uid=config.security.get("runAsUser") or 0)
    return Program(shell, shell.command(list(command) or ["true"]))


def stops_with(config: ContainerConfig) -> int:
    """Exit code after SIGTERM: servers end well, shells and tools die of the signal."""
    words = [*config.command, *config.args]
    name = words[0].rsplit("/", 1)[-1] if words else ""
    return SIGTERM_CODE if name in SHELLS or name in SHORT else 0
