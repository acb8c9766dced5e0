"""What roles and bindings share: validation of rules, role references and subjects, defaults, names.

Mirrors upstream pkg/apis/rbac/validation. Findings that upstream's declarative validation makes come last, as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, invalid, not_supported, required
from apiserver.apimachinery.formats import dns1123_subdomain, path_segment_name
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object
from apiserver.registry.context import Context

GROUP = "rbac.authorization.k8s.io"
SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


class RBACStrategy(KindStrategy):
    """Names are path segments; PUT creates; updates check the whole first, then what changed."""

    allow_create_on_update = True

    def name_errors(self, name: str, prefix: bool) -> Iterable[str]:
        return path_segment_name(name, prefix)


class RoleStrategy(RBACStrategy):
    """Rules are valid in themselves; whether their writer may give them away is asked before (`escalation.py`)."""

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from self.rule_errors(obj)
        yield from _missing_verbs(obj)

    def rule_errors(self, obj: Object) -> Iterator[FieldError]:
        for i, rule in enumerate(obj.get("rules") or ()):
            yield from rule_errors(rule, f"rules[{i}]", namespaced=self.namespaced)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from self.metadata_errors(obj)
        yield from self.rule_errors(obj)
        yield from metadata_update_errors(obj, old)
        if obj.get("rules") != old.get("rules"):
            yield from _missing_verbs(obj)


class BindingStrategy(RBACStrategy):
    """A binding keeps the role it was made for; its subjects may change."""

    role_kinds: tuple[str, ...] = ("Role", "ClusterRole")

    def default(self, obj: Object) -> None:
        ref = obj.get("roleRef")
        if ref is None:
            ref = obj["roleRef"] = {}
        if not ref.get("apiGroup"):
            ref["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from self._errors(obj)
        yield from _missing_subject_names(obj)
        if not obj["roleRef"].get("name"):
            yield required("roleRef.name")

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        changed = _role_ref(obj) != _role_ref(old)
        yield from self.metadata_errors(obj)
        yield from self._errors(obj, name_too=changed)
        yield from metadata_update_errors(obj, old)
        if changed:
            yield invalid("roleRef", _role_ref(obj), IMMUTABLE)
        if obj.get("subjects") != old.get("subjects"):
            yield from _missing_subject_names(obj)

    def _errors(self, obj: Object, *, name_too: bool = False) -> Iterator[FieldError]:
        ref = obj["roleRef"]
        group, kind, name = ref.get("apiGroup") or "", ref.get("kind") or "", ref.get("name") or ""
        if group != GROUP:
            yield not_supported("roleRef.apiGroup", group, [GROUP])
        if kind not in self.role_kinds:
            yield not_supported("roleRef.kind", kind, self.role_kinds)
        if name:
            for message in path_segment_name(name, False):
                yield invalid("roleRef.name", name, message)
        elif name_too:
            yield required("roleRef.name")
        for i, subject in enumerate(obj.get("subjects") or ()):
            yield from subject_errors(subject, f"subjects[{i}]", namespaced=self.namespaced)


def _role_ref(obj: Object) -> Object:
    """The reference as upstream's internal type prints it."""
    ref = obj["roleRef"]
    return {
        "APIGroup": ref.get("apiGroup") or "",
        "Kind": ref.get("kind") or "",
        "Name": ref.get("name") or "",
    }


def rule_errors(rule: Object, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            yield invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            yield invalid(
                f"{path}.nonResourceURLs", urls, "rules cannot apply to both regular resources and non-resource URLs"
            )
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def _missing_verbs(role: Object) -> Iterator[FieldError]:
    for i, rule in enumerate(role.get("rules") or ()):
        if not rule.get("verbs"):
            yield required(f"rules[{i}].verbs")


def subject_errors(subject: Object, path: str, *, namespaced: bool) -> Iterator[FieldError]:
    kind, group, name = subject.get("kind") or "", subject.get("apiGroup") or "", subject.get("name") or ""
    if kind == "ServiceAccount":
        for message in dns1123_subdomain(name) if name else ():
            yield invalid(f"{path}.name", name, message)
        if group:
            yield not_supported(f"{path}.apiGroup", group, [""])
        if not namespaced and not subject.get("namespace"):
            yield required(f"{path}.namespace")
    elif kind in ("User", "Group"):
        if group != GROUP:
            yield not_supported(f"{path}.apiGroup", group, [GROUP])
    else:
        yield not_supported(f"{path}.kind", kind, SUBJECT_KINDS)


def _missing_subject_names(binding: Object) -> Iterator[FieldError]:
    for i, subject in enumerate(binding.get("subjects") or ()):
        if not subject.get("name"):
            yield required(f"subjects[{i}].name")
