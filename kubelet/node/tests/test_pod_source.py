"""The node's pods: what the watch tells is news, what a write gave back is only the newest base for the next one."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.objects import Object
from kubelet.node.pod_source import PodSource


def pod(version: int, uid: str = "u", **meta: Any) -> Object:
    return {
        "metadata": {"uid": uid, "namespace": "n", "name": "p", "resourceVersion": str(version), **meta},
        "spec": {},
    }


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def pods_known(self, pods: list[Object]) -> None:
        self.told.append(("known", str(len(pods))))

    def pod_added(self, pod: Object) -> None:
        self.told.append(("added", pod["metadata"]["resourceVersion"]))

    def pod_updated(self, old: Object, pod: Object, *, by_us: bool) -> None:
        what = "ours" if by_us else "updated"
        self.told.append((what, pod["metadata"]["resourceVersion"]))

    def pod_removed(self, pod: Object) -> None:
        self.told.append(("removed", pod["metadata"]["uid"]))


def test_a_deletion_that_came_with_a_writes_answer_is_still_told() -> None:
    listener = Listener()
    source = PodSource(listener)
    source.replace([pod(1)])
    source.written(pod(3, deletionTimestamp="now"))
    assert (source.newest("u") or {})["metadata"]["resourceVersion"] == "3"
    source.changed(pod(2, deletionTimestamp="now"))
    assert (source.newest("u") or {})["metadata"]["resourceVersion"] == "3"
    source.changed(pod(3, deletionTimestamp="now"))
    source.changed(pod(4, deletionTimestamp="now"))
    assert listener.told == [("known", "1"), ("added", "1"), ("ours", "2"), ("ours", "3"), ("updated", "4")]


def test_a_pod_of_the_same_name_replaces_the_one_before() -> None:
    listener = Listener()
    source = PodSource(listener)
    source.replace([pod(1)])
    source.changed(pod(5, "other"))
    assert listener.told[-2:] == [("removed", "u"), ("added", "5")]
    assert (source.named("n", "p") or {})["metadata"]["uid"] == "other"
    source.replace([])
    assert listener.told[-1] == ("removed", "other") and source.all() == []
