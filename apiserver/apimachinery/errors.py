"""Errors that reach a client: StatusError carries a metav1.Status, FieldError is one finding of a validator.

Mirrors upstream k8s.io/apimachinery/pkg/api/errors and pkg/util/validation/field: same reasons, codes and words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery.gvk import GroupKind, GroupResource


class FieldError(NamedTuple):
    """One thing that is wrong with an object. Build it with the functions below."""

    reason: str  # the cause's reason: FieldValueRequired, …
    field: str
    text: str  # what stands behind "field: "

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.field else self.text

    def cause(self) -> dict[str, Any]:
        return {"reason": self.reason, "message": self.text, "field": self.field}


def go_value(value: Any) -> str:
    """A bad value as upstream prints it in a field error: strings quoted, nil as null, structures as JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, dict | list):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return str(value)


_GO_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def go_quote(text: str) -> str:
    """Go's %q: a string in double quotes, with what cannot be printed escaped."""
    if text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + "".join(_go_escape(char) for char in text) + '"'


def _go_escape(char: str) -> str:
    if char in ('"', "\\"):
        return "\\" + char
    if char.isprintable():
        return char
    if char in _GO_ESCAPES:
        return _GO_ESCAPES[char]
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _with_detail(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, _with_detail("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", field, _with_detail(f"Invalid value: {go_value(value)}", detail))


def invalid_omitted(field: str, detail: str) -> FieldError:
    """A bad value that is not shown (upstream field.OmitValueType)."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {detail}")


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", field, _with_detail(f"Invalid value: {go_value(value)}", detail))


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    detail = "supported values: " + ", ".join(json.dumps(v) for v in supported) if supported else ""
    return FieldError("FieldValueNotSupported", field, _with_detail(f"Unsupported value: {go_value(value)}", detail))


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {go_value(value)}")


def field_not_found(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", field, f"Not found: {go_value(value)}")


def field_forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, _with_detail("Forbidden", detail))


def too_long(field: str, max_length: int) -> FieldError:
    unit = "byte" if max_length == 1 else "bytes"
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {max_length} {unit}")


def too_long_text(field: str, max_length: int) -> FieldError:
    """Where upstream counts characters (declared checks; maxLength)."""
    unit = "character" if max_length == 1 else "characters"
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {max_length} {unit}")


def too_many(field: str, actual: int, maximum: int) -> FieldError:
    items = "item" if maximum == 1 else "items"
    return FieldError("FieldValueTooMany", field, f"Too many: {actual}: must have at most {maximum} {items}")


def field_internal_error(field: str, error: str) -> FieldError:
    return FieldError("InternalError", field, f"Internal error: {error}")


class StatusError(Exception):
    """An API error with its Status: `code` (HTTP), `reason`, `message`, `details`; `headers` go out beside it."""

    headers: tuple[tuple[str, str], ...] = ()

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}

    def status(self) -> dict[str, Any]:
        """The Status object, keys in upstream's order; what is empty is left out, as there."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        if self.message:
            body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:  # {} is told from nothing, as upstream's pointer
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(gr: GroupResource | GroupKind, name: str = "", **more: Any) -> dict[str, Any]:
    """StatusDetails: upstream writes the resource (or the kind) in `kind`; empty fields are left out."""
    details = {"name": name, "group": gr[0], "kind": gr[1], **more}
    return {k: v for k, v in details.items() if v}


def not_found(gr: GroupResource, name: str) -> StatusError:
    return StatusError(404, "NotFound", f"{gr} {go_quote(name)} not found", _details(gr, name))


def already_exists(gr: GroupResource, name: str) -> StatusError:
    return StatusError(409, "AlreadyExists", f"{gr} {go_quote(name)} already exists", _details(gr, name))


def generate_name_conflict(gr: GroupResource, name: str) -> StatusError:
    """After the last try at a generated name (upstream registry/generic/registry/store.go)."""
    return StatusError(
        409,
        "AlreadyExists",
        f"{gr} {go_quote(name)} already exists, the server was not able to generate a unique name for the object",
        _details(gr, name, retryAfterSeconds=1),
    )


def conflict(gr: GroupResource, name: str, why: str) -> StatusError:
    message = f"Operation cannot be fulfilled on {gr} {go_quote(name)}: {why}"
    return StatusError(409, "Conflict", message, _details(gr, name))


OPTIMISTIC_LOCK = "the object has been modified; please apply your changes to the latest version and try again"


def apply_conflict(causes: Sequence[dict[str, Any]], message: str) -> StatusError:
    return StatusError(409, "Conflict", message, {"causes": list(causes)})


def forbidden(gr: GroupResource, name: str, why: str) -> StatusError:
    """`pods "x" is forbidden: …`, `pods is forbidden: …` or `forbidden: …`, as there is a resource or a name."""
    if not gr.resource:
        message = f"forbidden: {why}"
    elif not name:
        message = f"{gr} is forbidden: {why}"
    else:
        message = f"{gr} {go_quote(name)} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, _details(gr, name))


def aggregate(errors: Sequence[str]) -> str:
    """Several messages as upstream's Aggregate prints them: alone, or in brackets; repetitions once."""
    unique = list(dict.fromkeys(errors))
    return unique[0] if len(unique) == 1 else "[" + ", ".join(unique) + "]"


def invalid_object(gk: GroupKind, name: str, errors: Iterable[FieldError]) -> StatusError:
    """422 with one cause per finding."""
    found = list(errors)
    message = f"{gk} {go_quote(name)} is invalid"
    if found:
        message += f": {aggregate([str(e) for e in found])}"
    return StatusError(422, "Invalid", message, _details(gk, name, causes=[e.cause() for e in found]))


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> StatusError:
    return StatusError(401, "Unauthorized", message)


def method_not_supported(gr: GroupResource, action: str) -> StatusError:
    return StatusError(405, "MethodNotAllowed", f'{action} is not supported on resources of kind "{gr}"', _details(gr))


def not_acceptable(message: str) -> StatusError:
    return StatusError(406, "NotAcceptable", message)


def unsupported_media_type(message: str) -> StatusError:
    return StatusError(415, "UnsupportedMediaType", message)


def request_entity_too_large(message: str) -> StatusError:
    return StatusError(413, "RequestEntityTooLarge", message)


def expired(message: str, continue_token: str = "") -> StatusError:
    metadata = {"continue": continue_token} if continue_token else None
    return StatusError(410, "Expired", message, None, metadata)


def too_large_resource_version(requested: int, current: int, retry_after: int) -> StatusError:
    """504 with the cause clients look for (upstream storage/errors.go NewTooLargeResourceVersionError)."""
    message = f"Timeout: Too large resource version: {requested}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details: dict[str, Any] = {"causes": [cause]}
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return StatusError(504, "Timeout", message, details)


def timeout(message: str, retry_after: int = 0) -> StatusError:
    details = {"retryAfterSeconds": retry_after} if retry_after else None
    return StatusError(504, "Timeout", f"Timeout: {message}", details)


def server_timeout(gr: GroupResource, action: str, retry_after: int = 0) -> StatusError:
    message = f"The {action} operation against {gr} could not be completed at this time, please try again."
    return StatusError(500, "ServerTimeout", message, _details(gr, action, retryAfterSeconds=retry_after))


def too_many_requests(message: str, retry_after: int = 1) -> StatusError:
    return StatusError(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after} if retry_after else None)


def internal_error(message: str) -> StatusError:
    details = {"causes": [{"message": message} if message else {}]}
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", details)


def service_unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message)
