"""The patch that turns one pod status into another (upstream statusutil.PatchPodStatus: a strategic merge patch).

Conditions, hostIPs and podIPs are merged by their key, so that what others have written stays; all else is replaced.
"""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.objects import Object

MERGE_KEYS = {"conditions": "type", "hostIPs": "ip", "podIPs": "ip"}
_MAPS = ("resources", "allocatedResources")


def status_patch(uid: str, old: Object, new: Object) -> Object | None:
    """None when nothing changes. The uid makes the patch fail on another pod of the same name."""
    changes: Object = {}
    for key in dict.fromkeys((*new, *old)):
        before, after = old.get(key), new.get(key)
        if _same(before, after):
            continue
        if key in MERGE_KEYS:
            _merge_list(changes, key, MERGE_KEYS[key], before or [], after or [])
        elif key in _MAPS and before and after:
            changes[key] = _map_changes(before, after)
        else:
            changes[key] = after
    return {"metadata": {"uid": uid}, "status": changes} if changes else None


def _same(before: Any, after: Any) -> bool:
    return before == after or (not before and not after)


def _merge_list(changes: Object, key: str, merge_key: str, before: list[Object], after: list[Object]) -> None:
    known = {item[merge_key]: item for item in before}
    kept = {item[merge_key] for item in after}
    items: list[Object] = []
    for item in after:
        changed = _map_changes(known.get(item[merge_key], {}), item)
        if changed or item[merge_key] not in known:
            items.append({**changed, merge_key: item[merge_key]})
    items += [{merge_key: name, "$patch": "delete"} for name in known if name not in kept]
    if items:
        changes[key] = items
    changes[f"$setElementOrder/{key}"] = [{merge_key: item[merge_key]} for item in after]


def _map_changes(before: Object, after: Object) -> Object:
    changed = {key: value for key, value in after.items() if not _same(before.get(key), value)}
    return changed | {key: None for key in before if key not in after and before[key] is not None}
