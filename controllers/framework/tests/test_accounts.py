"""Loops speak as service accounts: tokens are asked for, kept, replaced, and give their account's rights and no others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.http import UserInfo
from apiserver.auth.bootstrap_policy import bootstrap_objects
from apiserver.client.interface import Transport, TransportResponse
from apiserver.client.resources import Client
from apiserver.client.transport import LoopbackTransport
from apiserver.server.tests.worlds import World, world
from controllers.framework.accounts import NAMESPACE, ServiceAccounts, ensure
from controllers.framework.kinds import DEPLOYMENTS, NODES, SERVICE_ACCOUNTS
from controllers.loops.registry import LOOPS
from controllers.tests.worlds import MANAGER, loop_world

ACCOUNT = "ttl-controller"
HOUR = 3600.0


class Counting:
    """A Transport that counts how many tokens were asked for."""

    def __init__(self, transport: Transport) -> None:
        self.tokens = 0
        self._transport = transport

    async def send(
        self, method: str, target: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> TransportResponse:
        self.tokens += target.endswith("/token")
        return await self._transport.send(method, target, headers=headers, body=body)

    async def aclose(self) -> None:
        await self._transport.aclose()


class Accounts:
    """A server that signs tokens, and who asks it for them."""

    def __init__(self, server: World, root: Counting, nobody: Transport) -> None:
        self.server = server
        self.root = root
        self.made = ServiceAccounts(Client(root), nobody, server.server.clock)

    def client(self, account: str) -> Client:
        return Client(self.made.transport(account))


@asynccontextmanager
async def accounts(directory: Path) -> AsyncIterator[Accounts]:
    file = directory / "sa.key"
    key = ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    options: dict[str, Any] = {
        "service_account_signing_key_file": str(file),
        "service_account_key_file": (str(file),),
        "service_account_extend_token_expiration": False,
    }
    async with world(options=options) as server:
        root = Counting(LoopbackTransport(server.server.handler, user=MANAGER))
        nobody = LoopbackTransport(server.server.handler, user=None)
        try:
            yield Accounts(server, root, nobody)
        finally:
            await nobody.aclose()
            await root.aclose()


def test_an_account_is_made_when_it_is_needed_and_has_its_own_rights_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with accounts(tmp_path) as a:
            client = a.client(ACCOUNT)
            assert (await client.resource(NODES).list())["items"] == []
            with pytest.raises(StatusError) as refused:
                await client.resource(DEPLOYMENTS).list()
            assert 'User "system:serviceaccount:kube-system:ttl-controller" cannot list' in refused.value.message
            assert a.root.tokens == 2  # one for an account that was not there yet, one for the token that is kept

    run_virtual(main())


def test_a_token_is_replaced_before_it_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with accounts(tmp_path) as a:
            await ensure(Client(a.root), [ACCOUNT])
            nodes = a.client(ACCOUNT).resource(NODES)
            for wait, tokens in ((0.0, 1), (0.75 * HOUR, 1), (0.1 * HOUR, 2), (5 * HOUR, 3)):
                await asyncio.sleep(wait)
                assert (await nodes.list())["items"] == []
                assert a.root.tokens == tokens

    run_virtual(main())


def test_an_account_that_somebody_deleted_is_made_anew(tmp_path: Path) -> None:
    async def main() -> None:
        async with accounts(tmp_path) as a:
            nodes = a.client(ACCOUNT).resource(NODES)
            await nodes.list()
            old = await _account(a)
            status, _ = await a.server.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}")
            assert status == 200
            await asyncio.sleep(1)  # the authenticator has seen it
            assert (await nodes.list())["items"] == []
            assert (await _account(a))["metadata"]["uid"] != old["metadata"]["uid"]

    run_virtual(main())


async def _account(a: Accounts) -> Any:
    return await Client(a.server.transport).resource(SERVICE_ACCOUNTS).get(ACCOUNT, NAMESPACE)


def test_a_server_that_gives_no_token_is_a_broken_connection(tmp_path: Path) -> None:
    async def main() -> None:
        async with accounts(tmp_path) as a:
            poor = LoopbackTransport(a.server.server.handler, user=UserInfo("bob", ("system:authenticated",)))
            made = ServiceAccounts(Client(poor), poor, a.server.server.clock)
            with pytest.raises(ConnectionError, match="failed to get token for kube-system/ttl-controller"):
                await Client(made.transport(ACCOUNT)).resource(NODES).list()
            await poor.aclose()

    run_virtual(main())


def test_each_loop_at_work_has_its_account() -> None:
    async def main() -> None:
        async with loop_world("ttl-controller", "node-ipam-controller", "serviceaccount-token-controller") as w:
            await w.settle(5)
            there = [account["metadata"]["name"] for account in await w.all(SERVICE_ACCOUNTS, NAMESPACE)]
            assert there == ["node-controller", "ttl-controller"]

    run_virtual(main())


def test_every_account_of_a_loop_has_rights_in_the_policy_that_clusters_start_with() -> None:
    policy = bootstrap_objects()
    bound = {
        subject["name"]
        for binding in policy["clusterrolebindings"] + policy["rolebindings"]
        for subject in binding.get("subjects") or ()
        if subject["kind"] == "ServiceAccount" and subject["namespace"] == NAMESPACE
    }
    assert [entry.account for entry in LOOPS.values() if entry.account and entry.account not in bound] == []
