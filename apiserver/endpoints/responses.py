"""Finished answers: a StatusError as a response, plain text as Go's http.Error writes it, JSON documents.

A Status is negotiated leniently, as upstream's ErrorNegotiated does: what cannot be accepted gets pretty JSON.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from apiserver.apimachinery.codec.negotiate import JSON, YAML, negotiate
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import Request, Response

TEXT = "text/plain; charset=utf-8"
NOT_FOUND = "the server could not find the requested resource"
METHOD_NOT_ALLOWED = "the server does not allow this method on the requested resource"

_ESCAPES = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"))
_PRETTY_AGENTS = ("curl", "Wget", "Mozilla/5.0")  # upstream negotiation.isPrettyPrint
_NO_CHARACTER = re.compile("[\ud800-\udfff]")
_TRUE = ("1", "t", "T", "TRUE", "true", "True")  # Go's strconv.ParseBool


def encode_json(obj: Any, pretty: bool = False) -> bytes:
    """JSON in Go's spelling: HTML's characters escaped; a line end behind the compact form only."""
    data = _dumps(obj, orjson.OPT_INDENT_2) if pretty else _dumps(obj) + b"\n"
    for char, escape in _ESCAPES:
        if char in data:
            data = data.replace(char, escape)
    return data


def _dumps(obj: Any, option: int = 0) -> bytes:
    try:
        return orjson.dumps(obj, option=option)
    except TypeError:  # bytes of a header or a path that are no UTF-8
        return orjson.dumps(_as_go_writes(obj), option=option)


def _as_go_writes(value: Any) -> Any:
    """The value with U+FFFD for each byte that belongs to no character, as Go's encoder has it."""
    if isinstance(value, str):
        return _NO_CHARACTER.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_as_go_writes(k): _as_go_writes(v) for k, v in value.items()}
    return [_as_go_writes(v) for v in value] if isinstance(value, list | tuple) else value


def wants_pretty(request: Request) -> bool:
    """`?pretty=` decides; without it, people's tools get indented JSON."""
    if "pretty" in request.raw_query and (asked := request.query.get("pretty", "")):
        return asked in _TRUE
    return request.headers.get("user-agent", "").startswith(_PRETTY_AGENTS)


def json_response(request: Request, obj: Any, status: int = 200) -> Response:
    return Response(status, encode_json(obj, wants_pretty(request)), JSON)


def status_response(request: Request, error: StatusError) -> Response:
    """The answer to a failed request: its Status in a form the client takes."""
    status = error.status()
    try:
        form = negotiate(request.headers.get("accept", ""), transforms=False)
    except StatusError:
        response = Response(error.code, encode_json(status, pretty=True), JSON)
    else:
        if form.media_type == YAML:
            from apiserver.apimachinery.codec.yaml import dump  # yaml is 15 ms of import: on first use

            response = Response(error.code, dump(status), YAML)
        else:
            response = Response(error.code, encode_json(status, form.pretty or wants_pretty(request)), JSON)
    if retry := (error.details or {}).get("retryAfterSeconds"):
        response.headers.append(("Retry-After", str(retry)))
    return response


def text_response(status: int, text: str) -> Response:
    """Go's http.Error: the text and a line end, and nobody may guess another type."""
    return Response(status, f"{text}\n".encode(), TEXT, [("X-Content-Type-Options", "nosniff")])


def plain_not_found() -> Response:
    return text_response(404, "404 page not found")


def resource_not_found() -> StatusError:
    """A path below a known group that nothing is behind."""
    return StatusError(404, "NotFound", NOT_FOUND, {})


def method_not_allowed() -> StatusError:
    return StatusError(405, "MethodNotAllowed", METHOD_NOT_ALLOWED, {})
