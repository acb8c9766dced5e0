"""A seeded stream of requests, most of them wrong: bodies, patches, paths, queries, selectors, headers, bytes on the line.

The same seed and the same catalog give the same requests, whatever was answered: two servers can be asked the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from conformance.interop.catalog import Kind
from conformance.robustness import mutate, values

NAMESPACES = ("fuzz-a", "fuzz-b")
NAMES = ("one", "two", "three")
PATCHES = ("json-patch", "merge-patch", "strategic-merge-patch", "apply")
CONTENT_TYPES = {"apply": "application/apply-patch+yaml"}
ODD_CONTENT_TYPES = [
    "", "application/json; charset=utf-8", "application/yaml", "application/vnd.kubernetes.protobuf", "text/plain",
    "application/cbor",
    "application/apply-patch+cbor", "*/*", ";", "application/json;a", "application/json, text/plain", "\xff",
    "a" * 300, "application/merge-patch+json",
    "multipart/form-data", "application/x-www-form-urlencoded", "application/json-patch+json", "APPLICATION/JSON",
    "application/json-seq",
]  # fmt: skip
ACCEPTS = [
    "application/json", "application/yaml", "*/*", "", "text/html", "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/*",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;as=Nonsense;v=v1;g=meta.k8s.io", "application/json;q=2", ",,;;=",
    "application/vnd.kubernetes.protobuf", "a" * 3000, "application/json;pretty=1",
    "application/json;stream=watch", "text/html,application/json;q=0.1", "application/cbor", "\xe4",
]  # fmt: skip
HEADERS: list[tuple[str, list[str]]] = [
    ("Accept-Encoding", ["gzip", "gzip;q=0", "identity;q=0", "br", ",", "*"]),
    ("Content-Encoding", ["gzip", "br", "identity", "x"]),
    (
        "Authorization",
        ["Bearer x", "Bearer", "Basic YTpi", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "", "x" * 5000],
    ),
    ("Impersonate-User", ["jane", "", "system:anonymous", "system:serviceaccount:a:b", "\xff", "system:node:n"]),
    ("Impersonate-Group", ["system:masters", "", "g"]),
    ("Impersonate-Uid", ["u"]),
    ("Impersonate-Extra-%zz", ["x"]),
    ("If-None-Match", ['"x"', "*"]),
    ("Range", ["bytes=0-1"]),
    ("User-Agent", ["curl/8", "", "Mozilla/5.0", "x" * 3000]),
    ("X-Remote-User", ["admin"]),
    ("Expect", ["100-continue", "x"]),
    ("Audit-Id", ["x" * 1000, "a b"]),
    ("Kubectl-Command", ["x"]),
    ("Upgrade", ["websocket", "SPDY/3.1"]),
]
SELECTORS = [
    "", "a", "a=b", "!a", "a in (b,c)", "a notin (", "a in ()", "a==b,c!=d", "a>1", "a<x", "a>9999999999999999999",
    ",", "=", "a=b=c", "(", "a b", "\x00", "a" * 70,
    "x/y/z", "example.com/a=b", "a=b,,c=d", "!", "in in (in)", "a in (b),", "a = b ", "é=b", "a=" + "b" * 70, "a!b",
    "a==", "a in (,)", "notin",
]  # fmt: skip
FIELDS = [
    "", "metadata.name=one", "metadata.name!=one", "metadata.namespace=fuzz-a", "spec.nodeName=n",
    "status.phase=Running", "x=y", "a", "a==b", "metadata.name",
    ",", "=", "!=", "metadata.name=a\\,b", "metadata.name=\\", "metadata.name=one,metadata.name=two",
    "involvedObject.name=x", "type=Opaque", "\x00=1", "a>b", "metadata.name=" + "a" * 5000,
]  # fmt: skip
REVISIONS = ["", "0", "1", "-1", "x", "1.5", "007", "18446744073709551616", "1e3", " 1", "５"]
CONTINUES = [
    "", "x", "e30", "e30=", "bnVsbA", "%", "\xff", "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLi4vYSJ9",
]  # fmt: skip
NUMBERS = ["0", "1", "-1", "x", "", "3", "500", "9223372036854775807", "9223372036854775808", "1.5", "1e2"]
BOOLS = ["true", "false", "1", "0", "", "x", "TRUE", "yes", "null"]
QUERIES: list[tuple[str, list[str]]] = [
    ("labelSelector", SELECTORS),
    ("fieldSelector", FIELDS),
    ("limit", NUMBERS),
    ("continue", CONTINUES),
    ("resourceVersion", REVISIONS),
    ("resourceVersionMatch", ["Exact", "NotOlderThan", "", "x", "exact"]),
    ("sendInitialEvents", BOOLS),
    ("allowWatchBookmarks", BOOLS),
    ("dryRun", ["All", "", "x", "all"]),
    ("fieldManager", ["m", "", "a" * 129, "\x00", "ä", "a\nb"]),
    ("fieldValidation", ["Strict", "Warn", "Ignore", "", "x"]),
    ("force", BOOLS),
    ("gracePeriodSeconds", NUMBERS),
    ("propagationPolicy", ["Orphan", "Background", "Foreground", "", "x"]),
    ("orphanDependents", BOOLS),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", BOOLS),
    ("pretty", BOOLS),
    ("includeObject", ["None", "Object", "Metadata", "", "x"]),
    ("timeout", ["1s", "0s", "-1s", "x", "", "1", "99999h", "1e9s"]),
    ("tailLines", NUMBERS),
    ("container", ["c", "", "x"]),
    ("shardSelector", ["", "x"]),
]
SEGMENTS = [
    "", "api", "apis", "v1", "v9", "apps", "namespaces", "fuzz-a", "pods", "nodes", "one", "watch", "proxy",
    "status", "log", "exec", "finalize", "..", ".", "%2F", "%00",
    "%zz", "%", "\xff", "a" * 300, "*", "binding", "scale", "token", "openapi", "v2", "v3", "healthz", "readyz",
    "livez", "metrics", "version", "configmaps", "%2e%2e", ";", "a;b", "//",
]  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get"]
LINES = [
    b"GET\r\n\r\n", b"GET /api HTTP/9.9\r\n\r\n", b"GET  /api  HTTP/1.1\r\n\r\n",
    b"GET /api HTTP/1.1\r\nHost\r\n\r\n", b"\x16\x03\x01\x00\x00",
    b"GET /api HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"GET /api HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"\x00" * 50 + b"\r\n\r\n",
    b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    b"GET /\xff HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /api HTTP/1.1\r\n : x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]  # fmt: skip


class Request(NamedTuple):
    """One request as it goes over the line."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    line: bytes = b""  # instead of all of the above: bytes that are no HTTP

    def wire(self) -> bytes:
        if self.line:
            return self.line
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: fuzz", *(f"{n}: {v}" for n, v in self.headers)]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + self.body

    def __str__(self) -> str:
        if self.line:
            return repr(self.line)
        headers = " ".join(f"{name}={value[:80]!r}" for name, value in self.headers)
        return f"{self.method} {self.target[:300]} [{headers}] {self.body[:600]!r}{'…' if len(self.body) > 600 else ''}"


class Requests:
    """Makes requests against the kinds of `catalog`, from `samples` where there are any."""

    def __init__(self, seed: int, catalog: Sequence[Kind], samples: Sequence[dict[str, Any]]) -> None:
        self._chance = random.Random(seed)
        by_kind: dict[tuple[str, str], list[str]] = {}
        for sample in samples:
            by_kind.setdefault((sample["apiVersion"], sample["kind"]), []).append(json.dumps(sample))
        self._kinds = [(kind, by_kind.get((kind.group_version, kind.kind), [self._plain(kind)])) for kind in catalog]
        self._makers: list[tuple[float, Callable[[], Request]]] = [
            (0.26, self._create),
            (0.10, self._update),
            (0.30, self._patch),
            (0.06, self._delete),
            (0.16, self._read),
            (0.003, self._watch),
            (0.05, self._subresource),
            (0.06, self._path),
            (0.004, lambda: Request("", "", (), b"", self._chance.choice(LINES))),
        ]

    @staticmethod
    def _plain(kind: Kind) -> str:
        return json.dumps(
            {"apiVersion": kind.group_version, "kind": kind.kind, "metadata": {"name": "one"}, "spec": {}}
        )

    def __iter__(self) -> Iterator[Request]:
        weights = [weight for weight, _ in self._makers]
        makers = [maker for _, maker in self._makers]
        while True:
            yield self._chance.choices(makers, weights)[0]()

    def _pick(self) -> tuple[Kind, dict[str, Any]]:
        kind, samples = self._chance.choice(self._kinds)
        obj: dict[str, Any] = json.loads(self._chance.choice(samples))
        if self._chance.random() < 0.9 and obj["metadata"]["name"] not in ("192.168.64.200", "csi.example.com"):
            obj["metadata"]["name"] = self._chance.choice(NAMES)
        if "namespace" in obj["metadata"]:
            del obj["metadata"]["namespace"]
        return kind, obj

    def _collection(self, kind: Kind) -> str:
        return kind.path(self._chance.choice(NAMESPACES))

    def _create(self) -> Request:
        kind, obj = self._pick()
        mutate.mutated(self._chance, obj, self._chance.choice([0, 1, 1, 1, 2, 3, 6]))
        return self._made("POST", self._collection(kind), obj, "application/json")

    def _update(self) -> Request:
        kind, obj = self._pick()
        path = f"{self._collection(kind)}/{quote(self._name(obj))}"
        mutate.mutated(self._chance, obj, self._chance.choice([0, 1, 1, 2, 4]))
        return self._made("PUT", path, obj, "application/json")

    @staticmethod
    def _name(obj: dict[str, Any]) -> str:
        return str(obj["metadata"]["name"])

    def _patch(self) -> Request:
        kind, obj = self._pick()
        path = f"{self._collection(kind)}/{quote(self._name(obj))}"
        if kind.subresources and self._chance.random() < 0.2:
            path += f"/{self._chance.choice(sorted(kind.subresources))}"
        how = self._chance.choice(PATCHES)
        patch: Any = obj
        if how == "json-patch":
            patch = mutate.json_patch(self._chance, obj)
        elif how == "strategic-merge-patch":
            patch = mutate.strategic_patch(self._chance, obj)
        else:
            patch = mutate.mutated(self._chance, obj, self._chance.choice([0, 1, 1, 2, 4]))
        content_type = CONTENT_TYPES.get(how, f"application/{how}+json")
        query = [("fieldManager", "fuzz")] if how == "apply" and self._chance.random() < 0.9 else []
        return self._made("PATCH", path, patch, content_type, query)

    def _delete(self) -> Request:
        kind, obj = self._pick()
        path = self._collection(kind)
        if self._chance.random() < 0.9 or not kind.namespaced:
            path += f"/{quote(self._name(obj))}"
        options: Any = None
        if self._chance.random() < 0.5:
            options = {
                "kind": "DeleteOptions",
                "apiVersion": "v1",
                "gracePeriodSeconds": 0,
                "preconditions": {"uid": "x"},
            }
            mutate.mutated(self._chance, options, self._chance.randrange(4))
        return self._made("DELETE", path, options, "application/json")

    def _read(self) -> Request:
        kind, obj = self._pick()
        path = self._collection(kind) if self._chance.random() < 0.8 else kind.path()
        if self._chance.random() < 0.4:
            path += f"/{quote(self._name(obj))}"
        return self._made("GET", path, None, "")

    def _watch(self) -> Request:
        kind, _ = self._pick()
        query = [("watch", self._chance.choice(BOOLS)), ("timeoutSeconds", "1")]
        return self._made("GET", self._collection(kind), None, "", query)

    def _subresource(self) -> Request:
        kind, obj = self._pick()
        names = sorted(kind.subresources) or ["status", "scale", "nonsense"]
        path = f"{self._collection(kind)}/{quote(self._name(obj))}/{self._chance.choice(names)}"
        method = self._chance.choice(["GET", "POST", "PUT", "PATCH", "DELETE"])
        mutate.mutated(self._chance, obj, self._chance.randrange(4))
        return self._made(method, path, obj if method != "GET" else None, "application/json")

    def _path(self) -> Request:
        steps = [self._chance.choice(SEGMENTS) for _ in range(self._chance.randrange(8))]
        body = values.value(self._chance) if self._chance.random() < 0.3 else None
        return self._made(self._chance.choice(METHODS), "/" + "/".join(steps), body, "application/json")

    def _made(
        self, method: str, path: str, obj: Any, content_type: str, query: Sequence[tuple[str, str]] = ()
    ) -> Request:
        """The request, with a few more oddities: in query, headers, the body's bytes and type."""
        chance = self._chance
        pairs = list(query)
        while chance.random() < 0.25:
            name, choices = chance.choice(QUERIES)
            pairs.append((name, chance.choice(choices)))
        target = f"{path}?{urlencode(pairs)}" if pairs else path
        if chance.random() < 0.01:
            target += chance.choice(["?", "&", "?%zz", "?a;b", "?=&=", "?watch", "#x", "?" + "a=b&" * 500])
        body = b"" if obj is None else mutate.encoded(chance, obj)
        if content_type and chance.random() < 0.04:
            content_type = chance.choice(ODD_CONTENT_TYPES)
        if "yaml" in content_type and chance.random() < 0.15:
            body = chance.choice(values.YAML)
        if "protobuf" in content_type and chance.random() < 0.8:
            body = b"k8s\x00" + chance.randbytes(chance.randrange(60))
        if chance.random() < 0.01:
            body = chance.choice([b"", b"x", chance.choice(values.RAW), chance.choice(values.YAML), b" " * 10_000])
        return Request(method, target, self._headers(content_type), body)

    def _headers(self, content_type: str) -> tuple[tuple[str, str], ...]:
        chance = self._chance
        found = [("Content-Type", content_type)] if content_type else []
        if chance.random() < 0.15:
            found.append(("Accept", chance.choice(ACCEPTS)))
        while chance.random() < 0.04:
            name, choices = chance.choice(HEADERS)
            found.append((name, chance.choice(choices)))
        return tuple(found)
