"""Ready bytes of HTTP/1.1 heads: status line, headers, date; nothing is looked up twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

# Newer Pythons renamed these two; the wire keeps Go's words.
_PHRASES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {_PHRASES.get(status.value, status.phrase)}\r\n" for status in HTTPStatus
}

BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CLOSE = ("Connection", "close")
CHUNKED = ("Transfer-Encoding", "chunked")


class DateLine:
    """The Date header, formatted once a second."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._second = -1
        self._text = ""

    def __call__(self) -> str:
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._text = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime(second))
        return self._text


def head(status: int, content_type: str, headers: Sequence[tuple[str, str]], date: str, length: int | None) -> bytes:
    """The head of a response, up to and including the empty line. `length` None: no Content-Length."""
    parts = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} status code {status}\r\n"]
    for name, value in headers:
        if "\n" in value or "\r" in value:
            value = " ".join(value.split())
        parts.append(f"{name}: {value}\r\n")
    if content_type:
        parts.append(f"Content-Type: {content_type}\r\n")
    parts.append(date)
    parts.append("\r\n" if length is None else f"Content-Length: {length}\r\n\r\n")
    return "".join(parts).encode("utf-8", "replace")
