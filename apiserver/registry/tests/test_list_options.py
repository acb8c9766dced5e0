"""ListOptions from a query: defaults and upstream's validation."""

from __future__ import annotations

import pytest

from apiserver.apimachinery.errors import StatusError
from apiserver.registry.list_options import EXACT, NOT_OLDER_THAN, parse_bool, parse_list_options


def refusals(**query: str) -> list[str]:
    with pytest.raises(StatusError) as caught:
        parse_list_options(query)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    return [f"{c['field']}: {c['message']}" for c in (caught.value.details or {})["causes"]]


def test_nothing_asked_is_a_plain_list() -> None:
    options = parse_list_options({})
    assert (options.watch, options.limit, options.send_initial_events) == (False, 0, None)


@pytest.mark.parametrize("revision", ["", "0"])
def test_a_watch_from_nowhere_asks_for_initial_events(revision: str) -> None:
    options = parse_list_options({"watch": "1", "resourceVersion": revision})
    assert (options.send_initial_events, options.match) == (True, NOT_OLDER_THAN)
    assert not options.is_watch_list
    assert parse_list_options({"watch": "1", "allowWatchBookmarks": "1"}).is_watch_list


def test_a_watch_from_a_revision_and_a_watch_path_do_not() -> None:
    assert parse_list_options({"watch": "1", "resourceVersion": "5"}).send_initial_events is None
    options = parse_list_options({"resourceVersion": "0"}, force_watch=True)
    assert (options.watch, options.send_initial_events) == (True, None)


@pytest.mark.parametrize(("text", "value"), [("", True), ("1", True), ("x", True), ("0", False), ("FALSE", False)])
def test_booleans_as_upstream_reads_them(text: str, value: bool) -> None:
    assert parse_bool(text) is value
    assert parse_bool(None) is False


def test_lists_are_validated() -> None:
    match = "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden"
    assert refusals(resourceVersionMatch=EXACT) == [f"{match} unless resourceVersion is provided"]
    assert refusals(resourceVersionMatch="x", resourceVersion="1", **{"continue": "y"}) == [
        f"{match} when continue is provided",
        'resourceVersionMatch: Unsupported value: "x": supported values: "Exact", "NotOlderThan", ""',
    ]
    assert refusals(resourceVersionMatch=EXACT, resourceVersion="0") == [
        'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    ]
    assert refusals(sendInitialEvents="false") == [
        "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"
    ]


def test_watches_are_validated() -> None:
    assert refusals(watch="1", sendInitialEvents="true") == [
        "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    ]
    assert refusals(watch="1", resourceVersionMatch=EXACT, resourceVersion="1") == [
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        'resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"',
    ]


def test_selectors_that_cannot_be_read_are_a_400() -> None:
    with pytest.raises(StatusError, match="invalid selector: 'a'; can't understand 'a'") as caught:
        parse_list_options({"fieldSelector": "a"})
    assert caught.value.code == 400
