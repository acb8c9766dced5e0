"""Label and field selectors: what they match, how they print, what they refuse (texts seen on the real server, v1.37.2)."""

from __future__ import annotations

import pytest

from apiserver.apimachinery import fields, labels
from apiserver.apimachinery.labels import SelectorError


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        ("b=1,a", "a,b=1"),
        ("x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"),
        ("!a", "!a"),
        ("a>5,b<3", "a>5,b<3"),
        (" a == b ", "a==b"),
        ("a!=", "a!="),
    ],
)
def test_label_selectors_print_in_normal_form(text: str, printed: str) -> None:
    assert str(labels.parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("a=1", {"a": "1", "b": "x"}, {"a": "2"}),
        ("a!=1", {}, {"a": "1"}),
        ("a in (1,2)", {"a": "2"}, {"a": "3"}),
        ("a notin (1)", {"b": "1"}, {"a": "1"}),
        ("a", {"a": ""}, {"b": "1"}),
        ("!a", {"b": "1"}, {"a": "1"}),
        ("a>5", {"a": "6"}, {"a": "x"}),
        ("a=1,b=2", {"a": "1", "b": "2"}, {"a": "1"}),
    ],
)
def test_label_selectors_match_maps_and_pairs_alike(text: str, matching: dict[str, str], other: dict[str, str]) -> None:
    selector = labels.parse(text)
    assert selector.matches(matching)
    assert selector.matches_pairs(labels.pairs(matching))
    assert not selector.matches(other)
    assert not selector.matches_pairs(labels.pairs(other))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a,", "found '', expected: identifier after ','"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
    ],
)
def test_label_selectors_are_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as refused:
        labels.parse(text)
    assert str(refused.value) == message


def test_a_bad_key_says_what_keys_look_like() -> None:
    with pytest.raises(
        SelectorError, match=r'^unable to parse requirement: <nil>: Invalid value: "-": name part must consist'
    ):
        labels.parse("-")


def test_an_absent_label_selector_selects_nothing_an_empty_one_everything() -> None:
    assert not labels.from_label_selector(None).matches({"a": "1"})
    assert labels.from_label_selector({}).matches({"a": "1"})
    expression = {"key": "b", "operator": "DoesNotExist"}
    selector = labels.from_label_selector({"matchLabels": {"a": "1"}, "matchExpressions": [expression]})
    assert str(selector) == "a=1,!b"
    assert selector.requires_exact_match("a") == "1"
    assert selector.requires_exact_match("b") is None


def test_field_selectors_escape_and_match() -> None:
    selector = fields.parse("metadata.name=a\\,b,spec.x!=1")
    assert selector.matches({"metadata.name": "a,b"})
    assert not selector.matches({"metadata.name": "a,b", "spec.x": "1"})
    assert selector.requires_exact_match("metadata.name") == "a,b"
    assert str(selector) == "metadata.name=a\\,b,spec.x!=1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=\\x", "invalid field selector: invalid escape sequence: \\x"),
    ],
)
def test_field_selectors_are_refused_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as refused:
        fields.parse(text)
    assert str(refused.value) == message


@pytest.mark.parametrize(("text", "left"), [("=", ""), ("!=", ""), ("a=b,=", "a=b"), ("=x", "=x")])
def test_a_field_selector_of_nothing_selects_everything(text: str, left: str) -> None:
    assert fields.parse(text) == fields.parse(left)
