"""Which keys and values of a user's extra may be impersonated (upstream filters/impersonation/mode.go)."""

from __future__ import annotations

from apiserver.apimachinery.errors import aggregate
from apiserver.apimachinery.object_meta import domain_prefixed_path_errors
from apiserver.auth.text import go_quote

_FIELD = "extra.key"


def extra_error(extra: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """What is wrong with the extra, or nothing."""
    for key, values in extra:
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        if errors := list(domain_prefixed_path_errors(key, _FIELD)):
            return f"impersonating an invalid key in extra is not allowed: {aggregate([str(e) for e in errors])}"
        if key != key.lower():
            return f"impersonating a non-lowercase key in extra is not allowed: {go_quote(key)}"
        if not values:
            return "impersonating empty values in extra is not allowed"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""
