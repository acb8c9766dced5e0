"""What was found without fault is known again, and nothing else is."""

from __future__ import annotations

from apiserver.apimachinery.faultless import Faultless


def test_an_equal_value_is_known_and_a_similar_one_is_not() -> None:
    memo = Faultless()
    memo.add(memo.key({"a": 1}, "x"))
    assert memo.key({"a": 1}, "x") in memo
    for other in (memo.key({"a": 1.0}, "x"), memo.key({"a": True}, "x"), memo.key({"a": 1}), memo.key({"a": "1"}, "x")):
        assert other not in memo


def test_what_is_in_use_stays_and_the_rest_is_forgotten() -> None:
    memo = Faultless(kept=10)
    used, unused = memo.key("used"), memo.key("unused")
    memo.add(used)
    memo.add(unused)
    for i in range(100):
        memo.add(memo.key(i))
        assert used in memo
    assert unused not in memo
