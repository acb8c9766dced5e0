"""Single filters: warnings, compression, durations of requests, metrics."""

from __future__ import annotations

import gzip

import pytest

from apiserver.apimachinery.http import Headers, Request, RequestInfo, Response, StreamResponse
from apiserver.endpoints.filters.compression import THRESHOLD, compress, gzip_compressor
from apiserver.endpoints.filters.warning import ITEM_LENGTH, TOTAL_LENGTH, warning_headers
from apiserver.endpoints.metrics import Counter, Gauge, Histogram, Metrics
from apiserver.endpoints.tests.doubles import CollectingSink

LIST = RequestInfo(True, "list", "/api/v1/pods", resource="pods")


def test_a_text_with_control_characters_is_no_warning() -> None:
    assert warning_headers(["a\r\nSet-Cookie: x", "", "ünïcode is fine"]) == [("Warning", '299 - "ünïcode is fine"')]


def test_too_much_text_is_cut_item_by_item() -> None:
    texts = [f"{n:03}" + "x" * 1000 for n in range(40)]
    headers = warning_headers(texts)
    assert all(len(value) == len('299 - ""') + ITEM_LENGTH for _, value in headers)
    assert len(headers) == TOTAL_LENGTH // ITEM_LENGTH


def request(encoding: str) -> Request:
    return Request("GET", "/api/v1/pods", headers=Headers([("Accept-Encoding", encoding)]))


@pytest.mark.parametrize("pieces", [1, 300])
async def test_a_large_list_goes_out_compressed_when_asked(pieces: int) -> None:
    compressor = gzip_compressor()
    assert compressor is not None
    plain = [bytes([65 + n % 20]) * (2 * THRESHOLD // pieces) for n in range(pieces)]
    answer = compress(request("br, gzip"), LIST, Response(200, plain if pieces > 1 else plain[0]), compressor)
    assert isinstance(answer, StreamResponse)
    assert ("Content-Encoding", "gzip") in answer.headers
    sink = CollectingSink()
    await answer.run(sink)
    assert gzip.decompress(b"".join(sink.payloads)) == b"".join(plain)


@pytest.mark.parametrize(
    ("encoding", "size", "status"),
    [
        ("identity", 2 * THRESHOLD, 200),
        ("gzip", THRESHOLD, 200),
        ("gzip", 2 * THRESHOLD, 404),
        ("xgzip", 2 * THRESHOLD, 200),
    ],
)
async def test_what_stays_plain(encoding: str, size: int, status: int) -> None:
    compressor = gzip_compressor()
    assert compressor is not None
    answer = Response(status, b"x" * size)
    assert compress(request(encoding), LIST, answer, compressor) is answer


def test_metrics_in_prometheus_text() -> None:
    counter = Counter("c_total", "Counts.", ("a",))
    counter.add(('x"\n\\',))
    counter.add(('x"\n\\',), 2)
    assert list(counter.lines())[-1] == 'c_total{a="x\\"\\n\\\\"} 3'
    gauge = Gauge("g", "Shows.", lambda: [((), 1.5)])
    assert list(gauge.lines()) == ["# HELP g Shows.", "# TYPE g gauge", "g 1.5"]
    histogram = Histogram("h", "Spreads.", (1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.observe(value)
    assert list(histogram.lines())[2:] == [
        'h_bucket{le="1"} 2',
        'h_bucket{le="2"} 3',
        'h_bucket{le="+Inf"} 4',
        "h_sum 12",
        "h_count 4",
    ]


async def test_metrics_are_served_and_reset() -> None:
    metrics = Metrics()
    metrics.observe_request(Request("GET", "/"), LIST, 200, 0.01)
    text = (await metrics.serve(Request("GET", "/metrics"))).body_bytes().decode()
    assert 'apiserver_request_total{code="200"' in text
    assert "process_resident_memory_bytes " in text
    assert (await metrics.serve(Request("DELETE", "/metrics"))).body == b"metrics reset\n"
    assert "apiserver_request_total{code" not in metrics.render().decode()
