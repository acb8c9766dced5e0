"""The comparison of controllers hides what chance and time put into objects, and nothing else."""

from __future__ import annotations

from conformance.loops.__main__ import differences, masked


def test_what_chance_and_time_put_there_is_a_word() -> None:
    obj = {
        "metadata": {"uid": "1", "resourceVersion": "2", "managedFields": [], "name": "a"},
        "spec": {"clusterIP": "10.0.0.1", "clusterIPs": ["None"], "mount": "kube-api-access-abcde"},
        "status": {"since": "2026-11-26T07:00:00Z", "lastProbeTime": None},
    }
    assert masked(obj) == {
        "metadata": {"uid": "<uid>", "resourceVersion": "<resourceVersion>", "name": "a"},
        "spec": {"clusterIP": "<clusterIP>", "clusterIPs": ["None"], "mount": "kube-api-access-*"},
        "status": {"since": "<time>", "lastProbeTime": None},
    }


def test_a_difference_names_its_object_and_shows_both_sides() -> None:
    assert differences({"pods a": {"x": 1}}, {"pods a": {"x": 1}}) == []
    (told,) = differences({"pods a": {"x": 1}}, {"pods a": {"x": 2}})
    assert told.splitlines()[0] == "== pods a"
    assert '- "x": 1' in told and '+ "x": 2' in told


def test_an_object_of_one_side_only_is_a_difference() -> None:
    assert len(differences({"pods a": {}}, {"pods b": {}})) == 2
