"""gzip for large bodies when asked, only where it is cheap: `isal` compresses a list faster than TLS sends it plain.

Upstream compresses what is read from 128 kB on (responsewriters, APIResponseCompression) with level 1 of zlib, which
costs three times the sending (21 ms for 11 MB) over loopback; so without isal bodies go out plain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from apiserver.apimachinery.http import Frame, Request, RequestInfo, Response, Sink, StreamResponse

THRESHOLD = 128 * 1024
PIECE = 256 * 1024  # of input between two drains
_GZIP_WINDOW = 31  # zlib's wbits for a gzip wrapper

Compressor = Callable[[], Any]


def gzip_compressor() -> Compressor | None:
    """A maker of gzip compressors, or None where only slow ones are installed."""
    try:
        from isal import isal_zlib
    except ImportError:
        return None
    return lambda: isal_zlib.compressobj(1, isal_zlib.DEFLATED, _GZIP_WINDOW)


def compress(
    request: Request, info: RequestInfo, response: Response, compressor: Compressor
) -> Response | StreamResponse:
    """`response`, or the same as a gzip stream where it is large and the client asked."""
    if info.verb not in ("get", "list") or request.method != "GET" or response.status != 200:
        return response
    if not accepts_gzip(request):
        return response
    body = response.body
    size = len(body) if isinstance(body, bytes) else sum(map(len, body))
    if size <= THRESHOLD:
        return response
    if any(name == "Content-Encoding" for name, _ in response.headers):
        return response
    pieces = (body,) if isinstance(body, bytes) else body
    headers = [*response.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]

    async def run(sink: Sink) -> None:
        await _stream(pieces, compressor(), sink)

    return StreamResponse(response.status, run, response.content_type, headers)


def accepts_gzip(request: Request) -> bool:
    """Upstream's negotiation: `gzip` in the list, without qualities."""
    accepted = request.headers.get("accept-encoding", "")
    return "gzip" in accepted and "gzip" in [clause.strip() for clause in accepted.split(",")]


async def _stream(pieces: Sequence[bytes], compressor: Any, sink: Sink) -> None:
    for piece in pieces:
        for start in range(0, len(piece), PIECE):
            data = compressor.compress(piece if len(piece) <= PIECE else memoryview(piece)[start : start + PIECE])
            if data:
                sink.write(Frame.of(data))
                await sink.drain()
    sink.write(Frame.of(compressor.flush()))
    await sink.drain()
