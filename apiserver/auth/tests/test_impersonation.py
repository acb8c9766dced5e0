"""Impersonation: who may act as whom, and what they are told when they may not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import Headers, Request, RequestInfo, UserInfo
from apiserver.auth.attributes import attributes_of
from apiserver.auth.impersonation import Impersonation
from apiserver.auth.interface import ALLOW, NO_OPINION, AuthorizerAttributes, Decision

ADMIN = UserInfo("admin", ("system:authenticated",))
Rights = Callable[[AuthorizerAttributes], bool]


class Judge:
    """Allows by a predicate, and notes what it was asked."""

    def __init__(self, allows: Rights) -> None:
        self._allows = allows
        self.asked: list[str] = []

    async def authorize(self, attributes: AuthorizerAttributes) -> Decision:
        a = attributes
        what = "/".join(filter(None, (a.resource, a.subresource, a.namespace, a.name)))
        self.asked.append(f"{a.verb} {a.group}:{what}")
        return Decision(ALLOW if self._allows(attributes) else NO_OPINION, "because")


def request(*headers: tuple[str, str], who: UserInfo = ADMIN) -> Request:
    info = RequestInfo(True, "list", "/api/v1/pods", "api", "", "v1", "pods")
    return Request("GET", "/api/v1/pods", headers=Headers(headers), user=who, info=info)


async def act(rights: Rights, *headers: tuple[str, str], who: UserInfo = ADMIN) -> tuple[Request, Judge]:
    judge, asked = Judge(rights), request(*headers, who=who)
    await Impersonation(judge).apply(asked, attributes_of(asked))
    return asked, judge


async def refusal(rights: Rights, *headers: tuple[str, str], who: UserInfo = ADMIN) -> StatusError:
    with pytest.raises(StatusError) as refused:
        await act(rights, *headers, who=who)
    return refused.value


def legacy(a: AuthorizerAttributes) -> bool:
    return a.verb == "impersonate"


def constrained(a: AuthorizerAttributes) -> bool:
    return a.verb.startswith("impersonate")


async def test_without_headers_nothing_changes() -> None:
    asked, judge = await act(legacy, ("Accept", "x"))
    assert (asked.user, asked.impersonator, judge.asked) == (ADMIN, None, [])


async def test_each_part_of_the_wanted_user_is_asked_for() -> None:
    asked, judge = await act(
        legacy,
        ("Impersonate-User", "ann"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Uid", "u-1"),
        ("Impersonate-Extra-Scopes", "view"),
        ("Impersonate-Extra-Acme.com%2fproject", "x"),
        ("Accept", "yes"),
    )
    extra = (("acme.com/project", ("x",)), ("scopes", ("view",)))
    assert asked.user == UserInfo("ann", ("dev", "ops", "system:authenticated"), "u-1", extra)
    assert asked.impersonator == ADMIN
    assert asked.headers.pairs() == [("accept", "yes")]
    assert judge.asked == [
        "impersonate-on:user-info:list :pods",
        "impersonate :users/ann",
        "impersonate authentication.k8s.io:uids/u-1",
        "impersonate :groups/dev",
        "impersonate :groups/ops",
        "impersonate authentication.k8s.io:userextras/acme.com/project/x",
        "impersonate authentication.k8s.io:userextras/scopes/view",
    ]


async def test_service_accounts_have_their_groups() -> None:
    asked, _ = await act(legacy, ("Impersonate-User", "system:serviceaccount:shop:robot"))
    groups = ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated")
    assert asked.user == UserInfo("system:serviceaccount:shop:robot", groups)


async def test_the_anonymous_are_unauthenticated() -> None:
    asked, _ = await act(legacy, ("Impersonate-User", "system:anonymous"))
    assert asked.user.groups == ("system:unauthenticated",)


@pytest.mark.parametrize(
    ("name", "mode", "asked_for", "groups"),
    [
        ("ann", "user-info", "authentication.k8s.io:users/ann", ("system:authenticated",)),
        (
            "system:node:n1",
            "arbitrary-node",
            "authentication.k8s.io:nodes/n1",
            ("system:nodes", "system:authenticated"),
        ),
        (
            "system:serviceaccount:shop:robot",
            "serviceaccount",
            "authentication.k8s.io:serviceaccounts/shop/robot",
            ("system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"),
        ),
    ],
)
async def test_constrained_modes(name: str, mode: str, asked_for: str, groups: tuple[str, ...]) -> None:
    asked, judge = await act(constrained, ("Impersonate-User", name))
    assert judge.asked == [f"impersonate-on:{mode}:list :pods", f"impersonate:{mode} {asked_for}"]
    assert asked.user == UserInfo(name, groups)


async def test_an_agent_may_be_the_node_it_runs_on() -> None:
    extra = (("authentication.kubernetes.io/node-name", ("n1",)),)
    agent = UserInfo("system:serviceaccount:kube-system:agent", ("g",), "", extra)
    own: Rights = lambda a: "associated-node" in a.verb  # noqa: E731
    asked, judge = await act(own, ("Impersonate-User", "system:node:n1"), who=agent)
    assert asked.user.name == "system:node:n1"
    assert judge.asked[-1] == "impersonate:associated-node authentication.k8s.io:nodes/*"
    refused = await refusal(own, ("Impersonate-User", "system:node:n2"), who=agent)
    assert refused.code == 403


async def test_the_first_refusal_is_told() -> None:
    refused = await refusal(lambda a: False, ("Impersonate-User", "ann"))
    assert refused.message == (
        'pods is forbidden: User "admin" cannot impersonate-on:user-info:list resource "pods" in API group "" '
        "at the cluster scope: because"
    )


async def test_the_mode_that_worked_is_tried_first() -> None:
    judge = Judge(legacy)
    impersonation = Impersonation(judge)
    for _ in range(2):
        asked = request(("Impersonate-User", "ann"))
        judge.asked.clear()
        await impersonation.apply(asked, attributes_of(asked))
    assert judge.asked == ["impersonate :users/ann"]


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ([("Impersonate-Group", "")], "impersonating the empty string group is not allowed"),
        ([("Impersonate-Group", "system:masters")], "impersonating the system:masters group is not allowed"),
        ([("Impersonate-Extra-scopes", "x")], "impersonating an invalid key in extra is not allowed"),
        ([("Impersonate-Extra-a.b%2fc", "")], "impersonating the empty string value in extra is not allowed"),
    ],
)
async def test_constrained_impersonation_has_limits(headers: list[tuple[str, str]], why: str) -> None:
    rights: Rights = lambda a: a.verb != "impersonate"  # noqa: E731
    assert why in (await refusal(rights, ("Impersonate-User", "ann"), *headers)).message


async def test_a_user_has_to_be_named() -> None:
    refused = await refusal(legacy, ("Impersonate-Group", "a"), ("Impersonate-Extra-b", "c"))
    assert refused.code == 400
    assert refused.message == (
        'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, '
        'Extra:map[string][]string{"b":[]string{"c"}}} without impersonating a user name'
    )
