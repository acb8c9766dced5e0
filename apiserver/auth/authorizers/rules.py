"""Policy rules of RBAC: what one allows, and whether rules a user has cover rules they want to give.

Mirrors upstream pkg/apis/rbac/v1/evaluation_helpers.go and component-helpers/auth/rbac/validation/policy_comparator.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from apiserver.apimachinery.objects import Object
from apiserver.auth.text import go_quotes

ALL = "*"


class Rule(NamedTuple):
    """A PolicyRule, its lists as they are written."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: Object) -> Rule:
        return cls(*(tuple(rule.get(key) or ()) for key in _KEYS))

    def object(self) -> Object:
        """The rule on the wire: empty lists are left out, but for the verbs."""
        values = zip(_KEYS, self, strict=True)
        return {key: list(value) for key, value in values if value or key == "verbs"}

    def allows_verb(self, verb: str) -> bool:
        return verb in self.verbs or ALL in self.verbs

    def allows_resource(self, verb: str, group: str, resource: str, subresource: str) -> bool:
        """Whether it allows the verb on some object of the resource; `names` may limit which."""
        if not self.allows_verb(verb) or not (group in self.groups or ALL in self.groups):
            return False
        if ALL in self.resources:
            return True
        if not subresource:
            return resource in self.resources
        return f"{resource}/{subresource}" in self.resources or f"*/{subresource}" in self.resources

    def allows_path(self, verb: str, path: str) -> bool:
        return self.allows_verb(verb) and any(_url_matches(url, path) for url in self.urls)


_KEYS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def _url_matches(url: str, path: str) -> bool:
    if url in (ALL, path):
        return True
    return url.endswith(ALL) and path.startswith(url.rstrip(ALL))


def rules_of(role: Object) -> tuple[Rule, ...]:
    return tuple(map(Rule.of, role.get("rules") or ()))


def uncovered(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of the wanted rules, broken down to single rights, that no owned rule covers."""
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(own, part) for own in owned)]


def _parts(rule: Rule) -> Iterable[Rule]:
    names: Sequence[tuple[str, ...]] = [(name,) for name in rule.names] or [()]
    for group in rule.groups:
        for resource in rule.resources:
            for verb in rule.verbs:
                for name in names:
                    yield Rule((verb,), (group,), (resource,), name)
    for url in rule.urls:
        for verb in rule.verbs:
            yield Rule((verb,), urls=(url,))


def _covers(owner: Rule, part: Rule) -> bool:
    """Whether one rule gives the single right `part`."""
    return (
        _all_in(part.verbs, owner.verbs, ALL)
        and _all_in(part.groups, owner.groups, ALL)
        and _resources_cover(owner.resources, part.resources)
        and _urls_cover(owner.urls, part.urls)
        and _names_cover(owner.names, part.names)
    )


def _all_in(wanted: Iterable[str], owned: Sequence[str], everything: str) -> bool:
    return everything in owned or all(w in owned for w in wanted)


def _resources_cover(owned: Sequence[str], wanted: Iterable[str]) -> bool:
    return ALL in owned or all(w in owned or ("/" in w and f"*/{w.partition('/')[2]}" in owned) for w in wanted)


def _urls_cover(owned: Sequence[str], wanted: Iterable[str]) -> bool:
    return all(any(_url_covers(own, url) for own in owned) for url in wanted)


def _url_covers(owned: str, wanted: str) -> bool:
    return owned == wanted or (owned.endswith(ALL) and wanted.startswith(owned.rstrip(ALL)))


def _names_cover(owned: Sequence[str], wanted: Sequence[str]) -> bool:
    """No names means all of them: only a rule without names covers another without."""
    if not wanted:
        return not owned
    return not owned or all(name in owned for name in wanted)


def compact(rules: Iterable[Rule]) -> list[Rule]:
    """Rights that differ only in their verbs become one rule (upstream registry/rbac/validation/policy_compact.go)."""
    merged: dict[Any, tuple[str, ...]] = {}
    result: list[Rule] = []
    for rule in rules:
        if len(rule.groups) == 1 and len(rule.resources) == 1 and len(rule.names) <= 1 and not rule.urls:
            key = rule[1:]
            merged[key] = (*merged.get(key, ()), *rule.verbs)
        else:
            result.append(rule)
    return result + [Rule(verbs, *key) for key, verbs in merged.items()]


def describe(rule: Rule) -> str:
    """`{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`, as upstream's CompactString."""
    parts = []
    for label, values in (
        ("APIGroups", rule.groups),
        ("Resources", rule.resources),
        ("NonResourceURLs", rule.urls),
        ("ResourceNames", rule.names),
        ("Verbs", rule.verbs),
    ):
        if values:
            parts.append(f"{label}:{go_quotes(values)}")
    return "{" + ", ".join(parts) + "}"
