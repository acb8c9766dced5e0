"""A kubelet's refusal: what the real API server made of the same answers (asked on 2026-11-26, `GET …/pods/three/log`)."""

from __future__ import annotations

import pytest

from apiserver.api.core.rest.refusals import refused

TOLD = [
    (207, "x", "", "the server responded with the status code 207 but did not return more information"),
    (401, "x", "Unauthorized", "the server has asked for the client to provide credentials"),
    (403, 'no "way"\n', "Forbidden", 'no "way"\n'),
    (404, "x", "NotFound", "the server could not find the requested resource"),
    (406, "unknown", "NotAcceptable", "the server was unable to respond with a content type that the client supports"),
    (406, "none of these", "NotAcceptable", "none of these"),
    (410, "x", "", "the server responded with the status code 410 but did not return more information"),
    (415, "", "UnsupportedMediaType", ""),
    (
        501,
        'no "way"\n',
        "InternalError",
        'an error on the server ("no \\"way\\"\\n") has prevented the request from succeeding',
    ),
    (503, "x", "ServiceUnavailable", "the server is currently unable to handle the request"),
]


@pytest.mark.parametrize(("code", "body", "reason", "message"), TOLD)
def test_a_refusal_keeps_its_code_and_names_what_was_asked_for(code: int, body: str, reason: str, message: str) -> None:
    error = refused(code, "pods/log", "three", body)
    assert (error.code, error.reason, error.message) == (code, reason, f"{message} ( pods/log three)")
    assert error.details == {"name": "three", "kind": "pods/log"}


def test_a_bad_request_and_an_internal_error_are_told_in_the_kubelets_words() -> None:
    assert refused(400, "pods/log", "three", "no such container").message == "no such container"
    assert refused(500, "pods/log", "three", "disk").message == "Internal error occurred: disk"


def test_an_error_without_words_leaves_them_out() -> None:
    assert "message" not in refused(400, "pods/log", "three", "").status()
    assert refused(500, "pods/log", "three", "").status()["details"] == {"causes": [{}]}
