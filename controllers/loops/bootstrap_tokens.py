"""Bootstrap tokens: expired ones go, the others sign the cluster-info of kube-public. Both loops are off by default.

Mirrors upstream pkg/controller/bootstrap. A signature is a JWS in HS256 over the kubeconfig, with its content left out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

import orjson

from apiserver.apimachinery.clock import parse_rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.objects import Object
from controllers.framework.context import Context
from controllers.framework.controller import Controller, Request, Result
from controllers.framework.kinds import CONFIG_MAPS, SECRETS
from controllers.framework.manager import Loop

TYPE = "bootstrap.kubernetes.io/token"
SECRET_NAMESPACE = "kube-system"
INFO = Request("kube-public", "cluster-info")
PREFIX = "jws-kubeconfig-"
KUBECONFIG = "kubeconfig"
_NAME = re.compile(r"bootstrap-token-([a-z0-9]{6})")


def _value(secret: Object, key: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(key) or "").decode("utf-8", "replace")


def seconds_left(secret: Object, now: float) -> float | None:
    """Until the token expires: 0 it has (or its time cannot be read), None it never will."""
    text = _value(secret, "expiration")
    if not text:
        return None
    try:
        return max(parse_rfc3339(text) - now, 0.0)
    except ValueError:
        return 0.0


def signing_token(secret: Object, now: float) -> tuple[str, str] | None:
    """Id and secret of a token that may sign."""
    named = _NAME.fullmatch(secret["metadata"]["name"])
    token_id, token_secret = _value(secret, "token-id"), _value(secret, "token-secret")
    if named is None or not token_id or named.group(1) != token_id or not token_secret:
        return None
    if seconds_left(secret, now) == 0 or _value(secret, "usage-bootstrap-signing") != "true":
        return None
    return token_id, token_secret


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(content: str, token_id: str, token_secret: str) -> str:
    header = _b64(orjson.dumps({"alg": "HS256", "kid": token_id}))
    signed = f"{header}.{_b64(content.encode())}"
    return f"{header}..{_b64(hmac.new(token_secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def signed(data: Mapping[str, str], secrets: Iterable[Object], now: float) -> dict[str, str]:
    """The ConfigMap's data with the signatures of all tokens that may sign, and no others."""
    found = {key: value for key, value in data.items() if not key.startswith(PREFIX)}
    if KUBECONFIG in data:
        for token in (signing_token(secret, now) for secret in secrets):
            if token is not None:
                found[PREFIX + token[0]] = signature(data[KUBECONFIG], *token)
    return found


def _secrets() -> dict[str, str]:
    return {"namespace": SECRET_NAMESPACE, "field_selector": f"type={TYPE}"}


class InfoSigner:
    """The one request is the ConfigMap."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.config_maps = context.resource(CONFIG_MAPS)
        self.known = context.informer(CONFIG_MAPS, **_info()).lister
        self.secrets = context.informer(SECRETS, **_secrets()).lister

    async def reconcile(self, request: Request) -> None:
        config_map = self.known.get(*INFO)
        if config_map is None or KUBECONFIG not in (config_map.get("data") or {}):
            return
        wanted = signed(config_map["data"], self.secrets.list(), self.clock.now())
        if wanted == config_map["data"]:
            return
        try:
            await self.config_maps.update({**config_map, "data": wanted})
        except StatusError as error:
            if error.code not in (404, 409):
                raise


class TokenCleaner:
    """Requests are token secrets."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.secrets = context.resource(SECRETS)
        self.known = context.informer(SECRETS, **_secrets()).lister

    async def reconcile(self, request: Request) -> Result | None:
        secret = self.known.get(*request)
        left = seconds_left(secret, self.clock.now()) if secret is not None else None
        if secret is None or left is None:
            return None
        if left > 0:
            return Result(after=left)
        try:
            await self.secrets.delete(request.name, request.namespace, uid=secret["metadata"]["uid"])
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        return None


def _info() -> dict[str, str]:
    return {"namespace": INFO.namespace, "field_selector": f"metadata.name={INFO.name}"}


def build_signer(context: Context) -> Loop:
    controller = Controller("bootstrap-signer-controller", InfoSigner(context))
    for informer in (context.informer(CONFIG_MAPS, **_info()), context.informer(SECRETS, **_secrets())):
        controller.watch(informer, lambda obj: (INFO,))
    return controller


def build_cleaner(context: Context) -> Loop:
    controller = Controller("token-cleaner-controller", TokenCleaner(context))
    controller.watch(context.informer(SECRETS, **_secrets()))
    return controller
