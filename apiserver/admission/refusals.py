"""How admission says no, in upstream's words (apiserver/pkg/admission/errors.go)."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.apimachinery import errors
from apiserver.apimachinery.errors import StatusError


def resource_name(attributes: Attributes) -> str:
    """The object's name, or what it will be made of; names are not generated yet when admission runs."""
    if attributes.name:
        return attributes.name
    meta: dict[str, Any] = (attributes.obj or {}).get("metadata") or {}
    return meta.get("name") or meta.get("generateName") or "Unknown"


def forbidden(attributes: Attributes, why: str) -> StatusError:
    return errors.forbidden(attributes.group_resource, resource_name(attributes), why)


def unexpected(message: str) -> StatusError:
    """An error that upstream gives no code: a 500 with the bare message."""
    return StatusError(500, "", message)
