"""Command-line flags as Go programs take them: `--name value`, `--name=value`, `--switch`, each refused in pflag's words."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery.duration import parse_go

_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")
_INTEGER = re.compile(r"[+-]?[0-9]+")


class UsageError(Exception):
    """The command line is wrong; the message is one line for the user."""


def text(value: str) -> str:
    return value


def integer(value: str) -> int:
    if not _INTEGER.fullmatch(value):
        raise ValueError(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    return int(value)


def boolean(value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{value}": invalid syntax')


def duration(value: str) -> float:
    return parse_go(value)


def ip(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError(f'failed to parse IP: "{value}"') from None


def strings(value: str) -> tuple[str, ...]:
    return tuple(value.split(",")) if value else ()


def port_range(value: str) -> tuple[int, int]:
    first, dash, last = value.partition("-")
    if not dash or not first.isdigit() or not last.isdigit() or not 0 < int(first) <= int(last) < 65536:
        raise ValueError(f"unable to parse port range: {value}")
    return int(first), int(last)


def pairs(value: str) -> tuple[tuple[str, str], ...]:
    """`a=b,c=d`; a name alone stands for itself with an empty value."""
    found = []
    for part in filter(None, (p.strip() for p in value.split(","))):
        name, _, given = part.partition("=")
        found.append((name.strip(), given.strip()))
    return tuple(found)


class Flag(NamedTuple):
    """One flag: its name, the option it sets, how its value is read. Sequences given twice add up."""

    name: str
    option: str
    read: Callable[[str], Any]
    help: str = ""
    short: str = ""


def parse(flags: Sequence[Flag], arguments: Sequence[str], program: str) -> Mapping[str, Any]:
    """The options that the arguments set; raises UsageError."""
    by_name = {f"--{flag.name}": flag for flag in flags} | {f"-{flag.short}": flag for flag in flags if flag.short}
    found: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("-") or argument == "-":
            raise UsageError(f'"{program}" does not take any arguments, got ["{argument}"]')
        name, equals, value = argument.partition("=")
        flag = by_name.get(name)
        if flag is None:
            raise UsageError(_unknown(name, by_name))
        if not equals:
            value = _value(flag, name, rest)
        _set(found, flag, name, value)
    return found


def _unknown(name: str, known: Mapping[str, Flag]) -> str:
    if name.startswith("--"):
        return f"unknown flag: {name}"
    if len(name) > 2 and name[:2] in known:  # -v2
        return f"write {name[:2]}={name[2:]} for {name}"
    return f"unknown shorthand flag: '{name[1:2]}' in {name}"


def _value(flag: Flag, name: str, rest: list[str]) -> str:
    if flag.read is boolean:
        return "true"
    if not rest:
        raise UsageError(f"flag needs an argument: {name}")
    return rest.pop(0)


def _set(found: dict[str, Any], flag: Flag, name: str, value: str) -> None:
    shown = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
    try:
        given = flag.read(value)
    except ValueError as e:
        raise UsageError(f'invalid argument "{value}" for "{shown}" flag: {e}') from None
    if isinstance(given, tuple) and flag.read is not port_range:
        given = (*found.get(flag.option, ()), *given)
    found[flag.option] = given


def usage(flags: Sequence[Flag]) -> str:
    """The flags with their help, one line each."""
    width = max(len(flag.name) for flag in flags) + 4
    lines = [f"  {f'--{flag.name}':<{width}}{flag.help}".rstrip() for flag in flags]
    return "\n".join(lines)
