"""The `pocketkube` command: the launcher's own commands are a table here, the components are those of parts.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pocketkube.errors import LauncherError
from pocketkube.places import Places, default_data_dir
from pocketkube.readiness import Reporter, take_reporter

APISERVER = "apiserver"
WARM = "warm-cluster"  # hidden: the child of the pytest plugin

Arguments = argparse.ArgumentParser


class Given(NamedTuple):
    """What a command was asked: the parsed flags, the cluster's places, the command line, who hears of the outcome."""

    flags: argparse.Namespace
    places: Places
    arguments: list[str]
    reporter: Reporter


class Command(NamedTuple):
    """`run` gives the exit code; it imports what it needs, so that a component starts without it."""

    name: str
    about: str
    run: Callable[[Given], int]
    add_flags: Callable[[Arguments], None] = lambda parser: None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Errors are one line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = given[0] if given else ""
    if name == WARM:
        from pocketkube import warm

        return warm.main(given[1:])
    if _command(name) is None and (run := _component(name)) is not None:
        return run(given[1:])
    reporter = take_reporter(given)
    try:
        flags = _parser().parse_args(given)
        places = Places(flags.data_dir.expanduser().absolute())
        command = _command(flags.command)
        assert command is not None, flags.command
        return command.run(Given(flags, places, given, reporter))
    except LauncherError as e:
        print(f"Error: {e}", file=sys.stderr)
        reporter.failed(str(e), quiet=True)
        return 1


def _command(name: str) -> Command | None:
    return next((command for command in COMMANDS if command.name == name), None)


def _component(name: str) -> Callable[[list[str]], int] | None:
    """What runs a part of the cluster alone; None when there is no such part."""
    if name == APISERVER:
        from pocketkube.component import apiserver

        return apiserver
    from pocketkube import client_component
    from pocketkube.parts import PARTS

    part = next((part for part in PARTS if part.name == name), None)
    return None if part is None else lambda arguments: client_component.main(part.component, arguments)


def _parser() -> Arguments:
    from pocketkube.parts import PARTS

    parser = argparse.ArgumentParser(prog="pocketkube", description="Kubernetes, light enough for a pocket.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.about)
        one.add_argument(
            "--data-dir", type=Path, default=default_data_dir(), metavar="DIR", help="where everything is kept"
        )
        command.add_flags(one)
    for name in (APISERVER, *(part.name for part in PARTS)):
        about = f"run the {name} alone, with the flags of its Kubernetes namesake"
        commands.add_parser(name, help=about, add_help=False)
    return parser


def _up_flags(up: Arguments) -> None:
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


def _up(given: Given) -> int:
    flags, places = given.flags, given.places
    if flags.nodes < 0:
        raise LauncherError("--nodes must not be negative")
    if flags.detach and given.reporter.is_for_terminal:
        from pocketkube.detach import up_detached

        return up_detached(places, given.arguments[1:])
    from pocketkube.parts import UpOptions
    from pocketkube.up import up

    options = UpOptions(
        data_dir=places.root,
        secure_port=flags.secure_port,
        bind_address=flags.bind_address,
        kubeconfig=flags.kubeconfig,
        own_etcd=flags.etcd,
        etcd_servers=flags.etcd_servers,
        in_process=flags.in_process,
        nodes=flags.nodes,
        controllers=not flags.no_controllers,
        detached=flags.detach,
        verbosity=flags.verbosity,
    )
    return up(options, given.reporter)


def _status(given: Given) -> int:
    from pocketkube.status import status

    return status(given.places)


def _down(given: Given) -> int:
    from pocketkube.commands import down

    return down(given.places)


def _reset(given: Given) -> int:
    from pocketkube.commands import reset

    return reset(given.places)


def _kubeconfig_flags(parser: Arguments) -> None:
    parser.add_argument("--merge", metavar="FILE", help="add the context to FILE instead of printing")


def _kubeconfig(given: Given) -> int:
    from pocketkube.commands import print_kubeconfig

    return print_kubeconfig(given.places, given.flags.merge)


def _version(given: Given) -> int:
    import platform

    from apiserver.endpoints.version import GIT_VERSION
    from pocketkube import __version__

    print(f"pocketkube {__version__}\nKubernetes {GIT_VERSION}\nPython {platform.python_version()}")
    return 0


COMMANDS: tuple[Command, ...] = (
    Command("up", "start a cluster; it runs until Ctrl-C", _up, _up_flags),
    Command("status", "which components run, and how they are", _status),
    Command("down", "stop the cluster; what it keeps stays", _down),
    Command("reset", "stop the cluster and delete everything it keeps", _reset),
    Command("kubeconfig", "print a kubeconfig, or merge it into FILE", _kubeconfig, _kubeconfig_flags),
    Command("version", "print versions", _version),
)
