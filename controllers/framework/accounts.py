"""Who a loop is to the API server: a service account of kube-system, with a token asked for by TokenRequest.

Mirrors upstream controller-manager/pkg/clientbuilder (--use-service-account-credentials): every loop has the rights that
the bootstrap policy gives its account (`system:controller:…`) and no others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from apiserver.apimachinery.clock import Clock, parse_rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.client.interface import Transport, TransportResponse
from apiserver.client.resources import Client
from controllers.framework.kinds import NAMESPACES, SERVICE_ACCOUNTS

log = logging.getLogger(__name__)

NAMESPACE = "kube-system"
LIFE = 3600  # seconds a token is asked for
SHORTEST = 600.0  # seconds; less than that can only be a difference of clocks
USED = 0.8  # share of its life after which a token is replaced
TRIES = 4
FIRST_PAUSE = 0.5  # seconds after the first failure; doubles


def username(account: str) -> str:
    return f"system:serviceaccount:{NAMESPACE}:{account}"


def groups() -> tuple[str, ...]:
    """What the server's authenticator says every account of the namespace is in."""
    return ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated")


async def ensure(client: Client, accounts: Sequence[str]) -> None:
    """Make the accounts that are not there. What fails is logged: who needs a token tries again."""
    if not accounts:
        return
    resource = client.resource(SERVICE_ACCOUNTS)
    try:
        there = {item["metadata"]["name"] for item in (await resource.list(NAMESPACE)).get("items") or ()}
        for name in dict.fromkeys(accounts):  # one after the other: nobody waits, and each at once is a connection
            if name not in there:
                await create(client, name)
    except (StatusError, ConnectionError, TimeoutError, OSError) as error:
        log.warning("service accounts not made", extra={"error": str(error)})


async def create(client: Client, account: str) -> None:
    """Make one account, and its namespace where somebody removed it."""
    made = {"metadata": {"name": account, "namespace": NAMESPACE}}
    try:
        await client.resource(SERVICE_ACCOUNTS).create(made, NAMESPACE)
    except StatusError as error:
        if error.reason == "NotFound":
            await client.resource(NAMESPACES).create({"metadata": {"name": NAMESPACE}})
            await client.resource(SERVICE_ACCOUNTS).create(made, NAMESPACE)
        elif error.reason != "AlreadyExists":
            raise


@dataclass
class _Held:
    """The token of one account. `busy` has one ask at a time."""

    token: str = ""
    until: float = 0.0
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)


class ServiceAccounts:
    """Makes transports that speak as service accounts.

    `root` may make accounts and ask for their tokens; `nobody` carries requests without credentials of its own.
    """

    def __init__(self, root: Client, nobody: Transport, clock: Clock) -> None:
        self._root = root
        self._nobody = nobody
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def transport(self, account: str) -> Transport:
        return AccountTransport(self, self._nobody, account)

    async def token(self, account: str) -> str:
        """A token with some life left. Raises ConnectionError when the server gives none."""
        held = self._held.setdefault(account, _Held())
        async with held.busy:
            if self._clock.now() >= held.until:
                held.token, held.until = await self._ask(account)
            return held.token

    def refuse(self, account: str, token: str) -> None:
        """The server does not take the token (any more): ask for another one next time."""
        held = self._held[account]
        if held.token == token:
            held.until = 0.0

    async def _ask(self, account: str) -> tuple[str, float]:
        pause = FIRST_PAUSE
        for left in reversed(range(TRIES)):
            try:
                return await self._request(account)
            except (StatusError, ConnectionError, TimeoutError, OSError) as error:
                log.warning("no token", extra={"account": account, "error": str(error)})
                if not left:
                    message = f"failed to get token for {NAMESPACE}/{account}: {error}"
                    raise ConnectionError(message) from error
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    async def _request(self, account: str) -> tuple[str, float]:
        try:
            answer = await self._token_request(account)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            await create(self._root, account)
            answer = await self._token_request(account)
        now = self._clock.now()
        life = max(parse_rfc3339(answer["status"]["expirationTimestamp"]) - now, SHORTEST)
        return answer["status"]["token"], now + life * USED

    async def _token_request(self, account: str) -> dict[str, dict[str, str]]:
        asked = {"spec": {"expirationSeconds": LIFE}}
        accounts = self._root.resource(SERVICE_ACCOUNTS)
        return await accounts.create(asked, NAMESPACE, name=account, subresource="token")


class AccountTransport:
    """A Transport that adds the account's token. One that is refused is replaced once: the account may have been made anew."""

    def __init__(self, accounts: ServiceAccounts, nobody: Transport, account: str) -> None:
        self._accounts = accounts
        self._nobody = nobody
        self._account = account

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        response, token = await self._send(method, target, headers, body)
        if response.status == 401:
            self._accounts.refuse(self._account, token)
            await response.aclose()
            response, _ = await self._send(method, target, headers, body)
        return response

    async def _send(
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> tuple[TransportResponse, str]:
        token = await self._accounts.token(self._account)
        sent = [*headers, ("Authorization", f"Bearer {token}")]
        return await self._nobody.send(method, target, headers=sent, body=body), token

    async def aclose(self) -> None:
        """What carries the requests is shared."""
