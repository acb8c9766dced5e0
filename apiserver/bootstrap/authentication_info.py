"""ConfigMap kube-system/extension-apiserver-authentication: how extension API servers recognize clients and front proxies.

Several API servers write their share; certificates that have expired go. Mirrors upstream
pkg/controlplane/controller/clusterauthenticationtrust.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator

import orjson

from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object
from apiserver.auth.der import CertificateError, read_certificate
from apiserver.auth.jwt import pem_blocks
from apiserver.bootstrap.context import BootstrapContext, Hook, Settings

CONFIG_MAPS = GroupResource("", "configmaps")
NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
INTERVAL = 60.0
CLIENT_CA, PROXY_CA = "client-ca-file", "requestheader-client-ca-file"


async def start(context: BootstrapContext) -> None:
    await sync(context)
    context.every(INTERVAL, lambda: sync(context), "cluster-authentication-info")


async def sync(context: BootstrapContext) -> None:
    objects = context.objects
    existing = objects.get(CONFIG_MAPS, NAMESPACE, NAME)
    now = context.clock.now()
    if existing is None:
        data = combined({}, own_data(context.settings), now)
        obj = {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "data": data,
        }
        await objects.ensure(CONFIG_MAPS, obj)
        return
    if combined(existing.get("data") or {}, own_data(context.settings), now) == (existing.get("data") or {}):
        return

    def change(obj: Object) -> Object:
        obj["data"] = combined(obj.get("data") or {}, own_data(context.settings), now)
        return obj

    try:
        await objects.update(CONFIG_MAPS, NAMESPACE, NAME, change)
    except StatusError as e:
        # A map that has grown too large starts anew, the next time.
        if e.reason == "RequestEntityTooLarge" or (e.reason == "Invalid" and "Too long" in e.message):
            await objects.delete(CONFIG_MAPS, NAMESPACE, NAME)
        raise


def own_data(settings: Settings) -> dict[str, str]:
    """This server's share."""
    data: dict[str, str] = {}
    if settings.client_ca_pem:
        data[CLIENT_CA] = settings.client_ca_pem.decode()
    proxies = settings.request_header
    if proxies is None or not proxies.client_ca_pem:
        return data
    data["requestheader-username-headers"] = _list(proxies.username_headers)
    if proxies.uid_headers:
        data["requestheader-uid-headers"] = _list(proxies.uid_headers)
    data["requestheader-group-headers"] = _list(proxies.group_headers)
    data["requestheader-extra-headers-prefix"] = _list(proxies.extra_prefixes)
    data[PROXY_CA] = proxies.client_ca_pem.decode()
    data["requestheader-allowed-names"] = _list(proxies.allowed_names)
    return data


def combined(existing: dict[str, str], own: dict[str, str], now: float) -> dict[str, str]:
    """Both shares together; a value that makes no sense is replaced. Keys of others' making are dropped."""
    data: dict[str, str] = {}
    for key in (CLIENT_CA, PROXY_CA):
        certificates = [*_certificates(existing.get(key, ""), now), *_certificates(own.get(key, ""), now)]
        if certificates:
            data[key] = "".join(map(_pem, dict.fromkeys(certificates)))
    if PROXY_CA not in data:
        return data
    for key in ("username-headers", "uid-headers", "group-headers", "extra-headers-prefix", "allowed-names"):
        values = [*_values(existing.get(f"requestheader-{key}", "")), *_values(own.get(f"requestheader-{key}", ""))]
        if values or key != "uid-headers":
            data[f"requestheader-{key}"] = _list(dict.fromkeys(values))
    return data


def _certificates(pem: str, now: float) -> Iterator[bytes]:
    """The certificates of a bundle that are still good, as DER."""
    for block in pem_blocks(pem.encode()):
        body = b"".join(line for line in block.splitlines() if not line.startswith(b"-----"))
        try:
            der = base64.b64decode(body)
            if read_certificate(der).not_after >= now:
                yield der
        except (CertificateError, ValueError):
            continue


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def _list(values: Iterable[str]) -> str:
    return orjson.dumps(list(values)).decode()


def _values(text: str) -> list[str]:
    try:
        values = json.loads(text) if text else []
    except ValueError:
        return []
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


HOOK = Hook("start-cluster-authentication-info-controller", start, (CONFIG_MAPS,))
