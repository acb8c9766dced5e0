"""DeleteOptions that contradict themselves (upstream apimachinery/pkg/apis/meta/v1/validation/validation.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apiserver.apimachinery.errors import FieldError, invalid, invalid_object, not_supported
from apiserver.apimachinery.gvk import GroupKind

META_GROUP = "meta.k8s.io"
UNSAFE_DELETE = "ignoreStoreReadErrorWithClusterBreakingPotential"

_PROPAGATION = ("Foreground", "Background", "Orphan")


def check_delete_options(options: Mapping[str, Any]) -> None:
    """Raise a 422 for DeleteOptions that contradict themselves."""
    if options and (found := list(_delete_options_errors(options))):
        raise invalid_object(GroupKind(META_GROUP, "DeleteOptions"), "", found)


def _delete_options_errors(options: Mapping[str, Any]) -> Iterator[FieldError]:
    policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    if orphan is not None and policy is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        yield invalid("propagationPolicy", policy, detail)
    if policy is not None and policy not in _PROPAGATION:
        yield not_supported("propagationPolicy", policy, (*_PROPAGATION, "nil"))
    yield from dry_run_errors(options.get("dryRun") or ())
    if options.get(UNSAFE_DELETE):
        for name in ("propagationPolicy", "orphanDependents", "gracePeriodSeconds", "preconditions"):
            if options.get(name) is not None:
                yield invalid(UNSAFE_DELETE, True, f"cannot be set together with .{name}")


def dry_run_errors(values: Sequence[str]) -> Iterator[FieldError]:
    if any(value != "All" for value in values):
        yield not_supported("dryRun", list(values), ("All",))
