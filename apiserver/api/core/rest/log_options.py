"""PodLogOptions, read from a query string and checked (upstream ValidatePodLogOptions)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apiserver.apimachinery.errors import FieldError, bad_request, field_forbidden, go_value, invalid
from apiserver.apimachinery.http import Query

INT64 = 1 << 63


@dataclass(frozen=True)
class LogOptions:
    """What of a log is asked for."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since_seconds: int | None = None
    since_time: str | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    stream: str | None = None

    def params(self) -> list[tuple[str, str]]:
        """As the kubelet's query."""
        flags = ("follow", self.follow), ("previous", self.previous), ("timestamps", self.timestamps)
        values = (
            ("sinceSeconds", self.since_seconds),
            ("sinceTime", self.since_time),
            ("tailLines", self.tail_lines),
            ("limitBytes", self.limit_bytes),
        )
        found = [(key, "true") for key, value in flags if value]
        return found + [(key, str(value)) for key, value in values if value is not None]

    def errors(self) -> Iterator[FieldError]:
        if self.tail_lines is not None and self.tail_lines < 0:
            yield invalid("tailLines", self.tail_lines, "must be greater than or equal to 0")
        if self.limit_bytes is not None and self.limit_bytes < 1:
            yield invalid("limitBytes", self.limit_bytes, "must be greater than 0")
        if self.since_seconds is not None and self.since_time is not None:
            yield field_forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified")
        elif self.since_seconds is not None and self.since_seconds < 1:
            yield invalid("sinceSeconds", self.since_seconds, "must be greater than 0")
        if self.stream is not None:
            yield field_forbidden("stream", "may not be specified")


def log_options(query: Query) -> LogOptions:
    return LogOptions(
        container=query.get("container", ""),
        follow=boolean(query, "follow"),
        previous=boolean(query, "previous"),
        timestamps=boolean(query, "timestamps"),
        since_seconds=_integer(query, "sinceSeconds"),
        since_time=query.get("sinceTime") or None,
        tail_lines=_integer(query, "tailLines"),
        limit_bytes=_integer(query, "limitBytes"),
        stream=query.get("stream"),
    )


def boolean(query: Query, key: str) -> bool:
    """Upstream Convert_Slice_string_To_bool: present is true, unless it says otherwise."""
    return key in query and query[key].lower() not in ("false", "0")


def _integer(query: Query, key: str) -> int | None:
    if key not in query:
        return None
    text = query[key]
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f"strconv.ParseInt: parsing {go_value(text)}: invalid syntax")
    value = int(text)
    if not -INT64 <= value < INT64:
        raise bad_request(f"strconv.ParseInt: parsing {go_value(text)}: value out of range")
    return value
