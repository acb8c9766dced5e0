"""Acting as somebody else: the Impersonate-* headers, checked against the asker's rights, constrained modes first.

Mirrors upstream endpoints/filters/impersonation: for each mode that fits the wanted user, `impersonate-on:<mode>:<verb>`
on what is asked for and `impersonate:<mode>` on every part of the wanted user; at last the old, unbounded `impersonate`.
The first refusal is the one the client sees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote

from apiserver.apimachinery.errors import StatusError, bad_request
from apiserver.apimachinery.http import ANONYMOUS, Headers, Request, RequestInfo, UserInfo
from apiserver.apimachinery.validation import dns1123_subdomain
from apiserver.auth.authenticators.groups import AUTHENTICATED, UNAUTHENTICATED
from apiserver.auth.forbidden import forbidden_error
from apiserver.auth.interface import ALLOW, Authorizer, AuthorizerAttributes
from apiserver.auth.serviceaccount import NODE_NAME, split_username
from apiserver.auth.serviceaccount import groups as service_account_groups
from apiserver.auth.text import go_quote
from apiserver.endpoints.filters.authorization import NO_SNIFF, attributes_of

_EXTRA = "impersonate-extra-"
_NODE = "system:node:"
_NODES_GROUP, _MASTERS = "system:nodes", "system:masters"
_AUTHENTICATION = "authentication.k8s.io"
_MANY = 4  # from so many groups or values on, one question for all of them comes first


async def impersonate(request: Request, info: RequestInfo, authorizer: Authorizer) -> None:
    """Replace `request.user` where the headers ask for it; raises 400 or 403."""
    wanted = wanted_user(request.headers)
    if wanted is None:
        return
    attributes = attributes_of(request, info)
    refusal: StatusError | None = None
    for mode in _MODES:
        if not mode.fits(wanted, request.user):
            continue
        try:
            user = await _Attempt(mode, request.user, authorizer).impersonate(wanted, attributes)
        except StatusError as e:
            refusal = refusal or e
            continue
        request.impersonator, request.user = request.user, user
        return
    assert refusal is not None  # the last mode fits everybody
    refusal.headers = (NO_SNIFF,)
    raise refusal


def wanted_user(headers: Headers) -> UserInfo | None:
    """What the headers ask for, as it stands there; None without a request. Raises 400."""
    pairs = [(name, value) for name, value in headers.pairs() if name.startswith("impersonate-")]
    if not pairs:
        return None
    name = headers.get("impersonate-user", "")
    uid = headers.get("impersonate-uid", "")
    groups = tuple(value for key, value in pairs if key == "impersonate-group")
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in pairs:
        if key.startswith(_EXTRA):
            extra_key = unquote(key[len(_EXTRA) :])
            extra[extra_key] = (*extra.get(extra_key, ()), value)
    if not name and not (uid or groups or extra):
        return None
    if not name:
        raise bad_request(f"requested {_go_user(uid, groups, extra)} without impersonating a user name")
    return UserInfo(name, groups, uid, tuple(sorted(extra.items())))


def _go_user(uid: str, groups: tuple[str, ...], extra: dict[str, tuple[str, ...]]) -> str:
    """A user.DefaultInfo as Go's %#v prints it."""
    lists = {key: "[]string{" + ", ".join(map(go_quote, values)) + "}" for key, values in sorted(extra.items())}
    group_text = "[]string{" + ", ".join(map(go_quote, groups)) + "}" if groups else "[]string(nil)"
    extra_text = "{" + ", ".join(f"{go_quote(k)}:{v}" for k, v in lists.items()) + "}" if lists else "(nil)"
    return (
        f'&user.DefaultInfo{{Name:"", UID:{go_quote(uid)}, Groups:{group_text}, Extra:map[string][]string{extra_text}}}'
    )


def _node_name(user: str) -> str:
    name = user.removeprefix(_NODE)
    return name if user.startswith(_NODE) and not list(dns1123_subdomain(name)) else ""


def _only_name(user: UserInfo) -> bool:
    return not (user.uid or user.groups or user.extra)


def _is_associated(wanted: UserInfo, requestor: UserInfo) -> bool:
    """A service account whose token says that it runs on the node it wants to be."""
    node = _node_name(wanted.name)
    if not node or not _only_name(wanted) or split_username(requestor.name) is None:
        return False
    return dict(requestor.extra).get(NODE_NAME) == (node,)


class _Mode(NamedTuple):
    name: str  # "" is the old, unbounded mode
    fits: Callable[[UserInfo, UserInfo], bool]


_MODES = (
    _Mode("associated-node", _is_associated),
    _Mode("arbitrary-node", lambda wanted, _: _only_name(wanted) and bool(_node_name(wanted.name))),
    _Mode("serviceaccount", lambda wanted, _: _only_name(wanted) and split_username(wanted.name) is not None),
    _Mode("user-info", lambda wanted, _: not _node_name(wanted.name) and split_username(wanted.name) is None),
    _Mode("", lambda wanted, _: True),
)


class _Attempt:
    """One mode tried for one request."""

    def __init__(self, mode: _Mode, requestor: UserInfo, authorizer: Authorizer) -> None:
        self._constrained = bool(mode.name)
        self._mode = mode.name
        self._verb = f"impersonate:{mode.name}" if mode.name else "impersonate"
        self._authorizer = authorizer
        self._requestor = requestor
        if mode.name == "associated-node":  # what is asked must hold for every node
            keys = tuple(sorted(key for key, _ in requestor.extra))
            extra = (("authentication.kubernetes.io/associated-node-keys", keys),)
            self._requestor = requestor._replace(extra=extra)

    async def impersonate(self, wanted: UserInfo, attributes: AuthorizerAttributes) -> UserInfo:
        """The user to act as; raises the 403 of the first refusal."""
        if self._constrained:
            verb = f"impersonate-on:{self._mode}:{attributes.verb}"
            await self._check(attributes._replace(user=self._requestor, verb=verb))
        groups = await self._check_name(wanted)
        if wanted.uid:
            await self._check(self._about("uids", wanted.uid, _AUTHENTICATION))
        await self._check_groups(wanted.groups)
        await self._check_extra(wanted.extra)
        return wanted._replace(groups=_with_implied(wanted.name, groups))

    def _about(self, resource: str, name: str, group: str | None = None) -> AuthorizerAttributes:
        if group is None:
            group = _AUTHENTICATION if self._constrained else ""
        return AuthorizerAttributes(
            self._requestor, self._verb, True, group=group, version="v1", resource=resource, name=name
        )

    async def _check_name(self, wanted: UserInfo) -> tuple[str, ...]:
        """Check the name; the groups the user will have."""
        about, groups = self._about("users", wanted.name), wanted.groups
        if self._constrained and (node := _node_name(wanted.name)):
            node = "*" if self._mode == "associated-node" else node
            about, groups = about._replace(resource="nodes", name=node), (_NODES_GROUP,)
        elif (account := split_username(wanted.name)) is not None:
            about = about._replace(resource="serviceaccounts", namespace=account[0], name=account[1])
            groups = groups or service_account_groups(account[0])
        await self._check(about)
        return groups

    async def _check_groups(self, groups: tuple[str, ...]) -> None:
        about = self._about("groups", "")
        if self._constrained and "" in groups:
            raise forbidden_error(about, "impersonating the empty string group is not allowed")
        if self._constrained and _MASTERS in groups:
            named = about._replace(name=_MASTERS)
            raise forbidden_error(named, "impersonating the system:masters group is not allowed")
        await self._check_each([about._replace(name=group) for group in groups], about._replace(name="*"))

    async def _check_extra(self, extra: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        about = self._about("userextras", "", _AUTHENTICATION)
        if self._constrained and (why := _extra_error(extra)):
            raise forbidden_error(about, why)
        each = [about._replace(subresource=key, name=value) for key, values in extra for value in values]
        await self._check_each(each, about._replace(subresource="*", name="*"))

    async def _check_each(self, each: list[AuthorizerAttributes], all_of_them: AuthorizerAttributes) -> None:
        if self._constrained and len(each) >= _MANY:
            try:
                return await self._check(all_of_them)
            except StatusError:
                pass
        for attributes in each:
            await self._check(attributes)
        return None

    async def _check(self, attributes: AuthorizerAttributes) -> None:
        decision = await self._authorizer.authorize(attributes)
        if decision.verdict != ALLOW:
            raise forbidden_error(attributes, decision.reason)


def _with_implied(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    """Everybody is authenticated or not, and says so by a group."""
    if name == ANONYMOUS.name:
        implied = UNAUTHENTICATED
    elif UNAUTHENTICATED in groups:
        return groups
    else:
        implied = AUTHENTICATED
    return groups if implied in groups else (*groups, implied)


def _extra_error(extra: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    """Why constrained modes refuse these keys and values, or nothing."""
    for key, values in extra:
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        domain, slash, path = key.partition("/")
        if not (slash and path) or list(dns1123_subdomain(domain)):
            return (
                "impersonating an invalid key in extra is not allowed: key: Invalid value: "
                f'{go_quote(key)}: must be a domain-prefixed path (such as "acme.io/foo")'
            )
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""
