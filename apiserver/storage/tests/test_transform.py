"""Encryption at rest: what is stored, what comes back, and that it fits upstream's format."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.interface import Conflict, KeyValue, Storage
from apiserver.storage.memory import MemoryStorage
from apiserver.storage.tests.backends import embedded_backend, next_batch, next_events, opened
from apiserver.storage.transform import (
    UNREADABLE,
    Identity,
    Providers,
    TransformedStorage,
    Transformer,
    TransformError,
    aesgcm,
    identity,
)

KEY1, KEY2 = bytes(range(32)), bytes(range(1, 33))
SECRET = "/registry/secrets/default/a"
CONFIG_MAP = "/registry/configmaps/default/a"


def encrypted(storage: Storage, *providers: tuple[str, Transformer]) -> TransformedStorage:
    return TransformedStorage(storage, {"/registry/secrets/": Providers(providers)})


@pytest.fixture
def raw() -> MemoryStorage:
    return MemoryStorage(SystemClock())


async def stored(raw: Storage, key: str) -> bytes:
    item = (await raw.get(key)).item
    assert item is not None
    return item.value


async def test_only_the_chosen_prefix_is_encrypted(raw: MemoryStorage) -> None:
    storage = encrypted(raw, aesgcm("key1", KEY1), identity())
    secret = await storage.put(SECRET, b'{"a":1}', expected=0)
    await storage.put(CONFIG_MAP, b'{"a":1}', expected=0)
    data = await stored(raw, SECRET)
    assert data.startswith(b"k8s:enc:aesgcm:v1:key1:")
    assert b'"a"' not in data
    assert len(data) == len(b"k8s:enc:aesgcm:v1:key1:") + 12 + len(b'{"a":1}') + 16
    assert await stored(raw, CONFIG_MAP) == b'{"a":1}'
    assert (await storage.get(SECRET)).item == KeyValue(SECRET, b'{"a":1}', secret)
    assert [item.value for item in (await storage.list("")).items] == [b'{"a":1}'] * 2


def test_a_value_that_a_kube_apiserver_wrote_is_read() -> None:
    """Recorded from kube-apiserver 1.37.2 with an aesgcm provider: key name, key, etcd key and value."""
    recorded = (Path(__file__).parent / "aesgcm_recorded.txt").read_text().split()
    name, key, etcd_key, data = recorded[0], base64.b64decode(recorded[1]), recorded[2], base64.b64decode(recorded[3])
    value, stale = Providers([aesgcm(name, key)]).from_storage(etcd_key.encode(), data)
    assert value.startswith(b'{"kind":"Secret","apiVersion":"v1"')
    assert not stale


async def test_two_writes_of_one_value_look_different(raw: MemoryStorage) -> None:
    storage = encrypted(raw, aesgcm("key1", KEY1))
    first = await storage.put(SECRET, b"{}", expected=0)
    before = await stored(raw, SECRET)
    await storage.put(SECRET, b"{}", expected=first)
    assert await stored(raw, SECRET) != before


async def test_what_another_provider_wrote_is_read_and_stale(raw: MemoryStorage) -> None:
    revision = await raw.put(SECRET, b'{"plain":1}', expected=0)
    storage = encrypted(raw, aesgcm("key1", KEY1), identity())
    assert (await storage.get(SECRET)).item == KeyValue(SECRET, b'{"plain":1}', revision, True)
    revision = await storage.put(SECRET, b'{"plain":1}', expected=revision)
    assert (await storage.get(SECRET)).item == KeyValue(SECRET, b'{"plain":1}', revision, False)
    rotated = encrypted(raw, aesgcm("key2", KEY2), aesgcm("key1", KEY1))
    assert (await rotated.get(SECRET)).item == KeyValue(SECRET, b'{"plain":1}', revision, True)
    back = encrypted(raw, identity(), aesgcm("key1", KEY1))
    assert (await back.get(SECRET)).item == KeyValue(SECRET, b'{"plain":1}', revision, True)


async def test_a_watch_opens_values_and_those_before(raw: MemoryStorage) -> None:
    old = encrypted(raw, aesgcm("key1", KEY1))
    storage = encrypted(raw, aesgcm("key2", KEY2), aesgcm("key1", KEY1))
    watch = storage.watch("", after=1)
    first = await old.put(SECRET, b"1", expected=0)
    second = await storage.put(SECRET, b"2", expected=first)
    await storage.delete(SECRET, expected=second)
    assert [(e.value, e.previous, e.stale) for e in await next_events(watch, 3)] == [
        (b"1", None, True),
        (b"2", b"1", False),
        (None, b"2", False),
    ]
    await watch.aclose()
    with pytest.raises(StopAsyncIteration):
        await next_batch(watch)


async def test_a_conflict_shows_the_opened_value(raw: MemoryStorage) -> None:
    storage = encrypted(raw, aesgcm("key1", KEY1))
    revision = await storage.put(SECRET, b"1", expected=0)
    for write in (storage.put(SECRET, b"2", expected=revision + 7), storage.delete(SECRET, expected=revision + 7)):
        with pytest.raises(Conflict) as caught:
            await write
        assert caught.value.current == KeyValue(SECRET, b"1", revision)


async def test_a_value_cannot_be_moved_to_another_key(raw: MemoryStorage) -> None:
    storage = encrypted(raw, aesgcm("key1", KEY1))
    await storage.put(SECRET, b"1", expected=0)
    await raw.put(SECRET + "b", await stored(raw, SECRET), expected=0)
    item = (await storage.get(SECRET + "b")).item
    assert item is not None
    assert item.value == UNREADABLE + b"cipher: message authentication failed"


async def test_one_damaged_value_does_not_cost_the_list(raw: MemoryStorage) -> None:
    storage = encrypted(raw, aesgcm("key1", KEY1))
    await storage.put(SECRET, b"1", expected=0)
    await raw.put(SECRET + "b", b"k8s:enc:aesgcm:v1:key1:short", expected=0)
    await raw.put(SECRET + "c", b"k8s:enc:aesgcm:v1:lost:" + b"x" * 40, expected=0)
    await raw.put(SECRET + "d", b'{"plain": "nobody may put this here"}', expected=0)
    values = [item.value for item in (await storage.list("/registry/secrets/")).items]
    assert values[0] == b"1"
    assert [value.removeprefix(UNREADABLE) for value in values[1:]] == [
        b"the stored data was shorter than the required size",
        b"the provided value does not match any of the supported transformers",
        b"the provided value does not match any of the supported transformers",
    ]
    events = await next_events(storage.watch("/registry/secrets/", after=1), 4)
    assert [event.value for event in events] == values
    assert await storage.delete(SECRET + "b", expected=None) > 0


def test_identity_refuses_encrypted_data() -> None:
    with pytest.raises(TransformError, match="identity transformer tried to read encrypted data"):
        Identity().from_storage(b"/a", b"k8s:enc:aesgcm:v1:key1:xyz")


async def test_the_key_as_etcd_knows_it_is_authenticated(raw: MemoryStorage) -> None:
    providers = Providers([aesgcm("key1", KEY1)])
    storage = TransformedStorage(raw, {"/registry/": providers}, etcd_prefix="/other/place")
    await storage.put(SECRET, b"1", expected=0)
    data = await stored(raw, SECRET)
    assert providers.from_storage(b"/other/place/secrets/default/a", data) == (b"1", False)


async def test_secrets_are_not_in_the_file_of_an_embedded_store(tmp_path: Path) -> None:
    async with opened(embedded_backend(tmp_path)) as raw:
        storage = encrypted(raw, aesgcm("key1", KEY1))
        await storage.put(SECRET, b"this is a secret", expected=0)
    assert b"this is a secret" not in (tmp_path / "store.db").read_bytes()
