"""Jobs: generated selectors, what is for good, what may change at rest, statuses that lead where clients expect."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.apps.tests.worlds import CTX, created, errors, made
from apiserver.api.batch import job
from apiserver.api.batch.indexes import IndexesError, count_indexes, overlap
from apiserver.api.batch.labels import CONTROLLER_UID
from apiserver.apimachinery.objects import Object, copy

RESOURCE = job.RESOURCE
POD: Object = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]},
}
START, STOP = "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z"
DONE = [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]


def new(**spec: Any) -> Object:
    return created(RESOURCE, made(RESOURCE, {"spec": {"template": POD, **spec}}))


def status_errors(old: Object, status: Object, new_status: Object) -> list[str]:
    strategy = next(s.strategy for s in RESOURCE.subresources if s.name == "status")
    assert strategy is not None
    before, after = {**copy(old), "status": status}, {**copy(old), "status": new_status}
    return [str(e) for e in strategy.validate_update(CTX, after, before)]


def test_pods_of_a_job_are_found_by_its_uid() -> None:
    obj = new()
    assert obj["spec"]["selector"] == {"matchLabels": {CONTROLLER_UID: "u"}}
    assert obj["spec"]["template"]["metadata"]["labels"] == {
        "a": "b",
        "job-name": "x",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u",
        CONTROLLER_UID: "u",
    }
    assert errors(RESOURCE, obj) == []


def test_labels_the_job_got_from_its_template_show_the_generated_ones() -> None:
    assert new()["metadata"]["labels"] == new()["spec"]["template"]["metadata"]["labels"]
    obj = made(RESOURCE, {"spec": {"template": POD}}, labels={"a": "b"})
    assert created(RESOURCE, obj)["metadata"]["labels"] == {"a": "b"}


def test_a_selector_of_ones_own_has_to_be_asked_for() -> None:
    own = {"matchLabels": {"a": "b"}}
    assert any("`selector` not auto-generated" in e for e in errors(RESOURCE, new(selector=own)))
    assert errors(RESOURCE, new(selector=own, manualSelector=True)) == []


def test_most_of_a_job_is_for_good() -> None:
    old = new()
    obj = copy(old)
    obj["spec"].update(completions=5, managedBy="example.com/x")
    obj["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
    found = errors(RESOURCE, obj, old)
    assert [e.partition(":")[0] for e in found] == ["spec.completions", "spec.template", "spec.managedBy"]
    assert found[1].startswith('spec.template: Invalid value: {"labels":{"a":"b",')


def test_where_pods_go_may_change_while_the_job_is_at_rest() -> None:
    old = new(suspend=True)
    obj = copy(old)
    template = obj["spec"]["template"]
    template["metadata"]["annotations"] = {"x": "y"}
    template["spec"].update(nodeSelector={"disk": "ssd"}, tolerations=[{"operator": "Exists"}])
    template["spec"]["affinity"] = {"nodeAffinity": {}}
    template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    assert errors(RESOURCE, obj, old) == []
    running = {**copy(old), "status": {"active": 1}}
    assert [e.partition(":")[0] for e in errors(RESOURCE, obj, running)] == ["spec.template"]
    template["spec"]["dnsPolicy"] = "Default"
    assert [e.partition(":")[0] for e in errors(RESOURCE, obj, old)] == ["spec.template.spec"]


def test_completions_of_an_indexed_job_move_with_its_parallelism() -> None:
    old = new(completionMode="Indexed", completions=4, parallelism=4)
    for completions, parallelism, wrong in ((3, 3, 0), (3, 4, 1)):
        obj = copy(old)
        obj["spec"].update(completions=completions, parallelism=parallelism)
        assert len(errors(RESOURCE, obj, old)) == wrong


def test_failure_policies_need_pods_that_do_not_restart() -> None:
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 1, 0]}}, {"action": "Ignore"}]
    pod = copy(POD)
    pod["spec"]["restartPolicy"] = "OnFailure"
    path = "spec.podFailurePolicy.rules"
    assert errors(RESOURCE, new(podFailurePolicy={"rules": rules}, template=pod)) == [
        f"{path}[0].onExitCodes.values[2]: Invalid value: 0: must not be 0 for the In operator",
        f"{path}[0].onExitCodes.values: Invalid value: [2,1,0]: must be ordered",
        f"{path}[1]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is '
        "specified",
    ]


def test_a_job_completes_once_with_its_times() -> None:
    old, running = new(), {"startTime": START, "active": 1}
    done = {"startTime": START, "completionTime": STOP, "succeeded": 1, "conditions": DONE}
    assert status_errors(old, running, done) == []
    assert status_errors(old, running, {**done, "active": 1}) == [
        "status.active: Invalid value: 1: active>0 is invalid for finished job"
    ]
    assert status_errors(old, running, {**done, "completionTime": None}) == [
        "status.completionTime: Required value: completionTime is required for Complete jobs"
    ]
    assert status_errors(old, done, {**done, "conditions": DONE[:1], "succeeded": 0, "completionTime": None}) == [
        "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
        "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
    ]


def test_a_job_fails_by_way_of_its_failure_target() -> None:
    failed = {"type": "Failed", "status": "True"}
    target = {"type": "FailureTarget", "status": "True"}
    status = {"startTime": START, "failed": 1}
    assert status_errors(new(), status, {**status, "conditions": [target, failed]}) == []
    assert status_errors(new(), status, {**status, "conditions": [failed]}) == [
        "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"
    ]


def test_what_was_stored_wrong_does_not_block_other_changes() -> None:
    wrong = {"startTime": START, "completedIndexes": "9,1"}
    assert status_errors(new(), wrong, {**wrong, "active": 1}) == []


def test_a_delete_that_says_nothing_of_pods_warns() -> None:
    assert len(list(RESOURCE.strategy.warnings_on_delete({}))) == 1
    assert list(RESOURCE.strategy.warnings_on_delete({"propagationPolicy": "Orphan"})) == []


@pytest.mark.parametrize(("text", "count"), [("", 0), ("1", 1), ("0,2-4", 4)])
def test_indexes_are_counted(text: str, count: int) -> None:
    assert count_indexes(text, 5) == count


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,0", "non-increasing order, previous: 1, current: 0"),
        ("2-2", "non-increasing order, previous: 2, current: 2"),
        ("0-5", 'too large index: "5"'),
        ("x", 'cannot convert string to integer for index: "x"'),
        (
            "1-2-3",
            'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts '
            "separated by '-'",
        ),
    ],
)
def test_indexes_that_cannot_be_read(text: str, why: str) -> None:
    with pytest.raises(IndexesError) as refused:
        count_indexes(text, 5)
    assert str(refused.value) == why


def test_overlap_is_the_first_common_index() -> None:
    assert overlap("0-2,5", "3,4-6", 10) == 5
    assert overlap("0-2", "x,3", 10) is None


def test_a_status_without_ready_pods_says_nothing_of_them() -> None:
    assert status_errors(new(), {}, {"active": -1}) == [
        "status.active: Invalid value: -1: must be greater than or equal to 0"
    ]
