"""Which keys and values of a user's extra may be impersonated (upstream filters/impersonation/mode.go)."""

from __future__ import annotations

import re

from apiserver.apimachinery.errors import FieldError, aggregate, invalid, required
from apiserver.apimachinery.formats import dns1123_subdomain, regex_error
from apiserver.auth.text import go_quote

_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_PATH_PATTERN = re.compile(_PATH)
_FIELD = "extra.key"


def extra_error(extra: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """What is wrong with the extra, or nothing."""
    for key, values in extra:
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        if errors := domain_prefixed_path_errors(key):
            return f"impersonating an invalid key in extra is not allowed: {aggregate([str(e) for e in errors])}"
        if key != key.lower():
            return f"impersonating a non-lowercase key in extra is not allowed: {go_quote(key)}"
        if not values:
            return "impersonating empty values in extra is not allowed"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""


def domain_prefixed_path_errors(path: str) -> list[FieldError]:
    """`acme.io/foo` (upstream util/validation IsDomainPrefixedPath)."""
    if not path:
        return [required(_FIELD)]
    host, _, rest = path.partition("/")
    if not host or not rest:
        return [invalid(_FIELD, path, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    errors = [invalid(_FIELD, host, message) for message in dns1123_subdomain(host)]
    if not _PATH_PATTERN.fullmatch(rest):
        errors.append(invalid(_FIELD, rest, regex_error("Invalid path", _PATH)))
    return errors
