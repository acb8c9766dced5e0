"""Token secrets are filled in, and go with their account (upstream pkg/controller/serviceaccount/tokens_controller.go).

Runs where `service_account_private_key_file` is given, as upstream's flag; the cluster's root certificate is `root_ca`.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from apiserver.client.informer import Handler
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request
from controllers.framework.kinds import SECRETS, SERVICE_ACCOUNTS
from controllers.framework.manager import Idle, Loop
from controllers.framework.together import Together
from controllers.loops.serviceaccount_token.facts import (
    ACCOUNT,
    ACCOUNT_UID,
    TYPE,
    Signer,
    account_of,
    by_account,
    claims,
)

log = logging.getLogger(__name__)

NAME = "serviceaccount-token-controller"
WORKERS = 5
SELECTION = f"type={TYPE}"


def missing(secret: Object, root_ca: str) -> dict[str, str]:
    """What a token secret's data lacks, the token aside; values in base64."""
    data = secret.get("data") or {}
    wanted: dict[str, str] = {}
    ca = base64.b64encode(root_ca.encode()).decode()
    if root_ca and data.get("ca.crt") != ca:
        wanted["ca.crt"] = ca
    if not data.get("namespace"):
        wanted["namespace"] = base64.b64encode(secret["metadata"]["namespace"].encode()).decode()
    return wanted


class Tokens:
    """Requests are token secrets."""

    def __init__(self, context: Context, signer: Signer) -> None:
        self.signer = signer
        self.root_ca: str = context.options.get("root_ca", "")
        self.secrets, self.accounts = context.resource(SECRETS), context.resource(SERVICE_ACCOUNTS)
        informer = context.informer(SECRETS, field_selector=SELECTION)
        informer.add_index("account", by_account)
        self.known = informer.lister
        self.known_accounts = context.informer(SERVICE_ACCOUNTS).lister

    async def reconcile(self, request: Request) -> None:
        secret = self.known.get(*request)
        if secret is None or not account_of(secret)[0]:
            return
        account = await self._account(secret)
        try:
            if account is None:
                await self.secrets.delete(request.name, request.namespace, uid=secret["metadata"]["uid"])
            else:
                await self._fill(secret, account)
        except StatusError as error:
            if error.code not in (404, 409):  # gone, or changed: its change brings us back
                raise

    async def _account(self, secret: Object) -> Object | None:
        """The account a secret is for; the server is asked before it is thought gone."""
        name, uid = account_of(secret)
        namespace = secret["metadata"]["namespace"]
        account = self.known_accounts.get(namespace, name)
        if account is None or uid not in ("", account["metadata"]["uid"]):
            try:
                account = await self.accounts.get(name, namespace)
            except StatusError as error:
                if error.code == 404:
                    return None
                raise
        return account if uid in ("", account["metadata"]["uid"]) else None

    async def _fill(self, seen: Object, account: Object) -> None:
        if not missing(seen, self.root_ca) and (seen.get("data") or {}).get("token"):
            return
        meta = seen["metadata"]
        secret = await self.secrets.get(meta["name"], meta["namespace"])
        if secret["metadata"]["resourceVersion"] != meta["resourceVersion"]:
            return
        data = {**(secret.get("data") or {}), **missing(secret, self.root_ca)}
        if not data.get("token"):
            token = self.signer.token(claims(account, secret))
            data["token"] = base64.b64encode(token.encode()).decode()
        annotations = secret["metadata"].setdefault("annotations", {})
        annotations |= {ACCOUNT: account["metadata"]["name"], ACCOUNT_UID: account["metadata"]["uid"]}
        await self.secrets.update({**secret, "data": data})

    def of_account(self, account: Object) -> Iterable[Request]:
        meta = account["metadata"]
        for secret in self.known.by_index("account", f"{meta['namespace']}/{meta['name']}"):
            yield Request(meta["namespace"], secret["metadata"]["name"])


class References:
    """Requests are accounts: what they say of secrets that were deleted is taken back."""

    def __init__(self, context: Context) -> None:
        self.accounts = context.resource(SERVICE_ACCOUNTS)
        self.known_secrets = context.informer(SECRETS, field_selector=SELECTION).lister
        self.gone: dict[Request, dict[str, str]] = {}  # account → deleted secrets, with the account's uid they had

    async def reconcile(self, request: Request) -> None:
        gone = self.gone.get(request) or {}
        names = {name: uid for name, uid in gone.items() if self.known_secrets.get(request.namespace, name) is None}
        if names:
            await self._remove(request, names)
        self.gone.pop(request, None)

    async def _remove(self, request: Request, names: dict[str, str]) -> None:
        try:
            account = await self.accounts.get(request.name, request.namespace)
        except StatusError as error:
            if error.code == 404:
                return
            raise
        uid = account["metadata"]["uid"]
        before = account.get("secrets") or []
        kept = [reference for reference in before if names.get(reference.get("name", ""), "-") not in ("", uid)]
        if len(kept) < len(before):
            await self.accounts.update({**account, "secrets": kept})


class TokenLoop(Together):
    """Both queues."""

    def __init__(self, context: Context, signer: Signer) -> None:
        tokens, references = Tokens(context, signer), References(context)
        self._tokens = Controller(f"{NAME}-secrets", tokens, workers=WORKERS)
        self._references = Controller(f"{NAME}-accounts", references)
        secrets = context.informer(SECRETS, field_selector=SELECTION)
        self._tokens.watch(secrets)
        self._tokens.watch(context.informer(SERVICE_ACCOUNTS), tokens.of_account)

        def deleted(secret: Object) -> None:
            name, uid = account_of(secret)
            if name:
                account = Request(secret["metadata"]["namespace"], name)
                references.gone.setdefault(account, {})[secret["metadata"]["name"]] = uid
                self._references.queue.add(account)

        secrets.add_handler(Handler(deleted=deleted))
        self._references.needs(secrets)
        super().__init__(NAME, self._tokens, self._references)


def build(context: Context) -> Loop:
    key_file = context.options.get("service_account_private_key_file")
    if not key_file:
        log.info("no token secret will be filled: no private key is given")
        return Idle(NAME)
    return TokenLoop(context, Signer(key_file))
