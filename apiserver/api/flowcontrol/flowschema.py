"""FlowSchema: sorts requests into a priority level, by who asks for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apiserver.api.columns import AGE, NAME
from apiserver.api.flowcontrol.configuration import EXEMPT, GROUP, MANDATORY_SCHEMAS
from apiserver.api.flowcontrol.status import FlowStatusStrategy, status_errors
from apiserver.api.strategy import KindStrategy
from apiserver.api.validation.internal import internal
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

DEFAULT_PRECEDENCE, MAX_PRECEDENCE = 1000, 10_000
METHODS = ("ByNamespace", "ByUser")
SUBJECTS = {"ServiceAccount": "serviceAccount", "User": "user", "Group": "group"}
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
NAMESPACE_INTRO = "each member of this list must be '*' or a DNS-1123 label; "
_MANDATORY = {name_of(one): one["spec"] for one in MANDATORY_SCHEMAS}


class FlowSchemaStrategy(KindStrategy):
    """Mirrors upstream registry/flowcontrol/flowschema and its validation."""

    namespaced = False
    has_status = True
    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("priorityLevelConfiguration", {}).setdefault("name", "")
        if not spec.get("matchingPrecedence"):
            spec["matchingPrecedence"] = DEFAULT_PRECEDENCE
        obj.setdefault("status", {})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        obj["status"] = {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        spec, name = obj.get("spec") or {}, name_of(obj)
        yield from _spec_errors(spec, name)
        if name in _MANDATORY and spec != _MANDATORY[name]:
            yield invalid("spec", internal(spec, "FlowSchemaSpec"), f"spec of '{name}' must equal the fixed value")
        yield from status_errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return self.validate_whole(ctx, obj)


def _spec_errors(spec: Object, name: str) -> Iterator[FieldError]:
    precedence, path = spec.get("matchingPrecedence") or 0, "spec.matchingPrecedence"
    if precedence <= 0:
        yield invalid(path, precedence, "must be a positive value")
    if precedence > MAX_PRECEDENCE:
        yield invalid(path, precedence, f"must not be greater than {MAX_PRECEDENCE}")
    if precedence == 1 and name != EXEMPT:
        yield invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in METHODS:
        shown = {"Type": method.get("type") or ""}
        yield not_supported("spec.distinguisherMethod.type", shown, METHODS)
    level, path = get(spec, "priorityLevelConfiguration", "name", default=""), "spec.priorityLevelConfiguration.name"
    if not level:
        yield required(path, "must reference a priority level")
    for message in formats.dns1123_subdomain(level) if level else ():
        yield invalid(path, level, message)
    for i, rule in enumerate(spec.get("rules") or ()):
        yield from _rule_errors(rule, f"spec.rules[{i}]")


def _rule_errors(rule: Object, path: str) -> Iterator[FieldError]:
    if not rule.get("subjects"):
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    for i, subject in enumerate(rule.get("subjects") or ()):
        yield from _subject_errors(subject, f"{path}.subjects[{i}]")
    if not rule.get("resourceRules") and not rule.get("nonResourceRules"):
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for i, resources in enumerate(rule.get("resourceRules") or ()):
        yield from _resource_errors(resources, f"{path}.resourceRules[{i}]")
    for i, urls in enumerate(rule.get("nonResourceRules") or ()):
        yield from _url_rule_errors(urls, f"{path}.nonResourceRules[{i}]")


def _subject_errors(subject: Object, path: str) -> Iterator[FieldError]:
    kind = subject.get("kind") or ""
    if kind not in SUBJECTS:
        yield not_supported(f"{path}.kind", kind, sorted(SUBJECTS))
        return
    field = SUBJECTS[kind]
    named = subject.get(field)
    if named is None:
        yield required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")
    else:
        yield from _subject_name_errors(named, kind, f"{path}.{field}")
    for other_kind, other in SUBJECTS.items():
        if other != field and subject.get(other) is not None:
            yield field_forbidden(f"{path}.{other}", f"{other} is forbidden when subject kind is not '{other_kind}'")


def _subject_name_errors(named: Object, kind: str, path: str) -> Iterator[FieldError]:
    name, namespace = named.get("name") or "", named.get("namespace") or ""
    is_account = kind == "ServiceAccount"
    if not name:
        yield required(f"{path}.name")
    for message in formats.dns1123_subdomain(name) if is_account and name not in ("", "*") else ():
        yield invalid(f"{path}.name", name, message)
    if is_account and not namespace:
        yield required(f"{path}.namespace", "must specify namespace for service account")
    for message in formats.dns1123_label(namespace) if is_account and namespace else ():
        yield invalid(f"{path}.namespace", namespace, message)


def _verbs_errors(verbs: Sequence[str], path: str) -> Iterator[FieldError]:
    if not verbs:
        yield required(path, "verbs must contain at least one value")
    elif "*" in verbs:
        yield from _alone_errors(verbs, path, "verbs")
    elif not set(verbs) <= set(VERBS):
        yield not_supported(path, verbs, VERBS)


def _alone_errors(values: Sequence[str], path: str, what: str) -> Iterator[FieldError]:
    if "*" in values and len(values) > 1:
        yield invalid(path, list(values), f"if '*' is present, must not specify other {what}")


def _resource_errors(rule: Object, path: str) -> Iterator[FieldError]:
    yield from _verbs_errors(rule.get("verbs") or [], f"{path}.verbs")
    for field, one, many in (("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")):
        values = rule.get(field) or []
        if not values:
            yield required(f"{path}.{field}", f"resource rules must supply at least one {one}")
        yield from _alone_errors(values, f"{path}.{field}", many)
    namespaces = rule.get("namespaces") or []
    if not namespaces and not rule.get("clusterScope"):
        detail = "resource rules that are not cluster scoped must supply at least one namespace"
        yield required(f"{path}.namespaces", detail)
    elif "*" in namespaces:
        yield from _alone_errors(namespaces, f"{path}.namespaces", "namespaces")
    else:
        for i, namespace in enumerate(namespaces):
            for message in formats.dns1123_label(namespace):
                yield invalid(f"{path}.namespaces[{i}]", namespace, NAMESPACE_INTRO + message)


def _url_rule_errors(rule: Object, path: str) -> Iterator[FieldError]:
    yield from _verbs_errors(rule.get("verbs") or [], f"{path}.verbs")
    urls, here = rule.get("nonResourceURLs") or [], f"{path}.nonResourceURLs"
    if not urls:
        yield required(here, "nonResourceURLs must contain at least one value")
    elif "*" in urls:
        yield from _alone_errors(urls, here, "non-resource URLs")
    else:
        for i, url in enumerate(urls):
            if problem := _url_problem(url):
                yield invalid(f"{here}[{i}]", url, problem)


def _url_problem(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    stars = url.count("*")
    return "wildcard can only do suffix matching" if stars > 1 or (stars and not url.endswith("/*")) else ""


def _dangling_cell(obj: Object, now: float) -> str:
    for condition in get(obj, "status", "conditions", default=()):
        if condition.get("type") == "Dangling":
            return condition.get("status") or ""
    return "?"


STRATEGY = FlowSchemaStrategy()
RESOURCE = Resource(
    group=GROUP,
    plural="flowschemas",
    kind="FlowSchema",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=FlowStatusStrategy(STRATEGY)),),
    empty={"spec": {"priorityLevelConfiguration": {"name": ""}, "matchingPrecedence": 0}, "status": {}},
    columns=(
        NAME,
        Column(
            "PriorityLevel",
            lambda obj, now: get(obj, "spec", "priorityLevelConfiguration", "name", default=""),
            description="`name` is the name of the priority level configuration being referenced Required.",
        ),
        Column(
            "MatchingPrecedence",
            lambda obj, now: get(obj, "spec", "matchingPrecedence", default=0),
            description="`matchingPrecedence` is used to choose among the FlowSchemas that match a given request. The chosen "
            "FlowSchema is among those with the numerically lowest (which we take to be logically highest) "
            "MatchingPrecedence.  Each MatchingPrecedence value must be ranged in [1,10000]. Note that if the precedence is "
            "not specified, it will be set to 1000 as default.",
        ),
        Column(
            "DistinguisherMethod",
            lambda obj, now: get(obj, "spec", "distinguisherMethod", "type", default="<none>"),
            description="`distinguisherMethod` defines how to compute the flow distinguisher for requests that match this "
            "schema. `nil` specifies that the distinguisher is disabled and thus will always be the empty string.",
        ),
        AGE,
        Column(
            "MissingPL",
            _dangling_cell,
            description="references a broken or non-existent PriorityLevelConfiguration",
        ),
    ),
)
