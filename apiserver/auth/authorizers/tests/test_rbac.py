"""RBAC: what roles and bindings allow, with upstream's reasons, and at once when they change."""

from __future__ import annotations

import itertools

import pytest

from apiserver.apimachinery.http import UserInfo
from apiserver.auth.authorizers.rules import Rule, uncovered
from apiserver.auth.build import build_authorizer
from apiserver.auth.interface import ALLOW, NO_OPINION, Authorizer, AuthorizerAttributes, Decision
from apiserver.auth.tests.worlds import World, account, group, rule, user

ANN = UserInfo("ann", ("dev", "system:authenticated"))
ROBOT = UserInfo("system:serviceaccount:shop:robot", ("system:serviceaccounts",))


def asked(
    verb: str,
    resource: str = "pods",
    namespace: str = "shop",
    name: str = "",
    *,
    subresource: str = "",
    group: str = "",
    who: UserInfo = ANN,
) -> AuthorizerAttributes:
    return AuthorizerAttributes(
        who, verb, True, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name
    )


def path(verb: str, text: str, who: UserInfo = ANN) -> AuthorizerAttributes:
    return AuthorizerAttributes(who, verb, False, text)


def rbac(world: World) -> Authorizer:
    return build_authorizer(("RBAC",), world).authorizer


async def test_nothing_is_allowed_without_a_binding() -> None:
    assert await rbac(World()).authorize(asked("get")) == Decision(NO_OPINION, "")


async def test_a_cluster_role_binding_allows_everywhere() -> None:
    world = World()
    world.role("reader", rule("get,list", "pods"))
    world.bind("ann-reads", "reader", user("ann"))
    authorizer = rbac(world)
    reason = 'RBAC: allowed by ClusterRoleBinding "ann-reads" of ClusterRole "reader" to User "ann"'
    assert await authorizer.authorize(asked("get")) == Decision(ALLOW, reason)
    assert (await authorizer.authorize(asked("list", namespace=""))).verdict == ALLOW
    assert (await authorizer.authorize(asked("delete"))).verdict == NO_OPINION
    assert (await authorizer.authorize(asked("get", "secrets"))).verdict == NO_OPINION
    assert (await authorizer.authorize(asked("get", group="apps"))).verdict == NO_OPINION


async def test_a_role_binding_allows_in_its_namespace() -> None:
    world = World()
    world.role("writer", rule("*", "*", "*"), namespace="shop")
    world.bind("devs", "writer", group("dev"), namespace="shop", kind="Role")
    authorizer = rbac(world)
    reason = 'RBAC: allowed by RoleBinding "devs/shop" of Role "writer" to Group "dev"'
    assert await authorizer.authorize(asked("delete", "deployments", group="apps")) == Decision(ALLOW, reason)
    assert (await authorizer.authorize(asked("delete", namespace="bank"))).verdict == NO_OPINION
    assert (await authorizer.authorize(asked("delete", namespace=""))).verdict == NO_OPINION


async def test_accounts_default_to_the_bindings_namespace() -> None:
    world = World()
    world.role("reader", rule("get", "pods"))
    world.bind("robots", "reader", account("robot"), namespace="shop")
    decision = await rbac(world).authorize(asked("get", who=ROBOT))
    reason = 'RBAC: allowed by RoleBinding "robots/shop" of ClusterRole "reader" to ServiceAccount "robot/shop"'
    assert decision == Decision(ALLOW, reason)


@pytest.mark.parametrize(
    ("resources", "resource", "subresource", "allowed"),
    [
        ("pods", "pods", "log", False),
        ("pods/log", "pods", "log", True),
        ("pods/log", "pods", "", False),
        ("*/scale", "deployments", "scale", True),
        ("*/scale", "deployments", "", False),
        ("*", "deployments", "scale", True),
        ("pods/*", "pods", "log", False),
    ],
)
async def test_subresources_are_resources_of_their_own(
    resources: str, resource: str, subresource: str, allowed: bool
) -> None:
    world = World()
    world.role("r", rule("get", resources))
    world.bind("b", "r", user("ann"))
    decision = await rbac(world).authorize(asked("get", resource, subresource=subresource))
    assert (decision.verdict == ALLOW) is allowed


async def test_names_limit_a_rule_also_when_it_was_asked_before() -> None:
    world = World()
    world.role("r", rule("get", "pods", names="a,b"))
    world.bind("b", "r", user("ann"))
    authorizer = rbac(world)
    for name, allowed in (("a", True), ("c", False), ("b", True), ("", False), ("a", True)):
        assert ((await authorizer.authorize(asked("get", name=name))).verdict == ALLOW) is allowed


@pytest.mark.parametrize(
    ("url", "asked_path", "allowed"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz/etcd", False),
        ("/healthz/*", "/healthz/etcd", True),
        ("/api*", "/apis/apps", True),
        ("*", "/x", True),
    ],
)
async def test_paths(url: str, asked_path: str, allowed: bool) -> None:
    world = World()
    world.role("r", {"verbs": ["get"], "nonResourceURLs": [url]})
    world.bind("b", "r", user("ann"))
    assert ((await rbac(world).authorize(path("get", asked_path))).verdict == ALLOW) is allowed


async def test_a_missing_role_is_a_reason() -> None:
    world = World()
    world.bind("b", "gone", user("ann"))
    world.bind("c", "lost", user("ann"), namespace="shop", kind="Role")
    reason = (
        'rbac: RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, '
        'role.rbac.authorization.k8s.io "lost" not found]'
    )
    assert await rbac(world).authorize(asked("get")) == Decision(NO_OPINION, reason)


async def test_changes_count_at_once() -> None:
    world = World()
    authorizer = rbac(world)

    async def allowed() -> bool:
        return (await authorizer.authorize(asked("get"))).verdict == ALLOW

    assert not await allowed()
    world.bind("b", "r", user("ann"))
    assert not await allowed()
    world.role("r", rule("get", "pods"))
    assert await allowed()
    world.role("r", rule("list", "pods"))
    assert not await allowed()
    world.role("r", rule("get", "pods"))
    world.bind("b", "r", user("bob"))
    assert not await allowed()
    world.bind("b", "r", user("bob"), group("dev"))
    assert await allowed()
    world.remove("clusterrolebindings", "", "b", "rbac.authorization.k8s.io")
    assert not await allowed()


async def test_masters_may_do_everything_whatever_the_policy() -> None:
    masters = UserInfo("root", ("system:masters",))
    authorizer = build_authorizer(("AlwaysDeny",), World()).authorizer
    assert (await authorizer.authorize(asked("get", who=masters))).verdict == ALLOW
    assert await authorizer.authorize(asked("get")) == Decision(NO_OPINION, "alwaysdeny: Everything is forbidden.")


async def test_paths_that_are_always_allowed() -> None:
    authorizer = build_authorizer((), World(), ("/livez", "/readyz/*")).authorizer
    expected = {"/livez": True, "/livez/etcd": False, "/readyz/etcd": True, "/readyz": False}
    found = {text: (await authorizer.authorize(path("get", text))).verdict == ALLOW for text in expected}
    assert found == expected


def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="Webhook"):
        build_authorizer(("Webhook",), World())


def test_rules_for_a_user() -> None:
    world = World()
    world.role("a", rule("get", "pods"))
    world.role("b", rule("*", "secrets"), namespace="shop")
    world.bind("a", "a", group("dev"))
    world.bind("b", "b", user("ann"), namespace="shop", kind="Role")
    world.bind("c", "gone", user("ann"))
    resolver = build_authorizer(("Node", "RBAC"), world).rules
    found = resolver.rules_for(ANN, "shop")
    assert [r.resources for r in found.rules] == [("pods",), ("secrets",)]
    assert found.errors == ['clusterrole.rbac.authorization.k8s.io "gone" not found']
    assert not found.incomplete
    assert resolver.rules_for(UserInfo("system:node:n", ("system:nodes",)), "shop").incomplete


VALUES = ("a", "b", "*")


def test_covering_agrees_with_allowing() -> None:
    """One rule covers another exactly if it allows whatever the other allows (over a small world of rights)."""
    sets = [s for n in (1, 2) for s in itertools.combinations(VALUES, n)]
    rules = [Rule(verbs, ("g",), resources, names) for verbs in sets for resources in sets for names in ((), ("a",))]
    concrete = ("a", "b", "zz")
    for owner, wanted in itertools.product(rules, rules):
        gives = all(
            not _allows(wanted, *request) or _allows(owner, *request)
            for request in itertools.product(concrete, concrete, concrete)
        )
        assert (not uncovered([owner], [wanted])) == gives, (owner, wanted)


def _allows(rule_: Rule, verb: str, resource: str, name: str) -> bool:
    return rule_.allows_resource(verb, "g", resource, "") and (not rule_.names or name in rule_.names)
