"""Encryption at rest: values are transformed on their way into a Storage and back.

Formats are those of upstream's EncryptionConfiguration (apiserver pkg/storage/value): a kube-apiserver with the same
providers reads what is written here, and the other way round. What cannot be transformed back comes out as bytes that
no decoder accepts, so one damaged value costs its object and not the list or the watch it stands in.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from apiserver.storage.interface import (
    Conflict,
    Event,
    GetResult,
    KeyValue,
    ListResult,
    Storage,
    Watch,
)
from apiserver.storage.wrapped import WrappedStorage

log = logging.getLogger(__name__)

PREFIX = "/registry"
ENCRYPTED = b"k8s:enc:"
AESGCM_PREFIX = "k8s:enc:aesgcm:v1:"
NONCE_BYTES = 12
TAG_BYTES = 16
UNREADABLE = b"\0unreadable: "  # a value that could not be transformed back, followed by the reason


class TransformError(ValueError):
    """Bytes that are not what this transformer writes."""


class Transformer(Protocol):
    """Turns values into what is stored and back. `context` is the key as etcd knows it: no value can be moved to another."""

    def to_storage(self, context: bytes, value: bytes) -> bytes: ...

    def from_storage(self, context: bytes, data: bytes) -> tuple[bytes, bool]:
        """The value, and whether it should be written again. Raises TransformError."""
        ...


class Identity:
    """Stores values as they are, and refuses to read encrypted ones."""

    def to_storage(self, context: bytes, value: bytes) -> bytes:
        return value

    def from_storage(self, context: bytes, data: bytes) -> tuple[bytes, bool]:
        if data.startswith(ENCRYPTED):
            raise TransformError("identity transformer tried to read encrypted data")
        return data, False


class AESGCM:
    """AES in Galois/Counter Mode with random nonces: change the key before 200,000 writes."""

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        from cryptography.hazmat.primitives.ciphers import aead  # 40 ms, only where used

        self._aead = aead.AESGCM(key)
        self._random_bytes = random_bytes

    def to_storage(self, context: bytes, value: bytes) -> bytes:
        nonce = self._random_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, context)

    def from_storage(self, context: bytes, data: bytes) -> tuple[bytes, bool]:
        from cryptography.exceptions import InvalidTag

        if len(data) < NONCE_BYTES + TAG_BYTES:
            raise TransformError("the stored data was shorter than the required size")
        try:
            return self._aead.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], context), False
        except InvalidTag:
            raise TransformError("cipher: message authentication failed") from None


class Providers:
    """Transformers by the prefix of what they write: the first one writes, each may read; all but the first are stale."""

    def __init__(self, providers: Sequence[tuple[str, Transformer]]) -> None:
        self._providers = [(prefix.encode(), transformer) for prefix, transformer in providers]

    def to_storage(self, context: bytes, value: bytes) -> bytes:
        prefix, transformer = self._providers[0]
        return prefix + transformer.to_storage(context, value)

    def from_storage(self, context: bytes, data: bytes) -> tuple[bytes, bool]:
        reasons: list[str] = []
        for index, (prefix, transformer) in enumerate(self._providers):
            if not data.startswith(prefix):
                continue
            try:
                value, stale = transformer.from_storage(context, data[len(prefix) :])
            except TransformError as e:
                if prefix:  # identity only says that another one has to read it
                    reasons.append(str(e))
                continue
            return value, stale or index > 0
        raise TransformError(
            "; ".join(reasons) or "the provided value does not match any of the supported transformers"
        )


def aesgcm(name: str, key: bytes, random_bytes: Callable[[int], bytes] = os.urandom) -> tuple[str, Transformer]:
    """A key of EncryptionConfiguration's aesgcm provider, as an entry of Providers."""
    return f"{AESGCM_PREFIX}{name}:", AESGCM(key, random_bytes)


def identity() -> tuple[str, Transformer]:
    return "", Identity()


class TransformedStorage(WrappedStorage):
    """A Storage whose values under some prefixes are transformed: `{"/registry/secrets/": Providers([...])}`."""

    def __init__(
        self, storage: Storage, transformers: Mapping[str, Transformer], *, etcd_prefix: str = PREFIX
    ) -> None:  # fmt: skip
        super().__init__(storage)
        self._transformers = dict(transformers)
        self._prefixes = tuple(sorted(transformers, key=len, reverse=True))  # the longest one that fits is meant
        self._etcd_prefix = "/" + etcd_prefix.strip("/")

    async def get(self, key: str) -> GetResult:
        result = await self._storage.get(key)
        return result if result.item is None else result._replace(item=self._opened(result.item))

    async def list(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> ListResult:
        result = await self._storage.list(prefix, start=start, limit=limit, revision=revision)
        if not self._concerns(prefix):
            return result
        return result._replace(items=[self._opened(item) for item in result.items])

    async def put(self, key: str, value: bytes, *, expected: int | None, ttl: float | None = None) -> int:
        transformer = self._transformer(key)
        data = value if transformer is None else transformer.to_storage(self._context(key), value)
        try:
            return await self._storage.put(key, data, expected=expected, ttl=ttl)
        except Conflict as e:
            raise Conflict(key, e.expected, self._opened(e.current)) from e

    async def delete(self, key: str, *, expected: int | None) -> int:
        try:
            return await self._storage.delete(key, expected=expected)
        except Conflict as e:
            raise Conflict(key, e.expected, self._opened(e.current)) from e

    def watch(self, prefix: str, *, after: int) -> Watch:
        watch = self._storage.watch(prefix, after=after)
        return _TransformedWatch(watch, self._opened_event) if self._concerns(prefix) else watch

    def _concerns(self, prefix: str) -> bool:
        """Whether a range may hold transformed values."""
        return any(prefix.startswith(mine) or mine.startswith(prefix) for mine in self._prefixes)

    def _transformer(self, key: str) -> Transformer | None:
        if not key.startswith(self._prefixes):
            return None
        return next(self._transformers[prefix] for prefix in self._prefixes if key.startswith(prefix))

    def _context(self, key: str) -> bytes:
        moved = key.startswith(PREFIX + "/")
        return (self._etcd_prefix + key[len(PREFIX) :] if moved else key).encode()

    def _opened(self, item: KeyValue) -> KeyValue:
        transformer = self._transformer(item.key)
        if transformer is None:
            return item
        value, stale = self._read(transformer, item.key, item.value, item.revision)
        return KeyValue(item.key, value, item.revision, stale)

    def _opened_event(self, event: Event) -> Event:
        transformer = self._transformer(event.key)
        if transformer is None:
            return event
        value, stale, previous = event.value, False, event.previous
        if value is not None:
            value, stale = self._read(transformer, event.key, value, event.revision)
        if previous is not None:
            previous, _ = self._read(transformer, event.key, previous, event.previous_revision)
        return event._replace(value=value, stale=stale, previous=previous)

    def _read(self, transformer: Transformer, key: str, data: bytes, revision: int) -> tuple[bytes, bool]:
        try:
            return transformer.from_storage(self._context(key), data)
        except TransformError as e:
            log.error("cannot transform key", extra={"key": key, "revision": revision, "error": str(e)})
            return UNREADABLE + str(e).encode(), False


class _TransformedWatch:
    def __init__(self, watch: Watch, opened: Callable[[Event], Event]) -> None:
        self._watch = watch
        self._batches = aiter(watch)
        self._opened = opened

    def __aiter__(self) -> AsyncIterator[list[Event]]:
        return self

    async def __anext__(self) -> list[Event]:
        return [self._opened(event) for event in await anext(self._batches)]

    async def aclose(self) -> None:
        await self._watch.aclose()
