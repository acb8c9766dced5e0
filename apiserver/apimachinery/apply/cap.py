"""At most ten updaters: the oldest of a version become one, `ancient-changes` (managedfields/internal/capmanagers.go)."""

from __future__ import annotations

from apiserver.apimachinery.apply.managed import UPDATE, ManagerKey, Owners, key_for
from apiserver.apimachinery.apply.sets import union

MAX_UPDATERS = 10
ANCIENT = "ancient-changes"


def capped(owners: Owners) -> Owners:
    """The same owners, or with the oldest updaters of a version put together."""
    updaters = [key for key in owners if key.operation == UPDATE]
    if len(updaters) <= MAX_UPDATERS:
        return owners
    result = dict(owners)
    updaters.sort(key=lambda key: (owners[key].time, key.text()))
    first_of: dict[str, ManagerKey] = {}
    left = len(updaters)
    for key in updaters:
        if left <= MAX_UPDATERS:
            break
        owner = owners[key]
        first = first_of.get(owner.api_version)
        if first is None:
            first_of[owner.api_version] = key
            continue
        bucket = key_for(ANCIENT, UPDATE, owner.api_version, "")
        if bucket not in result:
            result[bucket] = result.pop(first)
        fields = union(owner.fields, result[bucket].fields)
        result[bucket] = owner._replace(fields=fields)
        del result[key]
        left -= 1
    return result
