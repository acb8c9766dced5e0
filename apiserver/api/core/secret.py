"""Secret: bytes of a type that says what must be among them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.validation.data import MAX_DATA_SIZE, base64_size, data_key_errors, frozen_errors
from apiserver.api.validation.go_json import read_object
from apiserver.apimachinery.errors import FieldError, invalid, required, too_long
from apiserver.apimachinery.object_meta import immutable
from apiserver.apimachinery.objects import Object, annotations_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
TYPE_DESCRIPTION = (
    "Used to facilitate programmatic handling of secret data. More info: "
    "https://kubernetes.io/docs/concepts/configuration/secret/#secret-types"
)
DATA_DESCRIPTION = (
    "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized form of "
    "the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described "
    "in https://tools.ietf.org/html/rfc4648#section-4"
)


class SecretStrategy(KindStrategy):
    """Mirrors upstream registry/core/secret, its conversion of stringData, and core validation."""

    def default(self, obj: Object) -> None:
        if not obj.get("type"):
            obj["type"] = "Opaque"
        if "stringData" in obj:
            _merge_string_data(obj)

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        size = 0
        for key, value in (obj.get("data") or {}).items():
            yield from data_key_errors(key, f"data[{key}]")
            size += base64_size(value)
        if size > MAX_DATA_SIZE:
            yield too_long("data", MAX_DATA_SIZE)
        rule = TYPE_RULES.get(obj.get("type") or "")
        if rule is not None:
            yield from rule(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        yield from immutable(obj.get("type") or "", old.get("type") or "", "type")
        yield from frozen_errors(obj, old, "data")
        yield from self.validate_whole(ctx, obj)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        return _key_pair_warnings(obj)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return _key_pair_warnings(obj)


def _merge_string_data(obj: Object) -> None:
    """stringData is for writing only: it ends up in data."""
    texts = obj.pop("stringData") or {}
    if texts:
        data = obj["data"] = dict(obj.get("data") or {})
        for key, text in texts.items():
            data[key] = base64.b64encode((text or "").encode()).decode()


def _token_errors(obj: Object) -> Iterator[FieldError]:
    if not annotations_of(obj).get(SERVICE_ACCOUNT_NAME):
        yield required(f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]")


def _needs(*keys: str) -> Callable[[Object], Iterator[FieldError]]:
    def errors(obj: Object) -> Iterator[FieldError]:
        data = obj.get("data") or {}
        for key in keys:
            if key not in data:
                yield required(f"data[{key}]")

    return errors


def _needs_json(key: str) -> Callable[[Object], Iterator[FieldError]]:
    def errors(obj: Object) -> Iterator[FieldError]:
        data = obj.get("data") or {}
        if key not in data:
            yield required(f"data[{key}]")
        elif problem := read_object(base64.b64decode(data[key] or ""), "map[string]interface {}")[1]:
            yield invalid(f"data[{key}]", "<secret contents redacted>", problem)

    return errors


def _basic_auth_errors(obj: Object) -> Iterator[FieldError]:
    data = obj.get("data") or {}
    if "username" not in data and "password" not in data:
        yield required("data[username]")
        yield required("data[password]")


def _ssh_auth_errors(obj: Object) -> Iterator[FieldError]:
    if not (obj.get("data") or {}).get("ssh-privatekey"):
        yield required("data[ssh-privatekey]")


TYPE_RULES: dict[str, Callable[[Object], Iterator[FieldError]]] = {
    SERVICE_ACCOUNT_TOKEN: _token_errors,
    "kubernetes.io/dockercfg": _needs_json(".dockercfg"),
    "kubernetes.io/dockerconfigjson": _needs_json(".dockerconfigjson"),
    "kubernetes.io/basic-auth": _basic_auth_errors,
    "kubernetes.io/ssh-auth": _ssh_auth_errors,
    "kubernetes.io/tls": _needs("tls.crt", "tls.key"),
}


def _key_pair_warnings(obj: Object) -> Iterator[str]:
    if obj.get("type") != "kubernetes.io/tls":
        return
    from apiserver.api.validation.key_pair import key_pair_problem

    data = obj.get("data") or {}
    certificate, key = (base64.b64decode(data.get(name) or "") for name in ("tls.crt", "tls.key"))
    if problem := key_pair_problem(certificate, key):
        yield problem


def _type_of(obj: Object) -> str:
    return obj.get("type") or ""


RESOURCE = Resource(
    group="",
    plural="secrets",
    kind="Secret",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=SecretStrategy(),
    selectable={"type": _type_of},
    columns=(
        NAME,
        Column("Type", lambda obj, now: _type_of(obj), description=TYPE_DESCRIPTION),
        Column("Data", lambda obj, now: len(obj.get("data") or ()), description=DATA_DESCRIPTION),
        AGE,
    ),
)
