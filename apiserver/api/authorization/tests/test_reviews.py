"""Access reviews: who may what, and what of the question was wrong, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.authorization.access import user_of
from apiserver.api.authorization.reviews import (
    AccessReviewREST,
    local_errors,
    self_errors,
    subject_errors,
)
from apiserver.api.authorization.rules_review import RulesReviewREST
from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.build import build_authorizer
from apiserver.auth.tests.worlds import World, group, rule, user
from apiserver.registry.context import Context

ANN = UserInfo("ann", ("dev",))
PODS = {"verb": "get", "resource": "pods", "namespace": "shop"}
PATH = {"verb": "get", "path": "/healthz"}


@pytest.fixture
def world() -> World:
    found = World()
    found.role("r", rule("get", "pods"), {"verbs": ["get"], "nonResourceURLs": ["/healthz"]})
    found.bind("b", "r", user("ann"), group("ops"))
    return found


async def admit(obj: Object) -> None:
    assert "status" not in obj


async def ask(rest: Any, obj: Object, who: UserInfo = ANN) -> Object:
    ctx = Context(SystemClock(), Random(1), version="v1", user=who)
    return await rest.create(ctx, "", obj, {}, admit)  # type: ignore[no-any-return]


def myself(world: World) -> AccessReviewREST:
    return AccessReviewREST(
        build_authorizer(("Node", "RBAC"), world).authorizer, self_errors, lambda ctx, spec: ctx.user
    )


def subject(world: World) -> AccessReviewREST:
    authorizer = build_authorizer(("Node", "RBAC"), world).authorizer
    return AccessReviewREST(authorizer, subject_errors, lambda ctx, spec: user_of(spec))


def local(world: World) -> AccessReviewREST:
    authorizer = build_authorizer(("RBAC",), world).authorizer
    return AccessReviewREST(authorizer, local_errors, lambda ctx, spec: user_of(spec))


async def test_yes_comes_with_a_reason_and_no_without(world: World) -> None:
    answer = await ask(myself(world), {"metadata": {}, "spec": {"resourceAttributes": PODS}})
    reason = 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "r" to User "ann"'
    assert answer["status"] == {"allowed": True, "reason": reason}
    answer = await ask(myself(world), {"spec": {"resourceAttributes": PODS}}, UserInfo("bob"))
    assert answer["status"] == {"allowed": False}


async def test_one_may_ask_for_others(world: World) -> None:
    answer = await ask(subject(world), {"spec": {"groups": ["ops"], "nonResourceAttributes": PATH}}, UserInfo("x"))
    assert answer["status"]["allowed"]


async def refusal(rest: Any, obj: Object) -> str:
    with pytest.raises(StatusError) as refused:
        await ask(rest, obj)
    assert refused.value.code == 422
    return refused.value.message.removeprefix('.authorization.k8s.io "" is invalid: ')


ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


async def test_exactly_one_thing_is_asked_for(world: World) -> None:
    assert await refusal(myself(world), {"spec": {}}) == f"spec: Invalid value: null: {ONE_OF}"
    both = {"spec": {"user": "x", "resourceAttributes": {}, "nonResourceAttributes": PATH}}
    shown = '{"Path":"/healthz","Verb":"get"}'
    assert await refusal(subject(world), both) == f"spec: Invalid value: {shown}: {ONE_OF}"


async def test_a_review_has_no_metadata_and_a_subject(world: World) -> None:
    named = {"metadata": {"name": "x"}, "spec": {"nonResourceAttributes": PATH}}
    assert await refusal(myself(world), named) == 'metadata: Invalid value: {"name":"x"}: must be empty'
    nobody = {"spec": {"nonResourceAttributes": PATH}}
    why = 'spec.user: Invalid value: "": at least one of user or group must be specified'
    assert await refusal(subject(world), nobody) == why


async def test_a_local_review_stays_in_its_namespace(world: World) -> None:
    here = {"namespace": "shop"}
    good = {"metadata": dict(here), "spec": {"user": "ann", "resourceAttributes": PODS}}
    assert (await ask(local(world), good))["status"]["allowed"]
    other = {"metadata": dict(here), "spec": {"user": "ann", "resourceAttributes": {**PODS, "namespace": "bank"}}}
    why = 'spec.resourceAttributes.namespace: Invalid value: "bank": must match metadata.namespace'
    assert await refusal(local(world), other) == why
    path = {"metadata": dict(here), "spec": {"user": "ann", "nonResourceAttributes": PATH}}
    shown = '{"Path":"/healthz","Verb":"get"}'
    why = f"spec.nonResourceAttributes: Invalid value: {shown}: disallowed on this kind of request"
    assert await refusal(local(world), path) == why


def node_lists(selector: Object) -> Object:
    attributes = {"verb": "list", "resource": "pods", "fieldSelector": selector}
    return {"spec": {"user": "system:node:n1", "groups": ["system:nodes"], "resourceAttributes": attributes}}


@pytest.mark.parametrize(
    ("selector", "allowed", "problem"),
    [
        ({"rawSelector": "spec.nodeName=n1"}, True, ""),
        ({"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["n1"]}]}, True, ""),
        ({"requirements": [{"key": "spec.nodeName", "operator": "NotIn", "values": ["n1"]}]}, False, ""),
        ({"rawSelector": "a"}, False, "ignored due to parse error"),
        (
            {"requirements": [{"key": "spec.nodeName", "operator": "Foo", "values": ["n1"]}]},
            False,
            "ignored due to parse error",
        ),
        (
            {
                "requirements": [
                    {"key": "spec.nodeName", "operator": "In", "values": ["n1"]},
                    {"key": "x", "operator": "Exists"},
                ]
            },
            True,
            "partially ignored due to parse error",
        ),
    ],
)
async def test_selectors_count(world: World, selector: Object, allowed: bool, problem: str) -> None:
    status = (await ask(subject(world), node_lists(selector)))["status"]
    assert status["allowed"] is allowed
    expected = f"spec.resourceAttributes.fieldSelector {problem}" if problem else None
    assert status.get("evaluationError") == expected


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (
            {},
            "spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is "
            "specified, requirements or rawSelector is required",
        ),
        (
            {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "Exists"}]},
            'spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as '
            "requirements",
        ),
    ],
)
async def test_selectors_make_sense(world: World, selector: Object, why: str) -> None:
    assert await refusal(subject(world), node_lists(selector)) == why


async def test_the_rules_of_a_user(world: World) -> None:
    rest = RulesReviewREST(build_authorizer(("Node", "RBAC"), world).rules)
    answer = await ask(rest, {"spec": {"namespace": "shop"}})
    assert answer["spec"] == {}
    assert answer["status"] == {
        "resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}],
        "incomplete": False,
    }
    with pytest.raises(StatusError, match="no namespace on request"):
        await ask(rest, {"spec": {}})
