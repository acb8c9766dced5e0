"""Names and values that many kinds share: RFC 1123 labels and subdomains, label keys, …

Each function yields the messages upstream gives (k8s.io/apimachinery/pkg/util/validation); no message means valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _mask_trailing_dash(name: str) -> str:
    """A generateName may end in a dash: something valid follows it (upstream api/validation/generic.go)."""
    return name[:-1] + "a" if len(name) > 1 and name.endswith("-") else name


def dns1123_subdomain(value: str, *, prefix: bool = False) -> Iterator[str]:
    if prefix:
        value = _mask_trailing_dash(value)
    if len(value) > 253:
        yield "must be no more than 253 bytes"
    if not _SUBDOMAIN.fullmatch(value):
        yield (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
            "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
