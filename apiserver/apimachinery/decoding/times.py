"""Times as Go reads and writes them: time.Parse over RFC 3339 layouts, with its words for what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

RFC3339 = "2006-01-02T15:04:05Z07:00"
RFC3339_MICRO = "2006-01-02T15:04:05.000000Z07:00"

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# (literal before, element of the layout, what its range error calls it, lowest, highest)
_ELEMENTS = (
    ("-", "01", "month", 1, 12),
    ("-", "02", "", 0, 99),
    ("T", "15", "hour", 0, 23),
    (":", "04", "minute", 0, 59),
    (":", "05", "second", 0, 59),
)


class TimeError(ValueError):
    """A text that is no time; the message is Go's."""


def _quote(text: str) -> str:
    """How Go's time package quotes: bytes that are no printable ASCII one by one (time/format.go)."""
    shown = (chr(b) if 0x20 <= b < 0x80 else f"\\x{b:02x}" for b in text.encode())
    return '"' + "".join("\\" + char if char in '"\\' else char for char in shown) + '"'


class _Reader:
    """The text not yet read, and how to complain about it."""

    def __init__(self, text: str, layout: str) -> None:
        self.text = self.rest = text
        self._layout = layout

    def error(self, element: str, rest: str, message: str = "") -> TimeError:
        if message:
            return TimeError(f"parsing time {_quote(self.text)}{message}")
        return TimeError(
            f"parsing time {_quote(self.text)} as {_quote(self._layout)}: "
            f"cannot parse {_quote(rest)} as {_quote(element)}"
        )

    def literal(self, prefix: str) -> None:
        if not self.rest.startswith(prefix):
            raise self.error(prefix, self.rest)
        self.rest = self.rest[len(prefix) :]

    def number(self, element: str, name: str, low: int, high: int) -> int:
        """Two digits; "15" also takes one, as Go's stdHour does."""
        rest = self.rest
        width = 2 if rest[:2].isascii() and rest[:2].isdigit() and len(rest) > 1 else 1
        if not rest or not (rest[0].isascii() and rest[0].isdigit()) or (width == 1 and element != "15"):
            raise self.error(element, rest)
        value, self.rest = int(rest[:width]), rest[width:]
        if name and not low <= value <= high:
            raise self.error(element, "", f": {name} out of range")
        return value

    def year(self) -> int:
        digits = self.rest[:4]
        if len(digits) < 4 or not digits.isascii() or not digits.isdigit():
            raise self.error("2006", self.rest)
        self.rest = self.rest[4:]
        return int(digits)

    def fraction(self, digits: int) -> int:
        """Nanoseconds. With `digits` exactly so many are asked for, without any number is taken, also none."""
        rest = self.rest
        if not digits:
            if len(rest) < 2 or rest[0] not in ".," or not (rest[1].isascii() and rest[1].isdigit()):
                return 0
            end = 1
            while end < len(rest) and rest[end].isascii() and rest[end].isdigit():
                end += 1
        else:
            end = digits + 1
            found = rest[1:end]
            if len(rest) < end or rest[0] not in ".," or not (found.isascii() and found.isdigit()):
                raise self.error("." + "0" * digits, rest)
        self.rest = rest[end:]
        return int(rest[1:end][:9].ljust(9, "0"))

    def offset(self) -> timedelta:
        rest = self.rest
        if rest[:1] == "Z":
            self.rest = rest[1:]
            return timedelta()
        hour, minute = rest[1:3], rest[4:6]
        if len(rest) < 6 or rest[3] != ":":
            raise self.error("Z07:00", rest)
        valid = hour.isascii() and hour.isdigit() and minute.isascii() and minute.isdigit()
        if valid and int(hour) > 24:
            raise self.error("", "", ": time zone offset hour out of range")
        if valid and int(minute) > 60:
            raise self.error("", "", ": time zone offset minute out of range")
        if not valid or rest[0] not in "+-":
            raise self.error("Z07:00", rest)
        self.rest = rest[6:]
        seconds = timedelta(hours=int(hour), minutes=int(minute))
        return seconds if rest[0] == "+" else -seconds


def _parse(text: str, layout: str) -> tuple[datetime, int] | None:
    """(the second in UTC, nanoseconds); None for a time that Go calls zero or that Python cannot hold."""
    reader = _Reader(text, layout)
    year = reader.year()
    parts = []
    for prefix, element, name, low, high in _ELEMENTS:
        reader.literal(prefix)
        parts.append(reader.number(element, name, low, high))
    nanoseconds = reader.fraction(6 if layout == RFC3339_MICRO else 0)
    offset = reader.offset()
    if reader.rest:
        raise reader.error("", "", f": extra text: {_quote(reader.rest)}")
    month, day, hour, minute, second = parts
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] + leap:
        raise reader.error("", "", ": day out of range")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - offset
    except (ValueError, OverflowError):
        return None
    return None if moment == datetime(1, 1, 1, tzinfo=UTC) and not nanoseconds else (moment, nanoseconds)


@lru_cache(maxsize=1024)
def canonical(text: str) -> str | None:
    """A metav1.Time as Go writes it after reading `text`, None for the zero time; raises TimeError."""
    found = _parse(text, RFC3339)
    return None if found is None else _second(found[0]) + "Z"


@lru_cache(maxsize=1024)
def canonical_micro(text: str) -> str | None:
    """The same for metav1.MicroTime."""
    found = _parse(text, RFC3339_MICRO)
    return None if found is None else f"{_second(found[0])}.{found[1] // 1000:06d}Z"


def _second(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")
