"""etcd's v3 API as its JSON gateway speaks it: requests as ready bytes, answers from what orjson read. Pure functions.

Keys and values travel in base64, 64-bit numbers as text, and what is zero is left out.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from typing import Any

from apiserver.storage.interface import DELETE, PUT, Event, KeyValue
from apiserver.storage.keys import prefix_end

PREFIX = "/registry"  # where keys live in our interface, and in etcd unless --etcd-prefix says otherwise
LOWEST = b"AA=="  # as a key: the first one there is; as the end of a range: behind the last one
COMPACT_KEY = b2a_base64(
    b"compact_rev_key", newline=False
)  # upstream storage/etcd3/compact.go: its value is what is compacted
Answer = Mapping[str, Any]


class KeySpace:
    """Our keys as etcd's and back: `/registry/…` becomes `<prefix>/…`."""

    def __init__(self, prefix: str = PREFIX) -> None:
        self.prefix = "/" + prefix.strip("/")
        self._moved = self.prefix != PREFIX
        self._mine = self.prefix + "/"

    def outward(self, key: str) -> str:
        if self._moved and key.startswith(PREFIX + "/"):
            return self.prefix + key[len(PREFIX) :]
        return key

    def inward(self, encoded: str) -> str | None:
        """The key of an answer; None where it is not ours (only with a prefix of our own can we tell)."""
        key = a2b_base64(encoded).decode(errors="surrogateescape")
        if not self._moved:
            return key
        return PREFIX + key[len(self.prefix) :] if key.startswith(self._mine) else None

    def encode(self, key: str) -> bytes:
        return _base64(self.outward(key).encode(errors="surrogateescape"))

    def range(self, prefix: str, start: str = "") -> tuple[bytes, bytes]:
        """The ends of a range."""
        prefix = self.outward(prefix) if prefix or not self._moved else self._mine
        low, end = max(prefix, self.outward(start)), prefix_end(prefix)
        return (_base64(low.encode()) if low else LOWEST), (LOWEST if end is None else _base64(end.encode()))


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


# Requests.


def put(key: bytes, value: bytes, lease: int) -> bytes:
    return b'{"key":"%b","value":"%b","lease":"%d"}' % (key, _base64(value), lease)


def get(key: bytes) -> bytes:
    return b'{"key":"%b"}' % key


def delete(key: bytes) -> bytes:
    return b'{"key":"%b"}' % key


def list_range(ends: tuple[bytes, bytes], limit: int, revision: int, keys_only: bool = False) -> bytes:
    only = b',"keys_only":true' if keys_only else b""
    return b'{"key":"%b","range_end":"%b","limit":"%d","revision":"%d"%b}' % (*ends, limit, revision, only)


def swap(key: bytes, expected: int, operation: bytes, show: bool) -> bytes:
    """A transaction as kube-apiserver sends it: do it if the key's revision is `expected`, else (to `show`) read it."""
    otherwise = b',"failure":[{"request_range":%b}]' % get(key) if show else b""
    return (
        b'{"compare":[{"target":"MOD","result":"EQUAL","key":"%b","mod_revision":"%d"}],"success":[{%b}]%b}'
        % (key, expected, operation, otherwise)
    )  # fmt: skip


def put_operation(key: bytes, value: bytes, lease: int) -> bytes:
    return b'"request_put":' + put(key, value, lease)


def delete_operation(key: bytes) -> bytes:
    return b'"request_delete_range":' + delete(key)


def swap_version(key: bytes, version: int, value: bytes) -> bytes:
    """Write if the key was written `version` times since it was made, else read it."""
    return (
        b'{"compare":[{"target":"VERSION","result":"EQUAL","key":"%b","version":"%d"}],'
        b'"success":[{%b}],"failure":[{"request_range":%b}]}' % (key, version, put_operation(key, value, 0), get(key))
    )


def compact(revision: int) -> bytes:
    return b'{"revision":"%d"}' % revision


def grant(ttl: int) -> bytes:
    return b'{"TTL":"%d"}' % ttl


def watch(ends: tuple[bytes, bytes], start: int) -> bytes:
    return (
        b'{"create_request":{"key":"%b","range_end":"%b","start_revision":"%d","prev_kv":true,"progress_notify":true}}'
        % (*ends, start)
    )  # fmt: skip


# Answers.


def revision(answer: Answer) -> int:
    return int(answer["header"].get("revision", 0))


def item(kv: Answer, key: str) -> KeyValue:
    return KeyValue(key, a2b_base64(kv.get("value", "")), int(kv["mod_revision"]))


def items(answer: Answer, keys: KeySpace) -> list[KeyValue]:
    found = []
    for kv in answer.get("kvs", ()):
        key = keys.inward(kv["key"])
        if key is not None:
            found.append(item(kv, key))
    return found


def found(answer: Answer) -> Answer | None:
    """The key-value that a failed transaction read."""
    kvs = answer["responses"][0]["response_range"].get("kvs")
    return kvs[0] if kvs else None


def behind(kv: Answer) -> bytes:
    """The first key that may follow."""
    return _base64(a2b_base64(kv["key"]) + b"\0")


def number(kv: Answer) -> int:
    """The value of compact_rev_key; 0 where it is not a number."""
    text = a2b_base64(kv.get("value", ""))
    return int(text) if text.isdigit() else 0


def event(told: Answer, keys: KeySpace) -> Event | None:
    """One event of a watch; None where its key is not ours."""
    kv = told["kv"]
    key = keys.inward(kv["key"])
    if key is None:
        return None
    before = told.get("prev_kv")
    previous, previous_revision = None, 0
    if before is not None:
        previous, previous_revision = a2b_base64(before.get("value", "")), int(before["mod_revision"])
    if told.get("type") == "DELETE":
        return Event(DELETE, key, int(kv["mod_revision"]), None, previous, previous_revision)
    value = a2b_base64(kv.get("value", ""))
    return Event(PUT, key, int(kv["mod_revision"]), value, previous, previous_revision)
