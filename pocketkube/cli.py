"""The `pocketkube` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from pocketkube.errors import LauncherError
from pocketkube.places import Places, default_data_dir
from pocketkube.readiness import Reporter, take_reporter

COMPONENTS = ("apiserver", "controllers", "scheduler", "kubelet")
WARM = "warm-cluster"  # hidden: the child of the pytest plugin


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Errors are one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] and given[0] in COMPONENTS:
        return _component(given[0], given[1:])
    if given[:1] == [WARM]:
        from pocketkube import warm

        return warm.main(given[1:])
    reporter = take_reporter(given)
    try:
        return _command(_parser().parse_args(given), given, reporter)
    except LauncherError as e:
        print(f"Error: {e}", file=sys.stderr)
        reporter.failed(str(e), quiet=True)
        return 1


def _component(name: str, arguments: list[str]) -> int:
    """Run a part of the cluster alone."""
    if name == "apiserver":
        from pocketkube.component import apiserver

        return apiserver(arguments)
    run: Callable[[list[str]], int] = getattr(import_module(f"pocketkube.{name}"), name)
    return run(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pocketkube", description="Kubernetes, light enough for a pocket.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start a cluster; it runs until Ctrl-C")
    up.add_argument("--data-dir", type=Path, default=default_data_dir(), metavar="DIR", help="where everything is kept")
    up.add_argument("--secure-port", type=int, metavar="N", help="port of the API server (6443, or a free one)")
    up.add_argument("--bind-address", default="127.0.0.1", metavar="IP", help="address to serve on (127.0.0.1)")
    up.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig to add the context to")
    up.add_argument("--nodes", type=int, default=1, metavar="N", help="simulated nodes (1); 0 for none")
    up.add_argument("--in-process", action="store_true", help="everything in one process")
    up.add_argument(
        "--detach", action="store_true", help="return when the cluster is up; stop it with: pocketkube down"
    )
    up.add_argument("--no-controllers", action="store_true", help="the API server alone, nothing beside it")
    store = up.add_mutually_exclusive_group()
    store.add_argument("--etcd", action="store_true", help="keep objects in an etcd of its own")
    store.add_argument("--etcd-servers", default="", metavar="URLS", help="keep objects in these etcd servers")
    up.add_argument("-v", type=int, default=0, metavar="LEVEL", dest="verbosity", help="how much the logs say (0 to 4)")
    for name, text in (
        ("status", "which components run, and how they are"),
        ("down", "stop the cluster; what it keeps stays"),
        ("reset", "stop the cluster and delete everything it keeps"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--data-dir", type=Path, default=default_data_dir(), metavar="DIR")
    kubeconfig = commands.add_parser("kubeconfig", help="print a kubeconfig, or merge it into FILE")
    kubeconfig.add_argument("--data-dir", type=Path, default=default_data_dir(), metavar="DIR")
    kubeconfig.add_argument("--merge", metavar="FILE", help="add the context to FILE instead of printing")
    commands.add_parser("version", help="print versions")
    for name in COMPONENTS:
        commands.add_parser(
            name, help=f"run the {name} alone, with the flags of its Kubernetes namesake", add_help=False
        )
    return parser


def _command(given: argparse.Namespace, arguments: list[str], reporter: Reporter) -> int:
    if given.command == "version":
        return _version()
    places = Places(given.data_dir.expanduser().absolute())
    if given.command == "up":
        return _up(given, places, arguments, reporter)
    from pocketkube import commands, status

    match given.command:
        case "status":
            return status.status(places)
        case "down":
            return commands.down(places)
        case "reset":
            return commands.reset(places)
        case _:
            return commands.print_kubeconfig(places, given.merge)


def _up(given: argparse.Namespace, places: Places, arguments: list[str], reporter: Reporter) -> int:
    if given.nodes < 0:
        raise LauncherError("--nodes must not be negative")
    if given.detach and reporter.is_for_terminal:
        from pocketkube.detach import up_detached

        return up_detached(places, arguments[1:])
    from pocketkube.parts import UpOptions
    from pocketkube.up import up

    options = UpOptions(
        data_dir=places.root,
        secure_port=given.secure_port,
        bind_address=given.bind_address,
        kubeconfig=given.kubeconfig,
        own_etcd=given.etcd,
        etcd_servers=given.etcd_servers,
        in_process=given.in_process,
        nodes=given.nodes,
        controllers=not given.no_controllers,
        detached=given.detach,
        verbosity=given.verbosity,
    )
    return up(options, reporter)


def _version() -> int:
    import platform

    from apiserver.endpoints.version import GIT_VERSION
    from pocketkube import __version__

    print(f"pocketkube {__version__}\nKubernetes {GIT_VERSION}\nPython {platform.python_version()}")
    return 0
