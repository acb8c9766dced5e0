"""A Deployment goes from one template to the next within its surge and unavailability, and can be stopped and turned back."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import run_virtual
from apiserver.apimachinery.objects import Object, controller_of
from controllers.framework.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from controllers.loops.tests.workloads import (
    active_pods,
    condition,
    patch_spec,
    play,
    sets,
    sizes,
    template,
    told,
    workload,
    workload_world,
)
from controllers.tests.worlds import LoopWorld

LOOPS = ("deployment-controller", "replicaset-controller")


async def rolled_out(w: LoopWorld, replicas: int = 3, **spec: Any) -> None:
    """A Deployment whose pods run."""
    await w.resource(DEPLOYMENTS).create(workload(replicas=replicas, **spec), "default")
    await w.settle()
    await play(w, 5)


async def change_image(w: LoopWorld, image: str) -> None:
    await patch_spec(w, "web", {"template": template(image)})
    await w.settle()


async def deployment(w: LoopWorld) -> Object:
    found = await w.find(DEPLOYMENTS, "web")
    assert found is not None
    return found


def test_a_deployment_makes_one_set_and_tells_of_its_progress() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await w.resource(DEPLOYMENTS).create(workload(), "default")
            await w.settle()
            found = await deployment(w)
            progress = condition(found, "Progressing")
            [replica_set] = await w.all(REPLICA_SETS)
            name = replica_set["metadata"]["name"]
            assert (progress["status"], progress["reason"]) == ("True", "ReplicaSetUpdated")
            assert progress["message"] == f'ReplicaSet "{name}" is progressing.'
            available = condition(found, "Available")
            assert (available["status"], available["reason"]) == ("False", "MinimumReplicasUnavailable")
            await play(w, 5)
            found = await deployment(w)
            progress = condition(found, "Progressing")
            assert (progress["status"], progress["reason"]) == ("True", "NewReplicaSetAvailable")
            assert progress["message"] == f'ReplicaSet "{name}" has successfully progressed.'
            available = condition(found, "Available")
            assert (available["status"], available["reason"]) == ("True", "MinimumReplicasAvailable")
            status = {k: v for k, v in found["status"].items() if k != "conditions"}
            assert status == {
                "observedGeneration": 1,
                "replicas": 3,
                "updatedReplicas": 3,
                "readyReplicas": 3,
                "availableReplicas": 3,
                "terminatingReplicas": 0,
            }
            short = replica_set["metadata"]["labels"]["pod-template-hash"]
            assert name == f"web-{short}"
            assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": short}
            assert replica_set["metadata"]["annotations"] == {
                "deployment.kubernetes.io/desired-replicas": "3",
                "deployment.kubernetes.io/max-replicas": "4",
                "deployment.kubernetes.io/revision": "1",
            }
            assert found["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
            assert await told(w, "ScalingReplicaSet") == [f"Scaled up replica set {name} from 0 to 3"]

    run_virtual(main())


def test_a_rolling_update_keeps_within_surge_and_unavailability_at_every_moment() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
            await rolled_out(w, replicas=10, strategy=rolling)
            await change_image(w, "nginx:2")
            for _ in range(40):
                active = await active_pods(w)
                running = [pod for pod in active if pod["status"]["phase"] == "Running"]
                assert len(active) <= 13 and len(running) >= 8
                waiting = [pod for pod in active if pod["status"]["phase"] == "Pending"]
                if waiting:
                    await w.set_phase(waiting[0], "Running")
                await w.finish_deletions()
                await w.settle(1)
            assert await sizes(w) == {"nginx": 0, "nginx:2": 10}
            found = await deployment(w)
            assert found["status"]["updatedReplicas"] == found["status"]["availableReplicas"] == 10
            assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"

    run_virtual(main())


def test_a_bad_image_stops_the_rollout_and_the_deadline_tells_so() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w, replicas=4, progressDeadlineSeconds=60)
            await change_image(w, "bad")
            assert await sizes(w) == {"nginx": 3, "bad": 2}
            await w.settle(90)
            assert await sizes(w) == {"nginx": 3, "bad": 2}
            progress = condition(await deployment(w), "Progressing")
            assert (progress["status"], progress["reason"]) == ("False", "ProgressDeadlineExceeded")
            name = (await sets(w))["bad"]["metadata"]["name"]
            assert progress["message"] == f'ReplicaSet "{name}" has timed out progressing.'
            await change_image(w, "nginx")
            await play(w, 5)
            assert await sizes(w) == {"nginx": 4, "bad": 0}
            assert condition(await deployment(w), "Progressing")["reason"] == "NewReplicaSetAvailable"

    run_virtual(main())


def test_recreate_starts_nothing_new_before_everything_old_is_gone() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w, strategy={"type": "Recreate"})
            await change_image(w, "nginx:2")
            assert await sizes(w) == {"nginx": 0} and await active_pods(w) == []
            assert len(await w.all(PODS)) == 3, "the old ones are still on their way out"
            await w.settle(60)
            assert await sizes(w) == {"nginx": 0}
            await play(w, 5)
            assert await sizes(w) == {"nginx": 0, "nginx:2": 3}
            assert (await deployment(w))["status"]["availableReplicas"] == 3

    run_virtual(main())


def test_scaling_in_the_middle_of_a_rollout_is_shared_in_proportion() -> None:
    """The example of upstream's documentation: 10 → 15 with 8 old and 5 new pods gives 11 and 7."""

    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
            await rolled_out(w, replicas=10, strategy=rolling)
            await change_image(w, "bad")
            assert await sizes(w) == {"nginx": 8, "bad": 5}
            await patch_spec(w, "web", {"replicas": 15})
            await w.settle()
            assert await sizes(w) == {"nginx": 11, "bad": 7}
            noted = [
                s["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"]
                for s in (await sets(w)).values()
            ]
            assert noted == ["15", "15"]

    run_virtual(main())


def test_a_paused_deployment_scales_but_takes_no_new_template_until_it_is_resumed() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w)
            await patch_spec(w, "web", {"paused": True})
            await w.settle()
            progress = condition(await deployment(w), "Progressing")
            assert (progress["status"], progress["reason"]) == ("Unknown", "DeploymentPaused")
            await change_image(w, "nginx:2")
            await patch_spec(w, "web", {"replicas": 5})
            await play(w, 5)
            assert await sizes(w) == {"nginx": 5}
            await patch_spec(w, "web", {"paused": False})
            await w.settle(1)
            await play(w, 10)
            assert await sizes(w) == {"nginx": 0, "nginx:2": 5}
            assert condition(await deployment(w), "Progressing")["reason"] == "NewReplicaSetAvailable"

    run_virtual(main())


def test_going_back_to_an_old_template_takes_its_set_up_again_under_a_new_revision() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w)
            for image in ("nginx:2", "nginx"):
                await change_image(w, image)
                await play(w, 10)
            assert await sizes(w) == {"nginx": 3, "nginx:2": 0}
            back = (await sets(w))["nginx"]["metadata"]["annotations"]
            assert back["deployment.kubernetes.io/revision"] == "3"
            assert back["deployment.kubernetes.io/revision-history"] == "1"
            assert (await deployment(w))["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"

    run_virtual(main())


def test_the_old_rollback_annotation_brings_a_revision_back() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w)
            await change_image(w, "nginx:2")
            await play(w, 10)
            wish = {"metadata": {"annotations": {"deprecated.deployment.rollback.to": "1"}}}
            await w.resource(DEPLOYMENTS).patch("web", "default", wish)
            await play(w, 10)
            found = await deployment(w)
            assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx"
            assert "deprecated.deployment.rollback.to" not in found["metadata"]["annotations"]
            assert await told(w, "DeploymentRollback") == ['Rolled back deployment "web" to revision 1']

    run_virtual(main())


def test_only_so_many_old_sets_are_kept_as_the_history_limit_says() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w, revisionHistoryLimit=2)
            for image in ("a", "b", "c", "d"):
                await change_image(w, image)
                await play(w, 10)
            assert sorted(await sizes(w)) == ["b", "c", "d"]

    run_virtual(main())


def test_a_name_taken_by_another_template_is_a_collision_that_is_counted() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w)
            first = (await sets(w))["nginx"]
            await w.resource(DEPLOYMENTS).delete("web", "default", propagation="Background")
            await w.resource(REPLICA_SETS).delete(first["metadata"]["name"], "default", propagation="Background")
            foreign = workload(first["metadata"]["name"], 0, template=template("foreign"))
            await w.resource(REPLICA_SETS).create(
                {**foreign, "metadata": {**foreign["metadata"], "labels": {"other": "yes"}}}, "default"
            )
            await rolled_out(w)
            found = await deployment(w)
            assert found["status"]["collisionCount"] == 1
            name = (await sets(w))["nginx"]["metadata"]["name"]
            assert name != first["metadata"]["name"]
            assert found["status"]["availableReplicas"] == 3

    run_virtual(main())


def test_a_matching_set_without_an_owner_is_adopted_and_one_that_no_longer_matches_is_let_go() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            orphan = workload("orphan", 2)
            orphan["metadata"]["labels"] = {"app": "web"}
            await w.resource(REPLICA_SETS).create(orphan, "default")
            await rolled_out(w, replicas=2)
            adopted = await w.find(REPLICA_SETS, "orphan")
            assert adopted is not None and (controller_of(adopted) or {})["name"] == "web"
            assert len(await w.all(REPLICA_SETS)) == 1, "the orphan has the deployment's template: it is the new set"
            await w.resource(REPLICA_SETS).patch("orphan", "default", {"metadata": {"labels": {"app": "x"}}})
            await play(w, 5)
            released = await w.find(REPLICA_SETS, "orphan")
            assert released is not None and controller_of(released) is None
            assert len(await w.all(REPLICA_SETS)) == 2

    run_virtual(main())


def test_failures_of_the_set_are_passed_on() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            refused = template(serviceAccountName="nobody")
            await w.resource(DEPLOYMENTS).create(workload(template=refused), "default")
            await w.settle()
            failure = condition(await deployment(w), "ReplicaFailure")
            assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
            assert 'serviceaccount "nobody" not found' in failure["message"]

    run_virtual(main())


def test_an_annotation_of_the_deployment_reaches_its_set_without_a_new_one() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w)
            note = {"metadata": {"annotations": {"kubernetes.io/change-cause": "me"}}}
            await w.resource(DEPLOYMENTS).patch("web", "default", note)
            await w.settle()
            [replica_set] = await w.all(REPLICA_SETS)
            assert replica_set["metadata"]["annotations"]["kubernetes.io/change-cause"] == "me"

    run_virtual(main())


def test_a_settled_deployment_is_not_written_again() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await rolled_out(w)
            versions = [o["metadata"]["resourceVersion"] for r in (DEPLOYMENTS, REPLICA_SETS) for o in await w.all(r)]
            await w.settle(3600)
            later = [o["metadata"]["resourceVersion"] for r in (DEPLOYMENTS, REPLICA_SETS) for o in await w.all(r)]
            assert later == versions

    run_virtual(main())
