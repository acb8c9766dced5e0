"""EtcdStorage beyond the contract: the way to etcd, its failures, compaction by others, leases, users, TLS."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.apimachinery.clock import SystemClock
from apiserver.storage.etcd import TLS, EtcdStorage
from apiserver.storage.etcd.errors import TooLarge
from apiserver.storage.etcd.events import MAX_EVENTS
from apiserver.storage.interface import PROGRESS, Compacted, Event, KeyValue, Storage, StorageError, Unavailable, Watch
from apiserver.storage.tests.backends import PATIENCE, next_batch, next_events, next_progress
from apiserver.storage.tests.certificates import certificates
from apiserver.storage.tests.etcd_process import NO_ETCD, EtcdProcess, find_etcd, free_ports
from apiserver.storage.tests.proxy import Proxy

CLOCK = SystemClock()


async def connect(*urls: str, **options: Any) -> EtcdStorage:
    return await EtcdStorage.connect(urls, CLOCK, **options)


def rpc(url: str, method: str, token: str = "", **body: object) -> Any:
    """A call of somebody else."""
    headers = {"Authorization": token} if token else {}
    request = urllib.request.Request(f"{url}/v3{method}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return json.load(response)


def text(value: str) -> str:
    return b64encode(value.encode()).decode()


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  (changed by other tasks)
            await asyncio.sleep(0.01)


async def until_told(watch: Watch, revision: int) -> list[Event]:
    """All changes of a watch up to `revision`."""
    events: list[Event] = []
    while True:
        batch = await next_batch(watch)
        events += [event for event in batch if event.type != PROGRESS]
        if batch[-1].revision >= revision:
            return events


@pytest.fixture
async def storage(etcd: EtcdProcess) -> AsyncIterator[EtcdStorage]:
    storage = await connect(etcd.url)
    yield storage
    await storage.close()


@pytest.fixture
def own_etcd(tmp_path: Path) -> Iterator[EtcdProcess]:
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    with EtcdProcess(tmp_path / "etcd", "--unsafe-no-fsync", "--auth-token-ttl=1") as process:
        yield process


# The way to etcd.


async def test_an_endpoint_that_is_down_is_passed_over(etcd: EtcdProcess, prefix: str) -> None:
    dead = f"http://127.0.0.1:{free_ports(1)[0]}"
    storage = await connect(dead, etcd.url)
    assert await storage.put(prefix + "a", b"1", expected=0) > 0
    assert storage.stats()["endpoint"] == etcd.url
    await storage.close()


async def test_without_any_endpoint_up_it_is_one_clear_line_within_the_timeout() -> None:
    port = free_ports(1)[0]
    with pytest.raises(Unavailable) as caught:
        await connect(f"http://127.0.0.1:{port}", timeout=0.5)
    assert str(caught.value).startswith(f"etcd at http://127.0.0.1:{port} cannot be reached: ")
    assert "\n" not in str(caught.value)


async def test_what_is_not_an_etcd_is_called_so() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with pytest.raises(Unavailable, match="answers 404 without JSON: is it an etcd"):
        await connect(url, timeout=0.3)
    server.close()


@pytest.mark.parametrize("endpoint", ["ftp://a", "http://", ""])
async def test_an_address_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(Unavailable, match="is not an http:// or https:// address"):
        await connect(endpoint)


async def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "apiserver.storage.etcd.gateway", raising=False)
    monkeypatch.setitem(sys.modules, "etcd3.aio_client", None)
    with pytest.raises(Unavailable, match=r"pip install 'pocketkube\[etcd\]'"):
        await connect("http://127.0.0.1:1")


async def test_calls_and_the_watch_move_to_another_endpoint(etcd: EtcdProcess, prefix: str) -> None:
    async with Proxy(etcd.client_port) as one, Proxy(etcd.client_port) as other:
        storage = await connect(one.url, other.url)
        watch = storage.watch(prefix, after=0)
        first = await storage.put(prefix + "a", b"1", expected=0)
        assert [e.revision for e in await next_events(watch, 1)] == [first]
        await one.cut()
        await until(lambda: storage.stats()["failures"] > 0)
        second = await storage.put(prefix + "b", b"1", expected=0)
        assert [e.revision for e in await next_events(watch, 1)] == [second]
        assert storage.stats()["endpoint"] == other.url
        assert storage.stats()["interrupted_watches"] == 1
        await storage.close()


async def test_a_watch_goes_on_without_a_gap_after_the_connection_broke(etcd: EtcdProcess, prefix: str) -> None:
    async with Proxy(etcd.client_port) as proxy:
        storage, elsewhere = await connect(proxy.url), await connect(etcd.url)
        watch = storage.watch(prefix, after=0)
        revisions = []
        for round_ in range(3):
            for i in range(30):
                revisions.append(await elsewhere.put(f"{prefix}{round_}-{i}", b"", expected=0))
                if i == 10:
                    await proxy.cut()
                if i == 20:
                    await proxy.mend()
        events = await until_told(watch, revisions[-1])
        assert [event.revision for event in events] == revisions
        await storage.close()
        await elsewhere.close()


async def test_a_write_whose_answer_is_lost_is_not_sent_again(etcd: EtcdProcess, prefix: str) -> None:
    async with Proxy(etcd.client_port) as proxy:
        storage, elsewhere = await connect(proxy.url, etcd.url), await connect(etcd.url)
        watch = elsewhere.watch(prefix, after=0)
        proxy.mute()
        writing = asyncio.ensure_future(storage.put(prefix + "a", b"1", expected=None))
        item = (await next_events(watch, 1))[0]
        await proxy.cut()
        with pytest.raises(Unavailable):
            await writing
        assert (await storage.get(prefix + "a")).item == KeyValue(prefix + "a", b"1", item.revision)
        kv = rpc(etcd.url, "/kv/range", key=text(prefix + "a"))["kvs"][0]
        assert kv["version"] == "1"
        await storage.close()
        await elsewhere.close()


async def test_a_read_is_tried_again_until_the_timeout(etcd: EtcdProcess, prefix: str) -> None:
    async with Proxy(etcd.client_port) as proxy:
        storage = await connect(proxy.url)
        await proxy.cut()
        reading = asyncio.ensure_future(storage.get(prefix + "a"))
        await asyncio.sleep(0.2)
        await proxy.mend()
        assert (await reading).item is None
        await storage.close()


async def test_an_etcd_that_hangs_costs_the_timeout_and_no_more(etcd: EtcdProcess, prefix: str) -> None:
    async with Proxy(etcd.client_port) as proxy:
        storage = await connect(proxy.url, timeout=0.3)
        proxy.freeze()
        for use in (storage.put(prefix + "a", b"1", expected=0), storage.get(prefix + "a"), storage.ready()):
            with pytest.raises(Unavailable):
                async with asyncio.timeout(PATIENCE):
                    await use
        await proxy.mend()
        await storage.ready()
        await storage.close()


async def test_a_watch_that_hangs_is_noticed(etcd: EtcdProcess, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.storage.etcd.upstream.QUIET", 0.2)
    async with Proxy(etcd.client_port) as hanging:
        storage = await connect(hanging.url, etcd.url, timeout=0.3)
        watch = storage.watch(prefix, after=0)
        hanging.freeze()
        elsewhere = await connect(etcd.url)
        revision = await elsewhere.put(prefix + "a", b"1", expected=0)
        assert [e.revision for e in await next_events(watch, 1)] == [revision]
        await storage.close()
        await elsewhere.close()


# The shared watch.


async def test_many_watches_share_one_connection(etcd: EtcdProcess, prefix: str) -> None:
    async with Proxy(etcd.client_port) as proxy:
        storage = await connect(proxy.url)
        watches = [storage.watch(f"{prefix}{i % 10}/", after=0) for i in range(50)]
        readers = [asyncio.ensure_future(next_events(watch, 1)) for watch in watches]
        for i in range(10):
            await storage.put(f"{prefix}{i}/a", b"", expected=0)
        events = await asyncio.gather(*readers)
        assert [batch[0].key for batch in events] == [f"{prefix}{i % 10}/a" for i in range(50)]
        assert proxy.accepted <= 3
        await storage.close()


async def test_a_watch_far_behind_still_gets_every_event_once(storage: EtcdStorage, prefix: str) -> None:
    began = await storage.current_revision()
    slow = storage.watch(prefix, after=began)
    count = MAX_EVENTS + 500
    for first in range(0, count, 50):
        await asyncio.gather(*(storage.put(f"{prefix}{i:05}", b"", expected=0) for i in range(first, first + 50)))
    await until(lambda: storage.stats()["events"] < count)
    events = await until_told(slow, await storage.current_revision())
    assert sorted(event.key for event in events) == [f"{prefix}{i:05}" for i in range(count)]
    assert [event.revision for event in events] == list(range(began + 1, began + 1 + count))


async def test_several_events_of_one_revision_stay_together(
    etcd: EtcdProcess, storage: EtcdStorage, prefix: str
) -> None:
    began = await storage.current_revision()
    watch = storage.watch(prefix, after=began)
    puts = [{"request_put": {"key": text(f"{prefix}{i}"), "value": text("v")}} for i in range(5)]
    revision = int(rpc(etcd.url, "/kv/txn", success=puts)["header"]["revision"])
    for told in (watch, storage.watch(prefix, after=began)):
        batch = await next_batch(told)
        assert [(event.key, event.revision) for event in batch] == [(f"{prefix}{i}", revision) for i in range(5)]


async def test_an_etcd_that_was_set_back_ends_the_watches(tmp_path: Path, own_etcd: EtcdProcess) -> None:
    storage = await connect(own_etcd.url)
    watch = storage.watch("/registry/", after=0)
    for i in range(20):
        await storage.put(f"/registry/{i}", b"", expected=0)
    assert len(await next_events(watch, 20)) == 20
    own_etcd.kill()
    (tmp_path / "etcd").rename(tmp_path / "lost")
    own_etcd.start()
    with pytest.raises(Compacted):
        await next_batch(watch)
    listed = await storage.list("/registry/")
    assert listed.items == []
    again = storage.watch("/registry/", after=listed.revision)
    revision = await storage.put("/registry/new", b"", expected=0)
    assert revision < 20
    assert [e.revision for e in await next_events(again, 1)] == [revision]
    await storage.close()


# Compaction by others.


async def test_only_one_of_several_servers_compacts(own_etcd: EtcdProcess) -> None:
    one, other = await connect(own_etcd.url), await connect(own_etcd.url)
    revisions = [await one.put("/registry/a", str(i).encode(), expected=None) for i in range(10)]
    await one.compact(revisions[4])
    await other.compact(revisions[6])  # learns that somebody compacts
    assert await other.compacted_revision() == revisions[4]
    await other.compact(revisions[6])  # nobody else did since
    assert await one.compacted_revision() == revisions[6]
    await one.compact(revisions[8])
    assert await other.compacted_revision() == revisions[6]
    kv = rpc(own_etcd.url, "/kv/range", key=text("compact_rev_key"))["kvs"][0]
    assert (kv["value"], kv["version"]) == (text(str(revisions[6])), "2")
    await one.close()
    await other.close()


async def test_a_compaction_by_another_server_is_seen_in_its_key(own_etcd: EtcdProcess) -> None:
    one, other = await connect(own_etcd.url), await connect(own_etcd.url)
    revisions = [await one.put("/registry/a", str(i).encode(), expected=None) for i in range(10)]
    await one.compact(revisions[4])
    await until(lambda: other.stats()["compacted_revision"] == revisions[4])
    with pytest.raises(Compacted) as caught:
        await next_batch(other.watch("/registry/", after=revisions[3]))
    assert caught.value.compacted == revisions[4]
    await one.close()
    await other.close()


async def test_a_compaction_that_nobody_announced_is_found_out(own_etcd: EtcdProcess) -> None:
    storage = await connect(own_etcd.url)
    revisions = [await storage.put("/registry/a", str(i).encode(), expected=None) for i in range(10)]
    await storage.close()
    storage = await connect(own_etcd.url)
    rpc(own_etcd.url, "/kv/compaction", revision=str(revisions[4]))
    with pytest.raises(Compacted) as caught:
        await storage.list("/registry/", revision=revisions[2])
    assert caught.value.compacted == revisions[4]
    with pytest.raises(Compacted) as caught:
        await next_batch(storage.watch("/registry/", after=revisions[1]))
    assert caught.value.compacted == revisions[4]
    await storage.close()


# Leases.


async def test_keys_that_end_together_share_a_lease(etcd: EtcdProcess, storage: EtcdStorage, prefix: str) -> None:
    for i in range(10):
        await storage.put(f"{prefix}{i}", b"", expected=0, ttl=3600.0)
    assert storage.stats()["leases"] == 1
    leases = {
        kv["lease"] for kv in rpc(etcd.url, "/kv/range", key=text(prefix), range_end=text(prefix[:-1] + "0"))["kvs"]
    }
    assert len(leases) == 1
    granted = int(rpc(etcd.url, "/lease/timetolive", ID=leases.pop())["grantedTTL"])
    assert granted == 3660
    await storage.put(prefix + "longer", b"", expected=0, ttl=7200.0)
    assert storage.stats()["leases"] == 2


async def test_a_lease_that_has_ended_is_replaced(etcd: EtcdProcess, storage: EtcdStorage, prefix: str) -> None:
    first = await storage.put(prefix + "a", b"", expected=0, ttl=3600.0)
    lease = rpc(etcd.url, "/kv/range", key=text(prefix + "a"))["kvs"][0]["lease"]
    rpc(etcd.url, "/lease/revoke", ID=lease)
    assert (await next_events(storage.watch(prefix, after=first), 1))[0].previous_revision == first
    await storage.put(prefix + "b", b"", expected=0, ttl=3600.0)
    assert storage.stats()["leases"] == 2


# Prefix, users, TLS, limits.


async def test_another_prefix_holds_the_keys_and_hides_the_rest(etcd: EtcdProcess, prefix: str) -> None:
    storage, plain = await connect(etcd.url, prefix="other" + prefix), await connect(etcd.url)
    moved = f"/other{prefix}"
    watch = storage.watch("", after=0)
    foreign = await plain.put(prefix + "foreign", b"", expected=0)
    revision = await storage.put("/registry/pods/a", b"1", expected=0)
    item = KeyValue("/registry/pods/a", b"1", revision)
    assert (await plain.get(moved + "pods/a")).item == KeyValue(moved + "pods/a", b"1", revision)
    for listed in ("", "/registry/", "/registry/pods/"):
        assert (await storage.list(listed)).items == [item]
    assert (await storage.get("/registry/pods/a")).item == item
    events = await until_told(watch, revision)
    assert [(event.key, event.revision) for event in events] == [("/registry/pods/a", revision)]
    await next_progress(storage.watch("/registry/nothing/", after=foreign - 1), revision)
    await storage.compact(revision)
    assert await plain.compacted_revision() == revision
    await storage.close()
    await plain.close()


async def test_a_value_too_large_for_etcd_is_refused(storage: Storage, prefix: str) -> None:
    with pytest.raises(TooLarge):
        await storage.put(prefix + "a", b"x" * 1_600_000, expected=0)
    assert (await storage.get(prefix + "a")).item is None


def enable_users(url: str, key: str, end: str) -> str:
    """root, and a user `kube` with rights from `key` to `end`; root's token."""
    for user, role in (("root", "root"), ("kube", "kube")):
        rpc(url, "/auth/user/add", name=user, password="secret")
        rpc(url, "/auth/role/add", name=role)
        rpc(url, "/auth/user/grant", user=user, role=role)
    rpc(url, "/auth/role/grant", name="kube", perm={"permType": "READWRITE", "key": key, "range_end": end})
    rpc(url, "/auth/enable")
    return str(rpc(url, "/auth/authenticate", name="root", password="secret")["token"])


async def test_users_log_in_and_their_tokens_are_renewed(own_etcd: EtcdProcess) -> None:
    enable_users(own_etcd.url, "AA==", "AA==")
    for wrong in ({}, {"user": "kube", "password": "wrong"}, {"user": "nobody", "password": "secret"}):
        with pytest.raises(StorageError) as caught:
            await connect(own_etcd.url, **wrong)
        assert isinstance(caught.value, Unavailable)
        assert "\n" not in str(caught.value)
    storage = await connect(own_etcd.url, user="kube", password="secret")
    watch = storage.watch("/registry/", after=0)
    first = await storage.put("/registry/a", b"1", expected=0)
    await asyncio.sleep(2.5)  # a token lives for a second
    second = await storage.put("/registry/a", b"2", expected=first)
    own_etcd.kill()
    own_etcd.start()
    third = await put_patiently(storage, "/registry/b")
    assert [e.revision for e in await until_told(watch, third)] == [first, second, third]
    await storage.close()


async def put_patiently(storage: Storage, key: str) -> int:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await storage.put(key, b"", expected=0)
            except Unavailable:
                await asyncio.sleep(0.1)


async def test_rights_to_the_prefix_are_enough(own_etcd: EtcdProcess) -> None:
    root = enable_users(own_etcd.url, text("/registry"), text("/registry0"))
    storage = await connect(own_etcd.url, user="kube", password="secret")
    watch = storage.watch("/registry/pods/", after=0)
    rpc(own_etcd.url, "/kv/put", root, key=text("/elsewhere"), value="")  # raises the revision unseen
    first = await storage.put("/registry/pods/a", b"1", expected=0)
    rpc(own_etcd.url, "/kv/put", root, key=text("/elsewhere"), value="")
    revision = await storage.current_revision()
    assert revision > first + 1
    assert [e.revision for e in await until_told(watch, revision)] == [first]
    replayed = storage.watch("/registry/pods/", after=first - 1)
    assert [e.revision for e in await until_told(replayed, revision)] == [first]
    with pytest.raises(Unavailable, match="permission denied"):
        await storage.put("/elsewhere", b"", expected=0)
    try:
        await storage.compact(first)
    except Unavailable as e:  # newer etcds leave compaction to administrators
        assert str(e) == "etcd: etcdserver: permission denied"
        rpc(own_etcd.url, "/kv/compaction", root, revision=str(first))
    with pytest.raises(Compacted):
        await storage.list("/registry/", revision=first - 1)
    await storage.close()


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    if find_etcd() is None:
        pytest.skip(NO_ETCD)
    files = certificates(tmp_path)
    flags = [f"--cert-file={files['server.crt']}", f"--key-file={files['server.key']}", "--client-cert-auth"]
    ca = files["ca.crt"]
    with EtcdProcess(tmp_path / "etcd", *flags, f"--trusted-ca-file={ca}", "--unsafe-no-fsync", tls=True) as etcd:
        storage = await connect(
            etcd.url, tls=TLS(ca=ca, cert=files["client.crt"], key=files["client.key"]), timeout=15.0
        )
        watch = storage.watch("/registry/", after=0)
        revision = await storage.put("/registry/a", b"1", expected=0)
        assert [e.revision for e in await next_events(watch, 1)] == [revision]
        await storage.close()
        for tls in (TLS(ca=ca), TLS(ca=files["other-ca.crt"], cert=files["client.crt"], key=files["client.key"])):
            with pytest.raises(Unavailable) as caught:
                await connect(etcd.url, tls=tls, timeout=0.5)
            assert "\n" not in str(caught.value)
    with pytest.raises(Unavailable, match="cannot use the TLS files"):
        await connect(etcd.url, tls=TLS(ca=str(tmp_path / "nothing.crt")))
