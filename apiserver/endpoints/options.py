"""Options of a write: Create-, Update-, Patch- and DeleteOptions, from the query (deletes: also from a body).

Mirrors upstream apimachinery/pkg/apis/meta/v1/validation/validation.go: same order of findings, same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from apiserver.apimachinery.errors import (
    FieldError,
    field_forbidden,
    invalid,
    invalid_object,
    not_supported,
    required,
    too_long,
)
from apiserver.apimachinery.gvk import GroupKind
from apiserver.apimachinery.http import Query
from apiserver.endpoints import arguments
from apiserver.registry.delete_options import META_GROUP, UNSAFE_DELETE, dry_run_errors

META_VERSION = "meta.k8s.io/v1"
MAX_FIELD_MANAGER = 128  # bytes
IGNORE, WARN, STRICT = "Ignore", "Warn", "Strict"


class WriteOptions(NamedTuple):
    """Create-, Update- or PatchOptions."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = WARN  # Ignore, Warn or Strict
    force: bool | None = None
    given_validation: str = ""  # as the client said it

    def as_object(self, kind: str) -> Mapping[str, Any]:
        """The options as admission sees them; `kind` is CreateOptions or UpdateOptions."""
        options: dict[str, Any] = {"kind": kind, "apiVersion": META_VERSION}
        if self.dry_run:
            options["dryRun"] = ["All"]
        if self.field_manager:
            options["fieldManager"] = self.field_manager
        if self.given_validation:
            options["fieldValidation"] = self.given_validation
        return options


_PLAIN = WriteOptions()


def create_options(query: Query) -> WriteOptions:
    return _write_options(query, "CreateOptions")


def update_options(query: Query) -> WriteOptions:
    return _write_options(query, "UpdateOptions")


def patch_options(query: Query, apply: bool) -> WriteOptions:
    """`apply`: server-side apply needs a fieldManager, and only it may be forced."""
    return _write_options(query, "PatchOptions", apply)


def _write_options(query: Query, kind: str, apply: bool | None = None) -> WriteOptions:
    if not query and not apply:
        return _PLAIN
    force = arguments.optional_boolean(query, "force") if apply is not None else None
    manager = arguments.text(query, "fieldManager")
    dry_run = arguments.texts(query, "dryRun")
    validation = arguments.text(query, "fieldValidation")
    found: list[FieldError] = []
    if apply and not manager:
        found.append(required("fieldManager", "is required for apply patch"))
    if apply is False and force is not None:
        found.append(field_forbidden("force", "may not be specified for non-apply patch"))
    if manager:
        found.extend(field_manager_errors(manager))
    found.extend(dry_run_errors(dry_run))
    if validation not in ("", IGNORE, WARN, STRICT):
        found.append(not_supported("fieldValidation", validation, ("", IGNORE, STRICT, WARN)))
    if found:
        raise invalid_object(GroupKind(META_GROUP, kind), "", found)
    return WriteOptions(bool(dry_run), manager, validation or WARN, force, validation)


def field_manager_errors(manager: str, field: str = "fieldManager") -> Iterator[FieldError]:
    """Too long, or with characters that cannot be printed."""
    if len(manager) > MAX_FIELD_MANAGER // 4 and len(manager.encode()) > MAX_FIELD_MANAGER:
        yield too_long(field, MAX_FIELD_MANAGER)
    if manager.isprintable():
        return
    position = 0
    for char in manager:
        if not char.isprintable():
            yield invalid(field, manager, f"invalid character U+{ord(char):04X} (at position {position})")
        position += len(char.encode())


def default_manager(user_agent: str) -> str:
    """Who writes without saying a fieldManager: what stands before the first slash of the User-Agent, printable."""
    name = user_agent.partition("/")[0]
    if name.isascii() and name.isprintable():
        return name[:MAX_FIELD_MANAGER]
    kept, size = [], 0
    for char in name:
        if not char.isprintable():
            continue
        size += len(char.encode())
        if size > MAX_FIELD_MANAGER:
            break
        kept.append(char)
    return "".join(kept)


def delete_options(query: Query) -> dict[str, Any]:
    """DeleteOptions as an object, from the query of a request without a body; not validated yet."""
    options: dict[str, Any] = {}
    if not query:
        return options
    for name in ("orphanDependents", UNSAFE_DELETE):
        if (flag := arguments.optional_boolean(query, name)) is not None:
            options[name] = flag
    if (period := arguments.optional_integer(query, "gracePeriodSeconds")) is not None:
        options["gracePeriodSeconds"] = period
    if "propagationPolicy" in query:
        options["propagationPolicy"] = query["propagationPolicy"]
    if values := arguments.texts(query, "dryRun"):
        options["dryRun"] = list(values)
    preconditions = {name: query[name] for name in ("uid", "resourceVersion") if query.get(name)}
    if preconditions:
        options["preconditions"] = preconditions
    return options
