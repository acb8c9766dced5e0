"""What a driver's words come to."""

from __future__ import annotations

from conformance.clients.__main__ import outcome
from conformance.clients.languages import HERE, LANGUAGES


def test_steps_are_counted_and_failures_are_told() -> None:
    assert outcome("ok a\n# a remark\nok b\nFAIL c: because\n", 1) == (2, ["c: because"])


def test_a_driver_that_crashed_or_did_nothing_has_failed() -> None:
    assert outcome("ok a\nTraceback", 2) == (1, ["ended with 2: ok a\nTraceback"])
    assert outcome("", 0) == (0, ["did nothing"])


def test_every_language_has_its_sources() -> None:
    assert sorted(LANGUAGES) == sorted(
        p.name for p in HERE.iterdir() if p.is_dir() and p.name not in ("tests", "__pycache__")
    )
