"""Cron schedules, read as upstream reads them (github.com/robfig/cron/v3 ParseStandard): five fields or a descriptor.

`parse(text)` gives a Schedule (a set of numbers per field) or an Every; what is wrong is a CronError with the library's words.
"""

from __future__ import annotations

import re
import zoneinfo
from typing import NamedTuple

from apiserver.apimachinery.duration import parse_go
from apiserver.apimachinery.errors import go_quote

_ATOI = re.compile(r"[+-]?[0-9]+")
_MAX_INT = 2**63 - 1


class CronError(ValueError):
    """A schedule that cannot be read."""


class Bounds(NamedTuple):
    """What a field may hold; `names` begin at `low`."""

    low: int
    high: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        name = text.lower()
        return self.low + self.names.index(name) if name in self.names else _number(text)


MINUTES = Bounds(0, 59)
HOURS = Bounds(0, 23)
DAYS = Bounds(1, 31)
MONTHS = Bounds(1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
WEEKDAYS = Bounds(0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat"))
FIELDS = (MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS)


class Times(NamedTuple):
    """The numbers of one field; `star`: it was written as `*` or `?` (days and weekdays are combined by it)."""

    numbers: frozenset[int]
    star: bool


class Schedule(NamedTuple):
    """When a job is due; days and weekdays that are both restricted are alternatives. `zone`: of TZ= in front, if any."""

    minute: Times
    hour: Times
    day: Times
    month: Times
    weekday: Times
    zone: str | None = None


class Every(NamedTuple):
    """A fixed distance between two times, at least a second."""

    seconds: int


_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def parse(text: str) -> Schedule | Every:
    """Raises CronError."""
    if not text:
        raise CronError("empty spec string")
    zone = None
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, text = _zone(text)
    if text.startswith("@"):
        return _descriptor(text, zone)
    return _fields(text, zone)


def load_zone(name: str) -> zoneinfo.ZoneInfo:
    """A time zone by its name as Go's time.LoadLocation knows it; raises ValueError with Go's words."""
    if name in ("", "UTC", "Local"):
        return zoneinfo.ZoneInfo("UTC")
    if ".." in name or name[0] in "/\\":
        raise ValueError("time: invalid location name")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name}") from None


def _zone(text: str) -> tuple[str, str]:
    start, end = text.index("=") + 1, text.find(" ")
    if end < start:
        # Go's library panics there, and upstream makes an error of it (pkg/util/parsers).
        bounds = f"[:{end}]" if end < 0 else f"[{start}:{end}]"
        raise CronError(f"invalid schedule format: runtime error: slice bounds out of range {bounds}")
    zone = text[start:end]
    try:
        load_zone(zone)
    except ValueError as e:
        raise CronError(f"provided bad location {zone}: {e}") from None
    return zone, text[end:].strip()


def _descriptor(text: str, zone: str | None) -> Schedule | Every:
    if text in _DESCRIPTORS:
        return _fields(_DESCRIPTORS[text], zone)
    if not text.startswith("@every "):
        raise CronError(f"unrecognized descriptor: {text}")
    try:
        seconds = parse_go(text[len("@every ") :])
    except ValueError as e:
        raise CronError(f"failed to parse duration {text}: {e}") from None
    return Every(max(1, int(seconds)))


def _fields(text: str, zone: str | None) -> Schedule:
    fields = text.split()
    if len(fields) != len(FIELDS):
        raise CronError(f"expected exactly {len(FIELDS)} fields, found {len(fields)}: [{' '.join(fields)}]")
    minute, hour, day, month, weekday = (_field(f, bounds) for f, bounds in zip(fields, FIELDS, strict=True))
    return Schedule(minute, hour, day, month, weekday, zone)


def _field(text: str, bounds: Bounds) -> Times:
    numbers: set[int] = set()
    star = False
    for expression in filter(None, text.split(",")):
        times = _range(expression, bounds)
        numbers |= times.numbers
        star = star or times.star
    return Times(frozenset(numbers), star)


def _range(text: str, bounds: Bounds) -> Times:
    """`number`, `number-number`, `*`, each with `/step`."""
    parts = text.split("/")
    ends = parts[0].split("-")
    star = ends[0] in ("*", "?")
    if star:
        low, high = bounds.low, bounds.high
    else:
        low = high = bounds.number(ends[0])
        if len(ends) > 2:
            raise CronError(f"too many hyphens: {text}")
        if len(ends) == 2:
            high = bounds.number(ends[1])
    step = 1
    if len(parts) > 2:
        raise CronError(f"too many slashes: {text}")
    if len(parts) == 2:
        step = _number(parts[1])
        if len(ends) == 1:
            high = bounds.high
        star = star and step <= 1
    _check(low, high, step, bounds, text)
    return Times(frozenset(range(low, high + 1, step)), star)


def _check(low: int, high: int, step: int, bounds: Bounds, text: str) -> None:
    if low < bounds.low:
        raise CronError(f"beginning of range ({low}) below minimum ({bounds.low}): {text}")
    if high > bounds.high:
        raise CronError(f"end of range ({high}) above maximum ({bounds.high}): {text}")
    if low > high:
        raise CronError(f"beginning of range ({low}) beyond end of range ({high}): {text}")
    if step == 0:
        raise CronError(f"step of range should be a positive number: {text}")


def _number(text: str) -> int:
    """Go's strconv.Atoi, not negative."""
    wrong = ""
    if not _ATOI.fullmatch(text):
        wrong = "invalid syntax"
    elif abs(int(text)) > _MAX_INT:
        wrong = "value out of range"
    if wrong:
        raise CronError(f"failed to parse int from {text}: strconv.Atoi: parsing {go_quote(text)}: {wrong}")
    number = int(text)
    if number < 0:
        raise CronError(f"negative number ({number}) not allowed: {text}")
    return number
