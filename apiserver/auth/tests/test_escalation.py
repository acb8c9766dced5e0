"""Nobody gives away rights they do not have; upstream's words say which."""

from __future__ import annotations

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.http import UserInfo
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.rand import Random
from apiserver.auth.build import build_authorizer
from apiserver.auth.escalation import EscalationChecks
from apiserver.auth.tests.worlds import RBAC, FixedClock, World, meta, rule, user
from apiserver.registry.context import Context

ROLES, BINDINGS = GroupResource(RBAC, "clusterroles"), GroupResource(RBAC, "clusterrolebindings")
ANN = UserInfo("ann", ("dev",))


@pytest.fixture
def world() -> World:
    found = World()
    found.role("own", rule("get,list", "pods"))
    found.bind("own", "own", user("ann"))
    return found


def checks(world: World) -> EscalationChecks:
    authorization = build_authorizer(("RBAC",), world)
    return EscalationChecks(authorization.policy, authorization.authorizer)


def context(who: UserInfo = ANN, verb: str = "create") -> Context:
    return Context(FixedClock(), Random(1), user=who, verb=verb)


def role(*rules: Object, **more: object) -> Object:
    return {"metadata": meta("new"), "rules": list(rules), **more}


def binding(name: str) -> Object:
    return {"metadata": meta("b"), "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}}


async def test_what_one_has_one_may_give(world: World) -> None:
    await checks(world).check_role(context(), ROLES, role(rule("get", "pods")), None)
    await checks(world).check_binding(context(), BINDINGS, binding("own"), None)


async def test_the_refusal_lists_what_is_missing(world: World) -> None:
    wanted = role(rule("get,delete,create", "pods,secrets"), {"verbs": ["get"], "nonResourceURLs": ["/x"]})
    with pytest.raises(StatusError) as refused:
        await checks(world).check_role(context(), ROLES, wanted, None)
    assert refused.value.code == 403
    assert refused.value.message == (
        'clusterroles.rbac.authorization.k8s.io "new" is forbidden: user "ann" (groups=["dev"]) is attempting to grant '
        "RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "create"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete" "create"]}\n'
        '{NonResourceURLs:["/x"], Verbs:["get"]}'
    )


async def test_masters_give_what_they_like(world: World) -> None:
    masters = context(UserInfo("root", ("system:masters",)))
    await checks(world).check_role(masters, ROLES, role(rule("*", "*", "*")), None)
    await checks(world).check_binding(masters, BINDINGS, binding("gone"), None)


async def test_the_verbs_escalate_and_bind_are_enough(world: World) -> None:
    world.role("give", rule("escalate", "clusterroles", RBAC), rule("bind", "clusterroles", RBAC, names="all"))
    world.bind("give", "give", user("ann"))
    world.role("all", rule("*", "*", "*"))
    world.role("more", rule("*", "*", "*"))
    await checks(world).check_role(context(), ROLES, role(rule("*", "*", "*")), None)
    await checks(world).check_binding(context(), BINDINGS, binding("all"), None)
    with pytest.raises(StatusError, match="not currently held"):
        await checks(world).check_binding(context(), BINDINGS, binding("more"), None)


async def test_a_role_that_is_not_there_cannot_be_bound(world: World) -> None:
    with pytest.raises(StatusError) as refused:
        await checks(world).check_binding(context(), BINDINGS, binding("gone"), None)
    assert (refused.value.code, refused.value.message) == (
        404,
        'clusterrolebindings.rbac.authorization.k8s.io "gone" not found',
    )


async def test_a_role_of_no_namespace_cannot_be_looked_up(world: World) -> None:
    of_role = binding("gone")
    of_role["roleRef"]["kind"] = "Role"
    with pytest.raises(StatusError) as refused:
        await checks(world).check_binding(context(), BINDINGS, of_role, None)
    assert (refused.value.code, refused.value.message) == (400, "Namespace parameter required.")


async def test_an_aggregation_rule_takes_everything(world: World) -> None:
    aggregating = role(aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})
    with pytest.raises(StatusError, match="must have cluster-admin privileges to use the aggregationRule"):
        await checks(world).check_role(context(), ROLES, aggregating, None)


async def test_the_garbage_collector_may_free_what_it_could_not_write(world: World) -> None:
    old = role(rule("*", "*", "*"))
    freed = {**old, "metadata": {**old["metadata"], "finalizers": [], "ownerReferences": []}}
    await checks(world).check_role(context(verb="update"), ROLES, freed, old)
    renamed = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}
    with pytest.raises(StatusError, match="not currently held"):
        await checks(world).check_role(context(verb="update"), ROLES, renamed, old)
