"""Patches: functions from an object and a patch to the patched object, with upstream's refusals.

None of them changes `obj` or keeps parts of it, but for entries of managedFields, which are immutable by agreement (see `apply`);
`in_place=True` says that `obj` may be used up. The strategic merge may use up parts of `patch`. What they refuse is a
StatusError in upstream's words; what the patched object fails at afterwards (`decode`) is reported with `invalid_patched`
(JSON and merge patch) or `invalid_patch_map` (strategic).
"""

from __future__ import annotations

from apiserver.apimachinery.patch.errors import invalid_patch_map, invalid_patched
from apiserver.apimachinery.patch.jsonpatch import MAX_OPERATIONS, json_patch, json_patch_strict_errors
from apiserver.apimachinery.patch.merge import merge_patch
from apiserver.apimachinery.patch.strategic import strategic_merge_patch

__all__ = [
    "MAX_OPERATIONS",
    "invalid_patch_map",
    "invalid_patched",
    "json_patch",
    "json_patch_strict_errors",
    "merge_patch",
    "strategic_merge_patch",
]
