"""The judge is judged: masks hide only what has the masked type, and no difference goes unseen."""

from __future__ import annotations

from conformance.differential.compare import compare, load_rules
from conformance.differential.scenario import fill, load

RULES = load_rules()
UID = "0b7c4f0e-5a40-4b55-9d3c-8e2c9d6f1a11"


def answer(body: object, status: int = 200) -> dict[str, object]:
    return {"status": status, "type": "application/json", "body": body}


def test_two_uids_and_two_revisions_agree() -> None:
    left = answer({"metadata": {"uid": UID, "resourceVersion": "7"}})
    right = answer({"metadata": {"uid": UID.replace("0", "1"), "resourceVersion": "8"}})
    assert compare(RULES, left, right) == []


def test_a_missing_volatile_field_is_a_difference() -> None:
    left = answer({"metadata": {"uid": UID, "resourceVersion": "7"}})
    assert compare(RULES, left, answer({"metadata": {"uid": UID}})) == [
        ".body.metadata.resourceVersion: missing (real: '<resourceVersion>')"
    ]


def test_a_volatile_field_of_another_form_is_a_difference() -> None:
    left = answer({"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}})
    right = answer({"metadata": {"creationTimestamp": "2026-01-01 00:00:00"}})
    assert len(compare(RULES, left, right)) == 1


def test_managers_in_the_order_of_their_times_agree_whatever_the_second() -> None:
    def entries(*written: tuple[str, int]) -> dict[str, object]:
        made = [
            {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": f"2026-01-01T00:00:0{second}Z"}
            for manager, second in written
        ]
        return answer({"metadata": {"managedFields": made}})

    same_second, next_second = entries(("a", 1), ("b", 1)), entries(("b", 1), ("a", 2))
    assert compare(RULES, same_second, next_second) == []
    assert compare(RULES, same_second, entries(("b", 1), ("a", 1))) != []


def test_status_numbers_and_types_count() -> None:
    assert compare(RULES, answer({"a": 1}), answer({"a": True})) == [".body.a: True (real: 1)"]
    assert compare(RULES, answer({}, 200), answer({}, 201)) == [".status: 201 (real: 200)"]


def test_every_scenario_loads_and_names_its_steps_once() -> None:
    names = [f"{s.area}/{s.name}" for s in load()]
    assert len(names) == len(set(names))
    assert sum(len(s.steps) for s in load()) >= 500


def test_a_derived_object_leaves_its_origin_alone() -> None:
    variables = {"o": {"a": {"b": 1}}}
    assert fill({"$with": "${o}", "set": {"a.b": 2, "c": 3}, "unset": []}, variables) == {"a": {"b": 2}, "c": 3}
    assert variables == {"o": {"a": {"b": 1}}}
