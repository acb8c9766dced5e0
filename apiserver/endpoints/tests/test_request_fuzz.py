"""Whatever a path, query or header says: an answer below 500 (but for upstream's own 500 on `/watch` alone), never a bug."""

from __future__ import annotations

import random

import pytest

from apiserver.endpoints.tests.test_request_path import World

STEPS = [
    "",
    "api",
    "apis",
    "v1",
    "v9",
    "apps",
    "namespaces",
    "pods",
    "nodes",
    "a",
    "watch",
    "proxy",
    "status",
    "log",
    "exec",
]
STEPS += ["finalize", "deployments", "..", "%2F", "\x00", "ünï", " ", "x" * 300, "*", "binding", "subjectaccessreviews"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "FOO", ""]
QUERIES = [
    "",
    "watch=1",
    "watch",
    "timeout=1s",
    "timeout=x",
    "timeout=-1h",
    "limit=x",
    "pretty=1",
    "pretty=%zz",
    "a;b=c",
    "&&=&",
]
QUERIES += [
    "fieldSelector=metadata.name%3Da",
    "fieldSelector=,,=,!=",
    "labelSelector=%00",
    "dryRun=All",
    "exclude=x&verbose",
]
HEADERS = {
    "accept": ["", "*/*", "text/html", "application/yaml", "application/json;as=Table", ",,;;,", "a" * 3000],
    "accept-encoding": ["gzip", "gzip;q=0", ",", "br"],
    "content-type": ["", "application/json", "application/merge-patch+json", ";", "\x00"],
    "audit-id": ["", "x" * 1000, "a b"],
    "user-agent": ["curl/8", "Mozilla/5.0", ""],
    "x-user": ["admin", "eve", "bad", "nobody", ""],
    "impersonate-user": ["admin", "system:serviceaccount:a:b", "system:serviceaccount:", "system:node:x", ""],
    "impersonate-group": ["system:masters", "", "g"],
    "impersonate-extra-%zz": ["x"],
    "impersonate-uid": ["", "u"],
}


@pytest.mark.parametrize("seed", range(4))
async def test_no_request_meets_a_bug(seed: int) -> None:
    chance = random.Random(seed)
    world = World()
    for _ in range(1500):
        path = "/" + "/".join(chance.choice(STEPS) for _ in range(chance.randrange(8)))
        target = f"{path}?{'&'.join(chance.choice(QUERIES) for _ in range(chance.randrange(3)))}"
        headers = {name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < 0.3}
        headers.setdefault("x-user", "admin")
        method = chance.choice(METHODS)
        answer = await world.ask(method, target, headers)
        text = answer.body_bytes()
        assert answer.status < 500 or b"failed to create RequestInfo" in text, (method, target, headers, text)
        assert dict(answer.headers)["Audit-Id"]
    resources = {labels[4] for labels in world.metrics.requests.values}
    assert resources <= {"", "pods", "nodes", "namespaces", "deployments", "subjectaccessreviews"}
