"""What nobody should send: values, texts and bytes that break careless servers."""

from __future__ import annotations

import copy
import random
from typing import Any

STRINGS = [
    "", " ", "a", "A", "-", ".", "..", "/", "a/b", "%", "%2F", "\x00", "a\x00b", "\u0000", "\ufeff", "\u2028", "ä",
    "☃", "𝕏", "\u202e",
    "None", "null", "true", "0", "-1", "1e3", "~", "*", "!", "!a", "a=b", "a in (b", ",", "=", "$", "${x}", "$(X)",
    "{{.}}",
    "a" * 63, "a" * 64, "a" * 254, "a" * 5000, "a.b.c", "a..b", "-a", "a-", "A_b", "example.com/x", "example.com/",
    "/x",
    "127.0.0.1", "10.96.0.1", "10.96.0.999", "::1", "fe80::1%eth0", "::ffff:1.2.3.4", "010.1.1.1", "1.2.3.4/33",
    "10.0.0.0/8",
    "100m", "1Gi", "1e1000", "1e999999999", "1e" + "9" * 5000, "9" * 5000,
    "-5", "0.0000000001", "1.5Ki", "9223372036854775808", "1n", "5x", "+1", ".5", "5.",
    "2026-01-01T00:00:00Z", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789+14:00",
    "10000-01-01T00:00:00Z",
    "Always", "Never", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "TCP", "tcp", "IPv4", "IPv6", "All",
    "default", "kubernetes",
    "system:masters", "v1", "apps/v1", "a/b/c", "Pod", "orphan", "foregroundDeletion", "kubernetes",
    "-----BEGIN CERTIFICATE REQUEST-----",
    "YQ==", "YQ", "!!!!", "\ud800", "sha256:0", "80", "http", "50%", "101%", "-1%", "*/5 * * * *", "@every 1s",
    "Etc/UTC",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, 1, -1, 2, 80, 65535, 65536, 2**31 - 1, 2**31, -(2**31) - 1, 2**53, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30,
    0.5, -0.0, 1.0, 1e18, 1e19, 1e300, 3.0000000001,
]  # fmt: skip
OTHERS: list[Any] = [
    None,
    True,
    False,
    [],
    {},
    [None],
    [[]],
    [{}],
    {"": ""},
    {"a": None},
    {"a": {"a": {"a": {}}}},
    ["a", "a"],
    [1, "a", None],
]
RAW = [  # spliced into the text of a body in a value's place: what no encoder would write
    b"1e999", b"-1e999", b"NaN", b"Infinity", b"01", b"+1", b"1.", b".5", b"0x10",
    b"99999999999999999999999999999999999999",
    b"9" * 400, b"1" + b"0" * 5000, b'"\\ud800"', b'"\\u0000"', b'"\x00"', b'"\xff\xfe"', b'"\xc3"',
    b'"\xed\xa0\x80"', b"'a'", b"undefined",
    b'"\n"', b'"\\x"', b'{"a":1,"a":2}', b'{"a":1,"a":{"b":1,"b":2}}', b"[1,]", b"{,}", b"[" * 200 + b"]" * 200,
    b"[" * 20_000 + b"]" * 20_000,
    b'{"a":' * 150 + b"1" + b"}" * 150, b'{"a":' * 12_000 + b"1" + b"}" * 12_000, b"tru", b"nul", b"// c\n1",
    b"/* */1", b"1 2",
]  # fmt: skip
YAML = [
    b"a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n"
    b"e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f]\n",
    b"&a [*a]", b"a: &a\n  b: *a\n", b"*nowhere", b"!!python/object/apply:os.system ['true']", b"!!binary YQ==",
    b"!!set {a, b}", b"!own {a: b}",
    b"<<: {a: b}\nkind: ConfigMap\n", b"? [a, b]\n: c\n", b"1: a\ntrue: b\nnull: c\n1.5: d\n", b"a: 1\na: 2\n",
    b"---\na: b\n---\nc: d\n",
    b"--- |\n text\n", b"%YAML 9.9\n---\na: b\n", b"a: [", b"a: b: c", b"\ta: b",
    b"a: 0o17\nb: 0b11\nc: 1_000\nd: 190:20:30\ne: .inf\nf: .nan\n",
    b"a: 2026-01-01\nb: 2026-01-01T00:00:00Z\n", b"on: off\nyes: no\n", b"{" * 3000, b"- " * 3000,
    b"a: " + b"[" * 3000, b"\xff\xfe\x00", b"\x00", b"#", b"...",
    b"a: \"\\ud800\"\n", b"a: \"\\x00\"\n", b"\xef\xbb\xbfa: b\n", b"~", b"null", b"- a\n- b\n", b"just text", b"42",
]  # fmt: skip


def value(chance: random.Random) -> Any:
    """Any JSON value that is wrong in most places, right in some."""
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(STRINGS)
    return chance.choice(NUMBERS) if kind < 0.7 else copy.deepcopy(chance.choice(OTHERS))


def damaged(chance: random.Random, data: bytes) -> bytes:
    """The same bytes, cut, doubled, or with something foreign in between."""
    at = chance.randrange(len(data) + 1)
    how = chance.randrange(5)
    if how == 0:
        return data[:at]
    if how == 1:
        return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    if how == 2:
        return (
            data[:at] + chance.choice([b"\x00", b"\xff", b"\xc3\x28", b"}", b"]", b'"', b"\\", b",", b"\n"]) + data[at:]
        )
    if how == 3:
        end = min(len(data), at + chance.randrange(200))
        return data[:end] + data[at:end] + data[end:]
    return data + chance.choice([data, b"x", b"\x00", b" \n", b"{}"])
