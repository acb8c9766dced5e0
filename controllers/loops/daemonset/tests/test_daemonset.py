"""A DaemonSet has one pod on every node that fits, and goes from one template to the next node by node."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object, controller_of, labels_of
from apiserver.client.resources import MERGE_PATCH
from controllers.framework import pods as pod_facts
from controllers.framework.kinds import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from controllers.loops.daemonset.placement import target_node
from controllers.loops.tests.workloads import active_pods, patch_spec, template, told, workload_world
from controllers.tests.worlds import LoopWorld

LOOP = "daemonset-controller"
NODE_NAMES = ("n1", "n2", "n3", "n4")


async def node(w: LoopWorld, name: str, labels: dict[str, str] | None = None, *taints: Object) -> None:
    """A node that is ready: admission has given it a taint that the node lifecycle loop would take away."""
    await w.resource(NODES).create({"metadata": {"name": name, "labels": labels or {}}})
    await w.resource(NODES).patch(name, "", {"spec": {"taints": list(taints) or None}}, type=MERGE_PATCH)


async def start(w: LoopWorld, nodes: tuple[str, ...] = NODE_NAMES, **spec: Any) -> None:
    for name in nodes:
        await node(w, name)
    made = {"selector": {"matchLabels": {"app": "web"}}, "template": template(), **spec}
    await w.resource(DAEMON_SETS).create({"metadata": {"name": "web"}, "spec": made}, "default")
    await w.settle()


async def run(w: LoopWorld) -> None:
    """Play scheduler and kubelets once: every pod runs on the node it was made for."""
    for pod in await active_pods(w):
        if pod["status"]["phase"] == "Pending":
            await w.set_phase(pod, "Running", node=target_node(pod))
    await w.finish_deletions()


async def play(w: LoopWorld, seconds: int) -> None:
    for _ in range(seconds):
        await run(w)
        await w.settle(1)


async def status(w: LoopWorld) -> Object:
    found = await w.find(DAEMON_SETS, "web")
    assert found is not None
    return found["status"]  # type: ignore[no-any-return]


async def on_nodes(w: LoopWorld) -> list[str]:
    return sorted(target_node(pod) for pod in await active_pods(w))


def image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def test_every_node_gets_a_pod_that_is_bound_to_it_and_bears_its_troubles() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            assert await on_nodes(w) == list(NODE_NAMES)
            [pod, *_] = await active_pods(w)
            assert not pod["spec"].get("nodeName"), "binding is the scheduler's"
            assert (controller_of(pod) or {})["kind"] == "DaemonSet"
            [revision] = await w.all(CONTROLLER_REVISIONS)
            short = labels_of(revision)["controller-revision-hash"]
            assert labels_of(pod) == {"app": "web", "controller-revision-hash": short, "pod-template-generation": "1"}
            assert revision["metadata"]["name"] == f"web-{short}" and revision["revision"] == 1
            assert revision["data"]["spec"]["template"]["$patch"] == "replace"
            tolerated = [(t["key"].split("/")[1], t["operator"], t["effect"]) for t in pod["spec"]["tolerations"]]
            assert tolerated == [
                ("not-ready", "Exists", "NoExecute"),
                ("unreachable", "Exists", "NoExecute"),
                ("disk-pressure", "Exists", "NoSchedule"),
                ("memory-pressure", "Exists", "NoSchedule"),
                ("pid-pressure", "Exists", "NoSchedule"),
                ("unschedulable", "Exists", "NoSchedule"),
            ]
            await play(w, 3)
            assert await status(w) == {
                "currentNumberScheduled": 4,
                "numberMisscheduled": 0,
                "desiredNumberScheduled": 4,
                "numberReady": 4,
                "observedGeneration": 1,
                "updatedNumberScheduled": 4,
                "numberAvailable": 4,
            }

    run_virtual(main())


def test_nodes_are_chosen_by_selector_affinity_and_taints_and_looked_at_again_when_they_change() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await node(w, "blue", {"color": "blue"})
            await node(w, "red", {"color": "red"})
            await node(w, "tainted", {"color": "blue"}, {"key": "k", "value": "v", "effect": "NoSchedule"})
            await node(
                w, "cordoned", {"color": "blue"}, {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
            )
            await start(w, nodes=(), template=template(nodeSelector={"color": "blue"}))
            assert await on_nodes(w) == ["blue", "cordoned"]
            await play(w, 2)
            await w.resource(NODES).patch("red", "", {"metadata": {"labels": {"color": "blue"}}}, type=MERGE_PATCH)
            await w.resource(NODES).patch("tainted", "", {"spec": {"taints": None}}, type=MERGE_PATCH)
            await w.resource(NODES).patch("blue", "", {"metadata": {"labels": {"color": "x"}}}, type=MERGE_PATCH)
            await play(w, 3)
            assert await on_nodes(w) == ["cordoned", "red", "tainted"]
            evicting = {"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoExecute"}]}}
            await w.resource(NODES).patch("red", "", evicting, type=MERGE_PATCH)
            await play(w, 3)
            assert await on_nodes(w) == ["cordoned", "tainted"]
            closed = {"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]}}
            await w.resource(NODES).patch("tainted", "", closed, type=MERGE_PATCH)
            await patch_spec(w, "web", {"minReadySeconds": 1}, DAEMON_SETS)
            await play(w, 3)
            assert await on_nodes(w) == ["cordoned", "tainted"], "a pod may stay where none would be started"
            found = await status(w)
            assert (found["desiredNumberScheduled"], found["numberMisscheduled"]) == (1, 1)

    run_virtual(main())


def test_a_new_node_gets_a_pod_and_a_lost_pod_another_one() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, nodes=("n1",))
            await play(w, 2)
            await w.resource(NODES).create({"metadata": {"name": "n2"}})
            await w.settle()
            assert await on_nodes(w) == ["n1"], "it is not ready yet"
            await w.resource(NODES).patch("n2", "", {"spec": {"taints": None}}, type=MERGE_PATCH)
            await w.settle()
            assert await on_nodes(w) == ["n1", "n2"]
            [first, *_] = await active_pods(w)
            await w.resource(PODS).delete(first["metadata"]["name"], "default", grace_period=0)
            await w.settle()
            assert await on_nodes(w) == ["n1", "n2"]

    run_virtual(main())


def test_a_rolling_update_takes_one_node_after_the_other() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w)
            await play(w, 2)
            await patch_spec(w, "web", {"template": template("nginx:2")}, DAEMON_SETS)
            for _ in range(25):
                await w.settle(1)
                running = [pod for pod in await active_pods(w) if pod_facts.is_ready(pod)]
                assert len(running) >= 3
                assert len(await active_pods(w)) <= 4
                await run(w)
            assert {image(pod) for pod in await active_pods(w)} == {"nginx:2"}
            found = await status(w)
            assert found["updatedNumberScheduled"] == found["numberAvailable"] == 4
            assert [r["revision"] for r in await w.all(CONTROLLER_REVISIONS)] == [1, 2] or [
                r["revision"] for r in await w.all(CONTROLLER_REVISIONS)
            ] == [2, 1]

    run_virtual(main())


def test_a_surge_makes_the_new_pod_before_the_old_one_goes() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 0}}
            await start(w, updateStrategy=rolling)
            await play(w, 2)
            await patch_spec(w, "web", {"template": template("nginx:2")}, DAEMON_SETS)
            await w.settle()
            assert len(await active_pods(w)) == 6
            for _ in range(15):
                await run(w)
                await w.settle(1)
                ready = {target_node(pod) for pod in await active_pods(w) if pod_facts.is_ready(pod)}
                assert ready == set(NODE_NAMES), "no node is ever without a ready pod"
            assert [image(pod) for pod in await active_pods(w)] == ["nginx:2"] * 4

    run_virtual(main())


def test_with_on_delete_only_deleted_pods_come_back_new() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, updateStrategy={"type": "OnDelete"})
            await play(w, 2)
            await patch_spec(w, "web", {"template": template("nginx:2")}, DAEMON_SETS)
            await play(w, 3)
            assert {image(pod) for pod in await active_pods(w)} == {"nginx"}
            assert (await status(w)).get("updatedNumberScheduled") is None
            [first, *_] = await active_pods(w)
            await w.resource(PODS).delete(first["metadata"]["name"], "default")
            await play(w, 3)
            assert sorted(image(pod) for pod in await active_pods(w)) == ["nginx"] * 3 + ["nginx:2"]
            assert (await status(w))["updatedNumberScheduled"] == 1

    run_virtual(main())


def test_a_failed_pod_is_killed_and_replaced_ever_more_slowly() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, nodes=("n1",))
            seen: set[str] = set()
            for _ in range(30):
                for pod in await active_pods(w):
                    seen.add(pod["metadata"]["name"])
                    await w.set_phase(pod, "Failed", node="n1")
                await w.settle(1)
                await w.finish_deletions()
            assert 4 <= len(seen) <= 7, "1, 2, 4, 8, 16 seconds apart"
            messages = await told(w, "FailedDaemonPod")
            assert messages and all("on node n1, will try to kill it" in message for message in messages)

    run_virtual(main())


def test_going_back_takes_the_old_revision_up_again_and_the_history_has_a_limit() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, nodes=("n1",), revisionHistoryLimit=1)
            await play(w, 2)
            names = [(await w.all(CONTROLLER_REVISIONS))[0]["metadata"]["name"]]
            for step in ("nginx:2", "nginx"):
                await patch_spec(w, "web", {"template": template(step)}, DAEMON_SETS)
                await play(w, 6)
            revisions = {r["metadata"]["name"]: r["revision"] for r in await w.all(CONTROLLER_REVISIONS)}
            assert len(revisions) == 2 and revisions[names[0]] == 3
            for step in ("nginx:3", "nginx:4"):
                await patch_spec(w, "web", {"template": template(step)}, DAEMON_SETS)
                await play(w, 6)
            assert sorted(r["revision"] for r in await w.all(CONTROLLER_REVISIONS)) == [4, 5]

    run_virtual(main())


def test_pods_for_a_node_that_is_gone_go_too() -> None:
    async def main() -> None:
        async with workload_world(LOOP) as w:
            await start(w, nodes=("n1", "n2"))
            await w.resource(NODES).delete("n2")
            await patch_spec(w, "web", {"minReadySeconds": 1}, DAEMON_SETS)
            await w.settle()
            await w.finish_deletions()
            await w.settle()
            assert await on_nodes(w) == ["n1"]

    run_virtual(main())
