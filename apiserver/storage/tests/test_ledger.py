"""The judge of the kill tests, judged: it must notice each of the ways to lose."""

from __future__ import annotations

import pytest

from apiserver.storage.interface import DELETE, PUT, Event
from apiserver.storage.tests.ledger import Ledger


def ledger() -> Ledger:
    good = Ledger()
    good.tried = {"put-1": "/a", "put-2": "/a", "delete-3": "/a", "put-4": "/b", "put-5": "/b"}
    good.acknowledged = {"put-1": 2, "delete-3": 4, "put-4": 5}
    good.extend(
        [
            Event(PUT, "/a", 2, b"put-1", None, 0),
            Event(PUT, "/a", 3, b"put-2", b"put-1", 2),  # not acknowledged, yet it may have happened
            Event(DELETE, "/a", 4, None, b"put-2", 3),
            Event(PUT, "/b", 5, b"put-4", None, 0),
        ]
    )
    return good


def test_a_good_history_passes() -> None:
    ledger().check()
    ledger().check_chain()
    assert [item.key for item in ledger().state()] == ["/b"]


def test_a_lost_write_is_noticed() -> None:
    bad = ledger()
    bad.history.pop()
    with pytest.raises(AssertionError, match="put-4 at 5 is missing"):
        bad.check()


def test_a_doubled_write_is_noticed() -> None:
    bad = ledger()
    bad.extend([Event(PUT, "/b", 6, b"put-4", b"put-4", 5)])
    with pytest.raises(AssertionError, match="put-4 was written twice"):
        bad.check()


def test_a_revision_used_for_another_write_is_noticed() -> None:
    bad = ledger()
    bad.history[-1] = Event(PUT, "/b", 5, b"put-5", None, 0)
    with pytest.raises(AssertionError, match="revision 5 of put-4 was used for"):
        bad.check()


def test_a_revision_acknowledged_twice_is_noticed() -> None:
    bad = ledger()
    bad.tried["delete-6"] = "/a"
    bad.acknowledged["delete-6"] = 4
    with pytest.raises(AssertionError, match="acknowledged twice"):
        bad.check()


def test_a_write_that_nobody_tried_is_noticed() -> None:
    bad = ledger()
    bad.extend([Event(PUT, "/c", 6, b"ghost", None, 0)])
    with pytest.raises(AssertionError, match="ghost was never tried"):
        bad.check()


def test_an_event_told_twice_or_out_of_order_is_noticed() -> None:
    bad = ledger()
    with pytest.raises(AssertionError, match="revision 5 came after 5"):
        bad.extend([bad.history[-1]])


def test_a_missing_event_breaks_the_chain() -> None:
    bad = ledger()
    del bad.history[1]
    with pytest.raises(AssertionError, match="revision 4 knows another past"):
        bad.check_chain()
