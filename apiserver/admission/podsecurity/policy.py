"""Which standard a namespace holds its pods to: its labels `pod-security.kubernetes.io/enforce`, `audit`, `warn`.

Mirrors upstream pod-security-admission/api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from apiserver.apimachinery.errors import FieldError, invalid

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = LEVELS = (
    "privileged",
    "baseline",
    "restricted",
)  # each stricter than the one before
LATEST = 1 << 30  # a minor version newer than all
BAD_LEVEL = f"must be one of {', '.join(LEVELS)}"
BAD_VERSION = 'must be "latest" or "v1.x"'

_version = re.compile(r"v1\.([0-9]|[1-9][0-9]*)").fullmatch


class Standard(NamedTuple):
    """A level as it is in a version of Kubernetes (1.`minor`)."""

    level: str = PRIVILEGED
    minor: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.minor == LATEST else f'v1.{self.minor}'}"


class Policy(NamedTuple):
    """What is refused, what is noted for the audit, and what is warned of."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def is_privileged(self) -> bool:
        return all(standard.level == PRIVILEGED for standard in self)


def policy_of(labels: Mapping[str, str]) -> tuple[Policy, list[FieldError]]:
    """The policy in a namespace's labels, and what is wrong with them. What cannot be read is enforced at its strictest,
    and neither audited nor warned of (upstream PolicyToEvaluate)."""
    errors: list[FieldError] = []

    def level(mode: str, failing: str) -> str:
        value = labels.get(PREFIX + mode)
        if value is None or value in LEVELS:
            return value or PRIVILEGED
        errors.append(invalid(f"metadata.labels[{PREFIX}{mode}]", value, BAD_LEVEL))
        return failing

    def minor(mode: str) -> int:
        label = f"{PREFIX}{mode}-version"
        value = labels.get(label, "latest")
        match = _version(value)
        if match is None and value != "latest":
            errors.append(invalid(f"metadata.labels[{label}]", value, BAD_VERSION))
        return LATEST if match is None else int(match[1])

    enforce = Standard(level("enforce", RESTRICTED), minor("enforce"))
    audit = Standard(level("audit", PRIVILEGED), minor("audit"))
    warn = Standard(level("warn", PRIVILEGED), minor("warn"))
    is_set = labels.get(f"{PREFIX}enforce") in LEVELS and f"{PREFIX}warn" not in labels
    if is_set and LEVELS.index(enforce.level) > LEVELS.index(warn.level):
        warn = Standard(enforce.level, warn.minor if f"{PREFIX}warn-version" in labels else enforce.minor)
    return Policy(enforce, audit, warn), errors
