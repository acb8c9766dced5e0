"""JSON inside a text, as Go reads it; the words are the real server's (asked on 2026-11-26)."""

from __future__ import annotations

import pytest

from apiserver.apimachinery.decoding.texts import TextError, read

TOLERATIONS = "[]io.k8s.api.core.v1.Toleration"


def test_names_may_be_written_in_any_case() -> None:
    assert read('[{"Key":"k","OPERATOR":"Exists","unknown":1}]', TOLERATIONS) == [{"key": "k", "operator": "Exists"}]
    assert read("null", TOLERATIONS) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ("[1", "unexpected end of JSON input"),
        ("{}", "json: cannot unmarshal object into Go value of type []v1.Toleration"),
        ("[1]", "json: cannot unmarshal number into Go value of type v1.Toleration"),
        ('[{"key":1}]', "json: cannot unmarshal number into Go struct field Toleration.key of type string"),
    ],
)
def test_what_cannot_be_read_is_told_in_gos_words(text: str, why: str) -> None:
    with pytest.raises(TextError) as refused:
        read(text, TOLERATIONS)
    assert str(refused.value) == why
