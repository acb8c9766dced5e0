"""The text form of completion indexes, and what is asked of it."""

from __future__ import annotations

import pytest

from controllers.loops.job.indexes import Indexes


@pytest.mark.parametrize(
    ("text", "again", "size"),
    [
        ("", "", 0),
        ("0", "0", 1),
        ("0,1", "0,1", 2),
        ("0,1,2", "0-2", 3),
        ("1-3,5,7-9", "1-3,5,7-9", 7),
        ("x,3", "3", 1),
    ],
)
def test_the_text_form_is_read_and_written_shortest(text: str, again: str, size: int) -> None:
    indexes = Indexes.parse(text, 100)
    assert (str(indexes), len(indexes), len(list(indexes))) == (again, size, size)


def test_indexes_beyond_the_completions_are_not_there() -> None:
    assert str(Indexes.parse("0-5,8,9", 4)) == "0-3"


def test_the_first_missing_are_found_between_and_after() -> None:
    indexes = Indexes.parse("1-2,4", 10)
    assert indexes.first_missing(3, 10) == [0, 3, 5]
    assert indexes.first_missing(10, 6) == [0, 3, 5]
    assert Indexes().first_missing(2, 1) == [0]


def test_unions_join_what_touches() -> None:
    assert str(Indexes.parse("0,4", 10).adding([3, 1, 9])) == "0,1,3,4,9"
    assert Indexes.parse("0-4,8", 10).common(Indexes.parse("3-9", 10)) == 3
