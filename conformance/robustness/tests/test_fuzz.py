"""20,000 bad requests over real sockets; `make fuzz` sends a million of the same stream."""

from __future__ import annotations

from itertools import islice

import pytest

from conformance.interop.catalog import Kind
from conformance.interop.fill import objects
from conformance.ours import pocketkube_server
from conformance.robustness.fuzz import GROWTH_MB, fuzz
from conformance.robustness.judge import Judge, load_allowed
from conformance.robustness.requests import Request, Requests
from conformance.robustness.wire import Reply

KINDS = [Kind("v1", "pods", "Pod", True, frozenset({"status"}), frozenset({"create"}))]
GET = Request("GET", "/api/v1/pods", (), b"")


@pytest.mark.slow
def test_twenty_thousand_bad_requests_meet_no_bug() -> None:
    with pocketkube_server() as target:
        outcome = fuzz(target, seed=20, count=20_000)
    assert not outcome.findings, "\n".join(outcome.lines())
    assert outcome.growth < GROWTH_MB
    assert min(outcome.codes[code] for code in (200, 201, 400, 403, 404, 405, 406, 409, 415, 422)) > 10


def test_the_same_seed_makes_the_same_requests() -> None:
    first, again, other = (list(islice(Requests(seed, KINDS, objects()), 300)) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, b"{}", ""),
        (404, b'{"kind":"Status","status":"Failure","reason":"NotFound","message":"m","code":404}', ""),
        (500, b'{"kind":"Status","status":"Failure","message":"unknown patch type: x","code":500}', ""),
        (500, b'{"kind":"Status","status":"Failure","message":"m","code":500}', "500 m"),
        (
            404,
            b'{"kind":"Status","status":"Failure","reason":"Gone","message":"m","code":404}',
            "404 with reason 'Gone': m",
        ),
        (
            404,
            b'{"kind":"Status","status":"Failure","reason":"NotFound","message":"m","code":400}',
            "404 with an odd Status",
        ),
        (400, b'"what?"', '400 is no Status: "what?"'),
    ],
)
def test_the_judge_knows_a_refusal_from_a_failure(status: int, body: bytes, verdict: str) -> None:
    reply = Reply(status, {"content-type": "application/json"}, body)
    found = Judge(load_allowed()).verdict(GET, reply)
    assert found == verdict or (verdict and found.startswith(verdict))
