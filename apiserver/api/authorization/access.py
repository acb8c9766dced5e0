"""What the three access reviews share: validation, attributes, the answer.

Mirrors upstream pkg/apis/authorization/validation and pkg/registry/authorization/util.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apiserver.api.validation.label_selectors import requirement_errors
from apiserver.apimachinery import fields, labels
from apiserver.apimachinery.errors import FieldError, StatusError, field_forbidden, invalid, invalid_object, required
from apiserver.apimachinery.gvk import GroupKind
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.auth.authenticators.request_header import freeze_extra
from apiserver.auth.interface import ALLOW, DENY, Authorizer, AuthorizerAttributes

GROUP = "authorization.k8s.io"
ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
FIELD_SIGNS = {"In": "=", "NotIn": "!="}
OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def review_error(errors: list[FieldError]) -> StatusError:
    """Upstream builds this error without a kind, and so it is printed."""
    return invalid_object(GroupKind(GROUP, ""), "", errors)


def spec_errors(spec: Object) -> Iterator[FieldError]:
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) == (other is None):
        yield invalid("spec", shown(other), ONE_OF)


def selector_errors(spec: Object) -> Iterator[FieldError]:
    """What is wrong with the selectors of the resource attributes."""
    for kind in ("fieldSelector", "labelSelector"):
        selector = (spec.get("resourceAttributes") or {}).get(kind)
        if selector is not None:
            yield from _selector_errors(selector, kind, f"spec.resourceAttributes.{kind}")


def _selector_errors(selector: Object, kind: str, path: str) -> Iterator[FieldError]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements") or ()
    if raw and requirements:
        yield invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements")
    if not raw and not requirements:
        detail = f"when {path} is specified, requirements or rawSelector is required"
        yield required(f"{path}.requirements", detail)
    for i, requirement in enumerate(requirements):
        where = f"{path}.requirements[{i}]"
        if kind == "labelSelector":
            yield from requirement_errors(requirement, where, any_operator=True)
        else:
            yield from _field_requirement_errors(requirement, where)


def _field_requirement_errors(requirement: Object, path: str) -> Iterator[FieldError]:
    operator, values = requirement.get("operator"), requirement.get("values")
    if not requirement.get("key"):
        yield required(f"{path}.key", "must be specified")
    if operator in ("In", "NotIn") and not values:
        yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in ("Exists", "DoesNotExist") and values:
        yield field_forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")


def metadata_errors(obj: Object, *, allowed: tuple[str, ...], detail: str) -> Iterator[FieldError]:
    """A review has no metadata of its own."""
    meta = obj.get("metadata") or {}
    if any(value for key, value in meta.items() if key not in allowed):
        yield invalid("metadata", {key: value for key, value in meta.items() if value}, detail)


def shown(attributes: Object | None) -> Object | None:
    """nonResourceAttributes as upstream's internal type prints them."""
    if attributes is None:
        return None
    return {"Path": attributes.get("path") or "", "Verb": attributes.get("verb") or ""}


def user_of(spec: Object) -> UserInfo:
    """The user a SubjectAccessReview asks about."""
    extra = {key: list(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return UserInfo(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", freeze_extra(extra))


def attributes_from(spec: Object, user: UserInfo) -> tuple[AuthorizerAttributes, list[str]]:
    """What is asked for, and what of it could not be understood."""
    resource = spec.get("resourceAttributes")
    if resource is None:
        other = spec["nonResourceAttributes"]
        return AuthorizerAttributes(user, other.get("verb") or "", False, other.get("path") or ""), []
    field_selector, field_problem = _field_selector(resource.get("fieldSelector") or {})
    label_selector, label_problem = _label_selector(resource.get("labelSelector") or {})
    attributes = AuthorizerAttributes(
        user,
        resource.get("verb") or "",
        True,
        "",
        resource.get("group") or "",
        resource.get("version") or "*",
        resource.get("resource") or "",
        resource.get("subresource") or "",
        resource.get("namespace") or "",
        resource.get("name") or "",
        field_selector,
        label_selector,
    )
    problems = (("fieldSelector", field_problem), ("labelSelector", label_problem))
    return attributes, [f"spec.resourceAttributes.{kind} {problem}" for kind, problem in problems if problem]


def _problem(found: int, bad: int) -> str:
    if not bad:
        return ""
    return ("partially ignored" if found else "ignored") + " due to parse error"


def _field_selector(selector: Object) -> tuple[str, str]:
    """The selector as text, and how much of it was ignored."""
    if raw := selector.get("rawSelector"):
        try:
            fields.parse(raw)
        except ValueError:
            return "", _problem(0, 1)
        return raw, ""
    terms, bad = [], 0
    for requirement in selector.get("requirements") or ():
        values: list[str] = requirement.get("values") or []
        sign = FIELD_SIGNS.get(requirement.get("operator") or "")
        if sign is None or len(values) != 1:
            bad += 1
        else:
            terms.append(f"{requirement.get('key') or ''}{sign}{fields.escape(values[0])}")
    return ",".join(terms), _problem(len(terms), bad)


def _label_selector(selector: Object) -> tuple[str, str]:
    if raw := selector.get("rawSelector"):
        try:
            labels.parse(raw)
        except ValueError:
            return "", _problem(0, 1)
        return raw, ""
    terms, bad = [], 0
    for requirement in selector.get("requirements") or ():
        term = _label_term(requirement)
        if term:
            terms.append(term)
        else:
            bad += 1
    return ",".join(terms), _problem(len(terms), bad)


def _label_term(requirement: Object) -> str:
    """`key in (a,b)`; nothing for an operator or a value that is none."""
    key, values = requirement.get("key") or "", requirement.get("values") or ()
    operator = OPERATORS.get(requirement.get("operator") or "")
    if operator is None:
        return ""
    text = {"exists": key, "!": f"!{key}"}.get(operator) or f"{key} {operator} ({','.join(values)})"
    try:
        labels.parse(text)
    except ValueError:
        return ""
    return text


async def answer(authorizer: Authorizer, attributes: AuthorizerAttributes, problems: list[str]) -> Object:
    """The review's status."""
    decision = await authorizer.authorize(attributes)
    status: dict[str, Any] = {"allowed": decision.verdict == ALLOW}
    if decision.verdict == DENY:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    if problems:
        status["evaluationError"] = "; ".join(problems)
    return status
