"""A warm cluster for tests: a child process with everything in it, over a store in memory, made fresh in milliseconds.

The child speaks JSON lines: it says where it serves, and answers each `reset` that it reads. It ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pocketkube import kubeconfig, ports
from pocketkube.cli import WARM as CHILD
from pocketkube.errors import LauncherError
from pocketkube.parts import KUBERNETES_IP, PARTS, UpOptions, apiserver_arguments
from pocketkube.pki import AUTHORITIES, SIGNING_KEYS, Pki, cluster_leaves
from pocketkube.places import Places
from pocketkube.supervisor import component_command, last_line

STOP_PATIENCE = 20.0


class KubeCluster:
    """A running cluster: where it is, who we are to it, and the way back to a fresh one.

    `kubeconfig`, `ca`, `client_certificate`, `client_key` are files; `url` is where the API server listens.
    """

    def __init__(self, process: subprocess.Popen[str], places: Places, pki: Pki, url: str) -> None:
        self._process = process
        self.url = url
        self.kubeconfig = places.root / "kubeconfig"
        self.ca, self.client_certificate, self.client_key = pki.cert("ca"), pki.cert("admin"), pki.key("admin")
        self.log = places.logs / f"{CHILD}.log"

    def reset(self) -> int:
        """Back to the state in which the cluster became ready; how many writes that took.

        Open watches stay open and see ordinary events: DELETED for what was made since, MODIFIED and ADDED for what was
        changed and deleted. Nothing waits for finalizers or grace periods; revisions go on rising.
        """
        return int(self._ask({"command": "reset"})["writes"])

    def kubectl(self, *arguments: str, input: str = "", check: bool = True) -> str:
        """What kubectl (from PATH, else beside this Python) prints; CalledProcessError with its words when it fails."""
        import shutil

        program = shutil.which("kubectl") or str(Path(sys.executable).with_name("kubectl"))
        command = [program, f"--kubeconfig={self.kubeconfig}", *arguments]
        done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def api_client(self) -> Any:
        """A new `kubernetes.client.ApiClient` of the official client; the caller closes it."""
        from kubernetes import config

        made: Any = config
        return made.new_client_from_config(str(self.kubeconfig))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            return _answer(self._process.stdout, self.log)
        except BrokenPipeError as e:
            raise LauncherError(f"the cluster ended: {last_line(self.log)} (see {self.log})") from e


def _answer(stream: IO[str], log: Path) -> dict[str, Any]:
    line = stream.readline()
    if not line:
        raise LauncherError(f"the cluster ended: {last_line(log)} (see {log})")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise LauncherError(answer["error"])
    return answer


@contextmanager
def warm_cluster(directory: Path, *, nodes: int = 1) -> Iterator[KubeCluster]:
    """A ready cluster in a process of its own, for the length of a `with`; what it writes lies in `directory`."""
    places = Places(directory)
    places.create()
    pki = Pki(places.pki)
    leaves = [*cluster_leaves((), KUBERNETES_IP), *(part.leaf for part in PARTS)]
    pki.ensure(AUTHORITIES, leaves, SIGNING_KEYS)
    log = places.logs / f"{CHILD}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            component_command(CHILD, [str(directory), str(nodes)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        url = _answer(process.stdout, log)["url"]
        entry = kubeconfig.entry(url, pki.cert("ca"), pki.cert("admin"), pki.key("admin"))
        kubeconfig.write_private(places.root / "kubeconfig", kubeconfig.text(entry))
        yield KubeCluster(process, places, pki, url)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.close()
        process.wait(STOP_PATIENCE)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
    process.stdout.close()


def main(arguments: list[str]) -> int:
    """The child: serve until the input ends."""
    import asyncio

    from pocketkube import component
    from pocketkube.logs import set_up_logging

    set_up_logging(0)
    component.prepare_imports()
    directory, nodes = Path(arguments[0]), int(arguments[1])

    async def serve(stop: asyncio.Event) -> None:
        from apiserver.apimachinery.clock import SystemClock
        from apiserver.server.options import parse_options
        from apiserver.server.run import serving, tune
        from apiserver.storage.memory import MemoryStorage
        from pocketkube.baseline import Baseline
        from pocketkube.in_process import parts_running

        port = ports.free_port()
        options = UpOptions(directory, port, nodes=nodes)
        places, pki = Places(directory), Pki(Places(directory).pki)
        flags = apiserver_arguments(options, places, pki, port, "")
        storage = MemoryStorage(SystemClock())
        async with serving(parse_options(flags), storage=storage) as running:
            await running.server.wait_ready()
            async with parts_running(running.server.handler, options, places, pki):
                baseline = Baseline(running.server.storage)
                await baseline.take()
                tune()
                _tell({"url": f"https://127.0.0.1:{running.port}"})
                await _obey(baseline, stop)

    with contextlib.redirect_stdout(sys.stderr):  # the steps of the start are for the log
        component.run(serve)
    return 0


async def _obey(baseline: Any, stop: Any) -> None:
    """Answer what is read from the input until it ends or a signal comes."""
    import asyncio

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        while True:
            reading = asyncio.create_task(reader.readline(), name="read-command")
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() or not reading.result():
                reading.cancel()
                return
            try:
                _tell({"writes": await baseline.restore()})
            except TimeoutError as e:
                _tell({"error": str(e)})
    finally:
        stopping.cancel()
        transport.close()


def _tell(message: dict[str, Any]) -> None:
    assert sys.__stdout__ is not None
    sys.__stdout__.write(json.dumps(message) + "\n")
    sys.__stdout__.flush()
