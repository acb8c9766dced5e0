"""RBAC policy as an index: which bindings speak of a user or a group, and what the roles they name allow.

Built from Listers on first use and kept by their changes, each at the cost of the one object that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object, name_of, namespace_of
from apiserver.auth.authorizers.rules import Rule, rules_of
from apiserver.auth.text import go_quote
from apiserver.registry.listers import Listers

GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = GroupResource(GROUP, "roles"), GroupResource(GROUP, "clusterroles")
ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS = GroupResource(GROUP, "rolebindings"), GroupResource(GROUP, "clusterrolebindings")

SubjectKey = tuple[str, str]  # ("user" | "group", name)


class RoleNotFound(Exception):
    """A binding names a role that is not there."""


class Subject(NamedTuple):
    key: SubjectKey
    text: str  # as decisions name it: `User "alice"`


class Binding(NamedTuple):
    """A RoleBinding, or (with an empty namespace) a ClusterRoleBinding."""

    namespace: str
    name: str
    role_kind: str
    role: str
    subjects: tuple[Subject, ...]

    @classmethod
    def of(cls, obj: Object) -> Binding:
        namespace, ref = namespace_of(obj), obj.get("roleRef") or {}
        subjects = tuple(_subjects(obj.get("subjects") or (), namespace))
        return cls(namespace, name_of(obj), ref.get("kind") or "", ref.get("name") or "", subjects)

    def describe(self, subject: Subject) -> str:
        """How a decision says where it comes from (upstream registry/rbac/validation/rule.go)."""
        kind = "RoleBinding" if self.namespace else "ClusterRoleBinding"
        name = f"{self.name}/{self.namespace}" if self.namespace else self.name
        return f"{kind} {go_quote(name)} of {self.role_kind} {go_quote(self.role)} to {subject.text}"


def _subjects(subjects: Iterable[Object], namespace: str) -> Iterator[Subject]:
    for subject in subjects:
        kind, name = subject.get("kind"), subject.get("name") or ""
        if kind == "User":
            yield Subject(("user", name), f"User {go_quote(name)}")
        elif kind == "Group":
            yield Subject(("group", name), f"Group {go_quote(name)}")
        elif kind == "ServiceAccount" and (own := subject.get("namespace") or namespace):
            yield Subject(
                ("user", f"system:serviceaccount:{own}:{name}"), f"ServiceAccount {go_quote(f'{name}/{own}')}"
            )


class Grant(NamedTuple):
    """A binding that applies to a user, with the first of its subjects that does."""

    binding: Binding
    subject: Subject


class Policy:
    """The index. `on_change` of the caller is called after every change."""

    def __init__(self, listers: Listers, on_change: Callable[[], None]) -> None:
        self._listers = listers
        self._on_change = on_change
        self._started = False
        self._roles: dict[tuple[str, str], tuple[Rule, ...]] = {}  # (namespace, name); cluster roles: ("", name)
        # namespace ("" for cluster-wide) → subject → name of the binding → binding
        self._bindings: dict[str, dict[SubjectKey, dict[str, Binding]]] = {}

    def start(self) -> None:
        """Read what is there and follow what comes. Nothing is awaited in between, so nothing slips through."""
        if self._started:
            return
        self._started = True
        for resource, change in (
            (ROLES, self._role_changed),
            (CLUSTER_ROLES, self._role_changed),
            (ROLE_BINDINGS, self._binding_changed),
            (CLUSTER_ROLE_BINDINGS, self._binding_changed),
        ):
            lister = self._listers(resource)
            lister.on_change(change)
            for obj in lister.list():
                change(None, obj)

    def _role_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._roles[namespace_of(new), name_of(new)] = rules_of(new)
        elif old is not None:
            self._roles.pop((namespace_of(old), name_of(old)), None)
        self._on_change()

    def _binding_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None:
            self._remove(Binding.of(old))
        if new is not None:
            self._add(Binding.of(new))
        self._on_change()

    def _add(self, binding: Binding) -> None:
        scope = self._bindings.setdefault(binding.namespace, {})
        for subject in binding.subjects:
            scope.setdefault(subject.key, {})[binding.name] = binding

    def _remove(self, binding: Binding) -> None:
        scope = self._bindings.get(binding.namespace, {})
        for subject in binding.subjects:
            of_subject = scope.get(subject.key, {})
            of_subject.pop(binding.name, None)
            if not of_subject:
                scope.pop(subject.key, None)
        if not scope:
            self._bindings.pop(binding.namespace, None)

    def grants(self, user: UserInfo, namespace: str) -> Iterator[Grant]:
        """The bindings that apply to the user: cluster-wide ones first, then the namespace's, each by name."""
        keys: list[SubjectKey] = [("user", user.name), *(("group", group) for group in user.groups)]
        for scope_name in ("", namespace) if namespace else ("",):
            scope = self._bindings.get(scope_name)
            if scope is None:
                continue
            found: dict[str, Binding] = {}
            for key in keys:
                found.update(scope.get(key, {}))
            for name in sorted(found):
                binding = found[name]
                yield Grant(binding, next(s for s in binding.subjects if s.key in keys))

    def rules(self, binding: Binding) -> tuple[Rule, ...]:
        """What the binding's role allows; raises RoleNotFound."""
        return self.role_rules(binding.role_kind, binding.role, binding.namespace)

    def role_rules(self, kind: str, name: str, namespace: str) -> tuple[Rule, ...]:
        if kind not in ("Role", "ClusterRole"):
            raise RoleNotFound(f"unsupported role reference kind: {go_quote(kind)}")
        rules = self._roles.get((namespace if kind == "Role" else "", name))
        if rules is None:
            raise RoleNotFound(f'{kind.lower()}.{GROUP} "{name}" not found')
        return rules

    def rules_for(self, user: UserInfo, namespace: str) -> tuple[list[Rule], list[str]]:
        """Everything the user may do there, and what could not be resolved."""
        self.start()
        rules: list[Rule] = []
        errors: list[str] = []
        for grant in self.grants(user, namespace):
            try:
                rules += self.rules(grant.binding)
            except RoleNotFound as e:
                errors.append(str(e))
        return rules, errors
