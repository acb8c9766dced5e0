"""Durations: for people (`3d4h`, as kubectl prints ages) and as Go writes and reads them (`1h2m3.5s`)."""

from __future__ import annotations

import re

_NANOSECOND = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]+)")


def _with_rest(amount: int, unit: str, rest: int, rest_unit: str) -> str:
    return f"{amount}{unit}{rest}{rest_unit}" if rest else f"{amount}{unit}"


def human(seconds: float) -> str:
    """Two or three significant figures (upstream duration.HumanDuration)."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 120:
        return f"{max(total, 0)}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return _with_rest(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _with_rest(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _with_rest(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _with_rest(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def short_human(seconds: float) -> str:
    """One figure (upstream duration.ShortHumanDuration)."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 60:
        return f"{max(total, 0)}s"
    if total < 3600:
        return f"{total // 60}m"
    if total < 86400:
        return f"{total // 3600}h"
    if total < 86400 * 365:
        return f"{total // 86400}d"
    return f"{total // (86400 * 365)}y"


def parse_go(text: str) -> float:
    """Seconds of a Go duration (`1h30m`, `-1.5s`, `0`); raises ValueError with Go's words."""
    sign, rest = (-1 if text[:1] == "-" else 1), text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0.0
    nanoseconds, position = 0, 0
    while position < len(rest):
        match = _PART.match(rest, position)
        if match is None or not (match.group(1) or match.group(2)) or match.group(3) not in _NANOSECOND:
            break
        whole, fraction, unit = match.groups()
        nanoseconds += int(whole or 0) * _NANOSECOND[unit]
        if fraction:
            nanoseconds += int(fraction) * _NANOSECOND[unit] // 10 ** len(fraction)
        position = match.end()
    if not rest or position < len(rest) or nanoseconds >= 2**63:
        raise ValueError(_refusal(text, rest[position:]))
    return sign * nanoseconds / 1e9


def _refusal(text: str, rest: str) -> str:
    match = re.match(r"([0-9]*\.?[0-9]*)([^0-9.]*)", rest)
    number, unit = match.groups() if match else ("", "")
    if not number.strip(".") or not rest:
        return f'time: invalid duration "{text}"'
    if not unit:
        return f'time: missing unit in duration "{text}"'
    return f'time: unknown unit "{unit}" in duration "{text}"'


def _trimmed(value: int, unit: int, name: str) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{digits}{name}" if rest else f"{whole}{name}"


def format_go(seconds: float) -> str:
    """As Go's time.Duration prints itself: `1h0m0s`, `1.5s`, `300ms`, `0s`."""
    nanoseconds = round(seconds * 1e9)
    sign, nanoseconds = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 1_000:
        return f"{sign}{nanoseconds}ns"
    if nanoseconds < 1_000_000:
        return sign + _trimmed(nanoseconds, 1_000, "µs")
    if nanoseconds < 10**9:
        return sign + _trimmed(nanoseconds, 1_000_000, "ms")
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    text = _trimmed(rest, 10**9, "s")
    if not minutes:
        return sign + text
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}h{minutes}m{text}" if hours else f"{sign}{minutes}m{text}"
