"""A kubelet's refusal as the API server tells it (upstream registry/generic/rest GenericHttpResponseChecker and
apimachinery errors.NewGenericServerResponse): code and reason are kept, the text is mostly the server's own."""

from __future__ import annotations

from apiserver.apimachinery.errors import StatusError, bad_request, internal_error
from apiserver.apimachinery.errors import go_quote as quoted

# code: reason, message; an empty message is the kubelet's own text.
_TOLD = {
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    403: ("Forbidden", ""),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    406: ("NotAcceptable", ""),
    409: ("Conflict", "the server reported a conflict"),
    415: ("UnsupportedMediaType", ""),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: (
        "Timeout",
        "the server was unable to return a response in the time allotted, but may still be processing the request",
    ),
}


def refused(status: int, resource: str, name: str, body: str) -> StatusError:
    """The error for a kubelet's answer that is no success; `resource` with its subresource (`pods/log`)."""
    if status == 500:
        return internal_error(body)
    if status == 400:
        return bad_request(body)
    reason, message = _told(status, body)
    return StatusError(status, reason, f"{message} ( {resource} {name})", {"name": name, "kind": resource})


def _told(status: int, body: str) -> tuple[str, str]:
    if status == 406 and body in ("", "unknown"):
        return "NotAcceptable", "the server was unable to respond with a content type that the client supports"
    if status in _TOLD:
        reason, message = _TOLD[status]
        return reason, message or body
    if status >= 500:
        return "InternalError", f"an error on the server ({quoted(body)}) has prevented the request from succeeding"
    return "", f"the server responded with the status code {status} but did not return more information"
