"""Acting as somebody else: the Impersonate-… headers, and whether the asker may.

Constrained impersonation (`impersonate:user-info` plus `impersonate-on:user-info:list`, …) comes first, the old `impersonate`
verb last; the mode that worked for a user last time is tried before the others, and the first refusal is the one shown.
Mirrors upstream apiserver/pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from apiserver.apimachinery.errors import StatusError, bad_request
from apiserver.apimachinery.formats import dns1123_subdomain
from apiserver.apimachinery.http import ANONYMOUS, Headers, Request, UserInfo
from apiserver.auth.authenticators.groups import AUTHENTICATED, UNAUTHENTICATED
from apiserver.auth.authenticators.request_header import freeze_extra, unescape_extra_key
from apiserver.auth.authorizers.node import NODE_PREFIX, NODES_GROUP
from apiserver.auth.authorizers.simple import MASTERS
from apiserver.auth.extra_keys import extra_error
from apiserver.auth.forbidden import forbidden_error
from apiserver.auth.interface import ALLOW, Authorizer, AuthorizerAttributes
from apiserver.auth.serviceaccount import NODE_NAME, groups, split_username
from apiserver.auth.text import go_quote, go_quotes

USER_HEADER, UID_HEADER, GROUP_HEADER = "impersonate-user", "impersonate-uid", "impersonate-group"
EXTRA_PREFIX = "impersonate-extra-"
AUTHENTICATION_GROUP = "authentication.k8s.io"
MANY = 4  # from so many groups or extra values on, a right to all of them is looked for first
MAX_REMEMBERED = 10_000

Check = Callable[[AuthorizerAttributes], Awaitable[None]]  # raises the 403


def wanted_user(headers: Headers) -> UserInfo | None:
    """The user the headers ask for, as they say it; None where they ask for none. Raises a 400 without a name."""
    name, uid = headers.get(USER_HEADER, ""), headers.get(UID_HEADER, "")
    wanted_groups = tuple(headers.all(GROUP_HEADER))
    extra: dict[str, list[str]] = {}
    for header, value in headers.pairs():
        if header.startswith(EXTRA_PREFIX):
            extra.setdefault(unescape_extra_key(header[len(EXTRA_PREFIX) :]), []).append(value)
    if name:
        return UserInfo(name, wanted_groups, uid, freeze_extra(extra))
    if uid or wanted_groups or extra:
        wanted = _go_syntax(UserInfo(name, wanted_groups, uid, freeze_extra(extra)))
        raise bad_request(f"requested {wanted} without impersonating a user name")
    return None


def is_impersonation_header(name: str) -> bool:
    return name in (USER_HEADER, UID_HEADER, GROUP_HEADER) or name.startswith(EXTRA_PREFIX)


def node_of(user: str) -> str:
    """The node a user name stands for; empty where it is no node's."""
    name = user.removeprefix(NODE_PREFIX)
    return name if user.startswith(NODE_PREFIX) and not any(dns1123_subdomain(name)) else ""


@dataclass
class Impersonation:
    """Decides who a request acts as."""

    authorizer: Authorizer
    _last_mode: dict[str, int] = field(default_factory=dict)  # by the asker's name

    async def apply(self, request: Request, attributes: AuthorizerAttributes) -> None:
        """Replace `request.user` where the headers ask for it, and drop those headers; raises 400 or 403.

        `attributes` are those of the request, with the asker as user.
        """
        wanted = wanted_user(request.headers)
        if wanted is None:
            return
        user = await self.impersonated(wanted, attributes)
        request.headers = Headers((k, v) for k, v in request.headers.pairs() if not is_impersonation_header(k))
        request.impersonator, request.user = request.user, user

    async def impersonated(self, wanted: UserInfo, attributes: AuthorizerAttributes) -> UserInfo:
        asker = attributes.user.name
        last = self._last_mode.get(asker)
        order = [last] if last is not None else []
        order += [i for i in range(len(_MODES)) if i != last]
        refusal: StatusError | None = None
        for index in order:
            try:
                user = await _MODES[index].check(self._check, wanted, attributes)
            except StatusError as e:
                refusal = refusal or e
                continue
            if user is not None:
                self._remember(asker, index)
                return user
        raise refusal or RuntimeError("all impersonation modes failed")

    def _remember(self, asker: str, mode: int) -> None:
        if len(self._last_mode) >= MAX_REMEMBERED:
            self._last_mode.clear()
        self._last_mode[asker] = mode

    async def _check(self, attributes: AuthorizerAttributes) -> None:
        decision = await self.authorizer.authorize(attributes)
        if decision.verdict != ALLOW:
            raise forbidden_error(attributes, decision.reason)


def _only_name(wanted: UserInfo) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)


def _is_own_node(wanted: UserInfo, asker: UserInfo) -> bool:
    """Whether a service account asks to be the node its own token is bound to."""
    node = node_of(wanted.name)
    if not node or not _only_name(wanted) or split_username(asker.name) is None:
        return False
    return dict(asker.extra).get(NODE_NAME) == (node,)


def _is_node(wanted: UserInfo, asker: UserInfo) -> bool:
    return _only_name(wanted) and bool(node_of(wanted.name))


def _is_service_account(wanted: UserInfo, asker: UserInfo) -> bool:
    return _only_name(wanted) and split_username(wanted.name) is not None


def _is_other(wanted: UserInfo, asker: UserInfo) -> bool:
    return not node_of(wanted.name) and split_username(wanted.name) is None


@dataclass(frozen=True)
class _Constrained:
    """A mode of constrained impersonation: applies to some users, asks for the verb on the request, then for each part."""

    name: str
    applies: Callable[[UserInfo, UserInfo], bool]
    any_node: bool = False  # the right has to cover every node, whichever the asker runs on

    async def check(self, check: Check, wanted: UserInfo, attributes: AuthorizerAttributes) -> UserInfo | None:
        asker = attributes.user
        if not self.applies(wanted, asker):
            return None
        if self.any_node:
            keys = tuple(key for key, _ in asker.extra)
            asker = asker._replace(extra=(("authentication.kubernetes.io/associated-node-keys", keys),))
        on = attributes._replace(user=asker, verb=f"impersonate-on:{self.name}:{attributes.verb}")
        await check(on)
        return await self._parts(check, wanted, _asking(asker, f"impersonate:{self.name}", AUTHENTICATION_GROUP))

    async def _parts(self, check: Check, wanted: UserInfo, ask: AuthorizerAttributes) -> UserInfo:
        user = wanted
        if node := node_of(wanted.name):
            user = user._replace(groups=(NODES_GROUP,))
            await check(ask._replace(resource="nodes", name="*" if self.any_node else node))
        elif account := split_username(wanted.name):
            user = user._replace(groups=groups(account[0]))
            await check(ask._replace(resource="serviceaccounts", namespace=account[0], name=account[1]))
        else:
            await check(ask._replace(resource="users", name=wanted.name))
        if wanted.uid:
            await check(ask._replace(resource="uids", name=wanted.uid))
        await self._groups(check, wanted.groups, ask._replace(resource="groups"))
        await self._extra(check, wanted.extra, ask._replace(resource="userextras"))
        return _with_own_group(user)

    async def _groups(self, check: Check, wanted: tuple[str, ...], ask: AuthorizerAttributes) -> None:
        if "" in wanted:
            raise forbidden_error(ask, "impersonating the empty string group is not allowed")
        if MASTERS in wanted:
            masters = ask._replace(name=MASTERS)
            raise forbidden_error(masters, "impersonating the system:masters group is not allowed")
        if len(wanted) >= MANY and await _passes(check, ask._replace(name="*")):
            return
        for group in wanted:
            await check(ask._replace(name=group))

    async def _extra(
        self, check: Check, wanted: tuple[tuple[str, tuple[str, ...]], ...], ask: AuthorizerAttributes
    ) -> None:
        if error := extra_error(wanted):
            raise forbidden_error(ask, error)
        many = len(wanted) >= MANY or sum(len(values) for _, values in wanted) >= MANY
        if many and await _passes(check, ask._replace(subresource="*", name="*")):
            return
        await _each_extra(check, wanted, ask)


class _Legacy:
    """The verb `impersonate`, on users and groups of the core group."""

    async def check(self, check: Check, wanted: UserInfo, attributes: AuthorizerAttributes) -> UserInfo | None:
        core = _asking(attributes.user, "impersonate", "")
        authentication = _asking(attributes.user, "impersonate", AUTHENTICATION_GROUP)
        user = wanted
        if account := split_username(wanted.name):
            if not wanted.groups:
                user = user._replace(groups=groups(account[0]))
            await check(core._replace(resource="serviceaccounts", namespace=account[0], name=account[1]))
        else:
            await check(core._replace(resource="users", name=wanted.name))
        if wanted.uid:
            await check(authentication._replace(resource="uids", name=wanted.uid))
        for group in wanted.groups:
            await check(core._replace(resource="groups", name=group))
        await _each_extra(check, wanted.extra, authentication._replace(resource="userextras"))
        return _with_own_group(user)


_MODES: tuple[_Constrained | _Legacy, ...] = (
    _Constrained("associated-node", _is_own_node, any_node=True),
    _Constrained("arbitrary-node", _is_node),
    _Constrained("serviceaccount", _is_service_account),
    _Constrained("user-info", _is_other),
    _Legacy(),
)


def _asking(asker: UserInfo, verb: str, group: str) -> AuthorizerAttributes:
    return AuthorizerAttributes(asker, verb, True, group=group, version="v1")


async def _passes(check: Check, ask: AuthorizerAttributes) -> bool:
    try:
        await check(ask)
    except StatusError:
        return False
    return True


async def _each_extra(check: Check, wanted: tuple[tuple[str, tuple[str, ...]], ...], ask: AuthorizerAttributes) -> None:
    for key, values in wanted:
        for value in values:
            await check(ask._replace(subresource=key, name=value))


def _with_own_group(user: UserInfo) -> UserInfo:
    """Every user is in system:authenticated, but for the anonymous and for those who say otherwise."""
    own = UNAUTHENTICATED if user.name == ANONYMOUS.name else AUTHENTICATED
    if own in user.groups or UNAUTHENTICATED in user.groups:
        return user
    return user._replace(groups=(*user.groups, own))


def _go_syntax(user: UserInfo) -> str:
    """A user as Go's %#v prints it: upstream's message says what was asked for in this way."""
    extra = ", ".join(f"{go_quote(key)}:{_go_strings(values)}" for key, values in user.extra)
    shown = f"map[string][]string{{{extra}}}" if user.extra else "map[string][]string(nil)"
    return (
        f"&user.DefaultInfo{{Name:{go_quote(user.name)}, UID:{go_quote(user.uid)}, "
        f"Groups:{_go_strings(user.groups)}, Extra:{shown}}}"
    )


def _go_strings(values: tuple[str, ...]) -> str:
    return "[]string{" + go_quotes(values)[1:-1].replace('" "', '", "') + "}" if values else "[]string(nil)"
