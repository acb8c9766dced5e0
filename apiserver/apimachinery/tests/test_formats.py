"""Formats speak upstream's words; the texts come from a real server's answers."""

from __future__ import annotations

import pytest

from apiserver.apimachinery import formats

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
KEY_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
    "'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("a-b", []),
        ("a.b", ["must not contain dots"]),
        ("A_b", [LABEL_RULE]),
        ("a" * 64, ["must be no more than 63 characters"]),
        ("", [LABEL_RULE]),
    ],
)
def test_labels_of_rfc1123(value: str, messages: list[str]) -> None:
    assert list(formats.dns1123_label(value)) == messages


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("name", []),
        ("example.com/name", []),
        ("/name", ["prefix part must be non-empty"]),
        (
            "a/b/c",
            [f"a valid label key {KEY_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"],
        ),
        ("a/", ["name part must be non-empty", f"name part {KEY_RULE}"]),
        ("-x", [f"name part {KEY_RULE}"]),
        ("x" * 64, ["name part must be no more than 63 bytes"]),
    ],
)
def test_qualified_names(value: str, messages: list[str]) -> None:
    assert list(formats.qualified_name(value)) == messages


def test_a_generated_name_may_end_in_a_dash() -> None:
    assert not formats.subdomain_name("web-", True)
    assert formats.subdomain_name("web-", False)


def test_config_keys_may_not_climb() -> None:
    assert formats.config_map_key("..") == ["must not be '..'"]
    assert formats.config_map_key("..a") == ["must not start with '..'"]
    assert not formats.config_map_key(".hidden_file-1")
