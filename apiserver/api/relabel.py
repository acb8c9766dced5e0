"""Kinds stored in an older version than the one served: where both look alike, only the apiVersion differs.

Upstream stores a kind that became stable in this release in its beta version, which the release before can read;
`storageVersionHash` in discovery tells so.
"""

from __future__ import annotations

from apiserver.apimachinery.objects import Object


def relabel(obj: Object, api_version: str) -> Object:
    """The same object under another apiVersion; itself where it has that already."""
    if obj.get("apiVersion") == api_version:
        return obj
    return {**obj, "apiVersion": api_version}
