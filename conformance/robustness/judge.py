"""What an answer to bad input may be: below 500, or on the written list of what the real server itself fails at; and a
refusal is a Status with upstream's reason for its code."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from conformance.robustness.requests import Request
from conformance.robustness.wire import Reply

ALLOWED = Path(__file__).parent / "upstream_errors.yaml"
# apimachinery/pkg/api/errors: the reason each code goes with. "" where a handler answers a bare code.
REASONS = {
    400: {"BadRequest"},
    401: {"Unauthorized"},
    403: {"Forbidden"},
    404: {"NotFound"},
    405: {"MethodNotAllowed"},
    406: {"NotAcceptable"},
    409: {"Conflict", "AlreadyExists"},
    410: {"Expired", "Gone"},
    413: {"RequestEntityTooLarge"},
    415: {"UnsupportedMediaType"},
    422: {"Invalid", ""},
    429: {"TooManyRequests"},
}


@dataclass(frozen=True)
class Allowed:
    """An answer of 500 or above, or one that is no Status, which the real server gives as well."""

    code: int
    text: re.Pattern[str]
    path: str = ""  # what the target has to hold


def load_allowed(path: Path = ALLOWED) -> tuple[Allowed, ...]:
    listed = yaml.safe_load(path.read_text())
    return tuple(Allowed(each["code"], re.compile(each["text"]), each.get("path", "")) for each in listed)


class Judge:
    """Says what is wrong with an answer; "" when nothing is."""

    def __init__(self, allowed: tuple[Allowed, ...]) -> None:
        self._allowed = allowed

    def verdict(self, request: Request, reply: Reply) -> str:
        status = parsed(reply)
        text = message(reply)
        if any(e.code == reply.status and e.path in request.target and e.text.search(text) for e in self._allowed):
            return ""
        if reply.status < 400 or request.method == "HEAD":
            return "" if 100 <= reply.status < 500 else f"{reply.status} without a body"
        if reply.status >= 500:
            return f"{reply.status} {text[:300]}"
        if status is None:
            return f"{reply.status} is no Status: {text[:200]}"
        return _wrong_status(reply.status, status)


def parsed(reply: Reply) -> dict[str, Any] | None:
    """The Status in the answer, if it is one."""
    kind = reply.headers.get("content-type", "")
    try:
        body = json.loads(reply.body) if "json" in kind else yaml.safe_load(reply.body) if "yaml" in kind else None
    except (ValueError, yaml.YAMLError, RecursionError):
        return None
    return body if isinstance(body, dict) and body.get("kind") == "Status" else None


def message(reply: Reply) -> str:
    status = parsed(reply)
    return str(status.get("message", "")) if status is not None else reply.body.decode("utf-8", "replace")


def _wrong_status(code: int, status: dict[str, Any]) -> str:
    reason = status.get("reason", "")
    if status.get("code") != code or status.get("status") != "Failure" or not status.get("message"):
        return f"{code} with an odd Status: {str(status)[:200]}"
    if reason not in REASONS.get(code, set()):
        return f"{code} with reason {reason!r}: {status['message'][:200]}"
    return ""
