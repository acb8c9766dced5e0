"""An autoscaler follows its metrics, within its bounds and no faster than it may, and says what it does."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import rfc3339, run_virtual
from apiserver.apimachinery.objects import Object
from apiserver.client.resources import MERGE_PATCH
from controllers.framework.kinds import DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, PODS
from controllers.loops.horizontalpodautoscaler.tests.worlds import (
    LOOPS,
    MetricsFront,
    autoscale,
    autoscaler,
    cpu_percent,
    deployed,
    run,
    size,
)
from controllers.loops.tests.workloads import condition, told, workload_world


def test_without_a_metrics_api_the_failure_is_told_and_nothing_is_scaled() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w)
            await autoscale(w, [cpu_percent(50)])
            found = await autoscaler(w)
            active = condition(found, "ScalingActive")
            assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")
            why = (
                "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from "
                "resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
            )
            assert active["message"] == f"the HPA was unable to compute the replica count: {why}"
            assert condition(found, "AbleToScale")["reason"] == "SucceededGetScale"
            assert await told(w, "FailedGetResourceMetric") == [why]
            whole = "invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value"
            assert await told(w, "FailedComputeMetricsReplicas") == [f"{whole}: {why}"]
            assert await size(w) == 2

    run_virtual(main())


def test_a_target_grows_with_its_use_by_at_most_the_double_or_to_four() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w)
            await front.use_cpu(w, "200m")
            await autoscale(w, [cpu_percent(50)])
            assert await size(w) == 4, "eight are wanted"
            found = await autoscaler(w)
            limited = condition(found, "ScalingLimited")
            assert (limited["status"], limited["reason"]) == ("True", "ScaleUpLimit")
            message = "the desired replica count is increasing faster than the maximum scale rate"
            assert limited["message"] == message
            active = condition(found, "ScalingActive")
            assert (active["status"], active["reason"]) == ("True", "ValidMetricFound")
            assert active["message"] == (
                "the HPA was able to successfully calculate a replica count from "
                "cpu resource utilization (percentage of request)"
            )
            assert condition(found, "AbleToScale")["message"] == (
                "the HPA controller was able to update the target scale to 4"
            )
            current = {"averageUtilization": 200, "averageValue": "200m"}
            assert found["status"]["currentMetrics"] == [
                {"type": "Resource", "resource": {"name": "cpu", "current": current}}
            ]
            assert (found["status"]["currentReplicas"], found["status"]["desiredReplicas"]) == (2, 4)
            reason = "cpu resource utilization (percentage of request) above target"
            assert await told(w, "SuccessfulRescale") == [f"New size: 4; reason: {reason}"]
            await run(w)
            await front.use_cpu(w, "100m")
            await w.settle(15)
            assert await size(w) == 8

    run_virtual(main())


def test_within_the_tolerance_nothing_is_done() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w)
            for use in ("54m", "46m"):
                await front.use_cpu(w, use)
                if use == "54m":
                    await autoscale(w, [cpu_percent(50)])
                await w.settle(400)
                assert await size(w) == 2
            assert condition(await autoscaler(w), "AbleToScale")["reason"] == "ReadyForNewScale"

    run_virtual(main())


def test_going_down_waits_until_no_higher_recommendation_is_recent() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w, replicas=4)
            await front.use_cpu(w, "10m")
            await autoscale(w, [cpu_percent(50)])
            await w.settle(200)
            assert await size(w) == 4
            able = condition(await autoscaler(w), "AbleToScale")
            assert (able["reason"], able["message"]) == (
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent recommendation",
            )
            await w.settle(120)
            assert await size(w) == 1
            assert await told(w, "SuccessfulRescale") == ["New size: 1; reason: All metrics below target"]

    run_virtual(main())


def test_bounds_hold_without_any_metric() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w, replicas=2)
            await autoscale(w, [cpu_percent(50)], most=9, minReplicas=5)
            assert await size(w) == 5
            await w.resource(DEPLOYMENTS).patch("web", "default", {"spec": {"replicas": 20}}, type=MERGE_PATCH)
            await w.settle(20)
            assert await size(w) == 9
            assert sorted(await told(w, "SuccessfulRescale")) == [
                "New size: 5; reason: Current number of replicas below Spec.MinReplicas",
                "New size: 9; reason: Current number of replicas above Spec.MaxReplicas",
            ]

    run_virtual(main())


def test_a_target_at_zero_is_left_alone() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await deployed(w, replicas=0)
            await autoscale(w, [cpu_percent(50)])
            active = condition(await autoscaler(w), "ScalingActive")
            assert (active["status"], active["reason"]) == ("False", "ScalingDisabled")
            assert await size(w) == 0

    run_virtual(main())


def test_a_target_that_is_not_there_is_told() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            await autoscale(w, [cpu_percent(50)])
            able = condition(await autoscaler(w), "AbleToScale")
            message = 'deployments.apps "web" not found'
            assert (able["status"], able["reason"]) == ("False", "FailedGetScale")
            assert able["message"] == f"the HPA controller was unable to get the target's current scale: {message}"
            assert await told(w, "FailedGetScale") == [message]

    run_virtual(main())


def test_a_kind_that_is_not_served_is_told() -> None:
    async def main() -> None:
        async with workload_world(*LOOPS) as w:
            target = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x"}
            spec = {"scaleTargetRef": target, "maxReplicas": 3}
            await w.resource(HORIZONTAL_POD_AUTOSCALERS).create({"metadata": {"name": "web"}, "spec": spec}, "default")
            await w.settle(2)
            assert await told(w, "FailedGetScale") == ['no matches for kind "Thing" in group "example.com"']

    run_virtual(main())


def test_behaviour_limits_how_fast_a_target_goes_both_ways() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w, replicas=4)
            await front.use_cpu(w, "500m")
            one = [{"type": "Pods", "value": 1, "periodSeconds": 60}]
            rules = {
                "scaleUp": {"policies": one},
                "scaleDown": {"policies": one, "stabilizationWindowSeconds": 0},
            }
            await autoscale(w, [cpu_percent(50)], behavior=rules)
            assert await size(w) == 5
            await w.settle(40)
            assert await size(w) == 5, "one in a minute"
            assert condition(await autoscaler(w), "ScalingLimited")["reason"] == "ScaleUpLimit"
            await run(w)
            await front.use_cpu(w, "50m")
            await w.settle(70)
            await front.use_cpu(w, "1m")
            for wait, left in ((20, 4), (30, 4), (40, 3)):
                await w.settle(wait)
                assert await size(w) == left
            limited = condition(await autoscaler(w), "ScalingLimited")
            assert (limited["status"], limited["reason"]) == ("True", "ScaleDownLimit")

    run_virtual(main())


def test_scaling_down_may_be_forbidden_and_a_tolerance_chosen() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w, replicas=4)
            await front.use_cpu(w, "52m")
            rules = {"scaleDown": {"selectPolicy": "Disabled"}, "scaleUp": {"tolerance": "0.02"}}
            await autoscale(w, [cpu_percent(50)], behavior=rules)
            assert await size(w) == 5
            await run(w)
            await front.use_cpu(w, "1m")
            await w.settle(700)
            assert await size(w) == 5

    run_virtual(main())


def test_pods_without_metrics_make_the_change_smaller() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w, replicas=3)
            await front.use_cpu(w, "100m")
            path = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
            front.answers[path]["items"].pop()
            await autoscale(w, [cpu_percent(50)])
            assert await size(w) == 4, "two at twice the target, one taken as idle: 2 * 100% / 50% = 4, not 6"

    run_virtual(main())


def test_an_average_value_and_a_single_container_can_be_asked_for() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w)
            await front.use_cpu(w, "10m")
            value = {"type": "AverageValue", "averageValue": "32Mi"}
            of_container = {"name": "memory", "container": "main", "target": value}
            await autoscale(w, [{"type": "ContainerResource", "containerResource": of_container}])
            assert await size(w) == 4
            [metric] = (await autoscaler(w))["status"]["currentMetrics"]
            current = {"averageValue": "64Mi"}
            assert metric["containerResource"] == {"name": "memory", "container": "main", "current": current}

    run_virtual(main())


CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default"


def value(of: str, amount: str, at: str) -> Object:
    return {"describedObject": {"kind": "Pod", "name": of}, "timestamp": at, "value": amount}


def test_custom_metrics_of_pods_and_objects_and_external_ones() -> None:
    async def main() -> None:
        front = MetricsFront()
        front.register("custom.metrics.k8s.io", "v1beta2")
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w)
            names = [pod["metadata"]["name"] for pod in (await w.all(PODS))]
            now = rfc3339(w.now())
            front.answers[f"{CUSTOM}/pods/*/qps"] = {"items": [value(name, "20", now) for name in names]}
            front.answers[f"{CUSTOM}/services/front/hits"] = {"items": [value("front", "90", now)]}
            external = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue"
            front.answers[external] = {"items": [{"value": "30"}, {"value": "30"}]}
            about = {"apiVersion": "v1", "kind": "Service", "name": "front"}
            labelled = {"name": "queue", "selector": {"matchLabels": {"q": "a"}}}
            metrics: list[Any] = [
                {
                    "type": "Pods",
                    "pods": {"metric": {"name": "qps"}, "target": {"type": "AverageValue", "averageValue": "10"}},
                },
                {
                    "type": "Object",
                    "object": {
                        "metric": {"name": "hits"},
                        "describedObject": about,
                        "target": {"type": "Value", "value": "60"},
                    },
                },
                {
                    "type": "External",
                    "external": {"metric": labelled, "target": {"type": "AverageValue", "averageValue": "20"}},
                },
            ]
            await autoscale(w, metrics)
            assert await size(w) == 4, "4 for the pods, 3 for the object, 3 for the queue"
            found = await autoscaler(w)
            assert found["status"]["currentMetrics"] == [
                {"type": "Pods", "pods": {"metric": {"name": "qps"}, "current": {"averageValue": "20"}}},
                {
                    "type": "Object",
                    "object": {"metric": {"name": "hits"}, "describedObject": about, "current": {"value": "90"}},
                },
                {"type": "External", "external": {"metric": labelled, "current": {"averageValue": "30"}}},
            ]
            assert front.asked[external] == {"labelSelector": ["q=a"]}
            assert front.asked[f"{CUSTOM}/pods/*/qps"]["labelSelector"] == ["app=web"]

    run_virtual(main())


def test_with_one_metric_unknown_a_target_grows_but_does_not_shrink() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w, replicas=3)
            unknown = {"metric": {"name": "x"}, "target": {"type": "AverageValue", "averageValue": "1"}}
            await front.use_cpu(w, "1m")
            await autoscale(w, [cpu_percent(50), {"type": "Pods", "pods": unknown}])
            await w.settle(400)
            assert await size(w) == 3
            active = condition(await autoscaler(w), "ScalingActive")
            assert active["reason"] == "FailedGetPodsMetric"
            assert active["message"].endswith("no custom metrics API (custom.metrics.k8s.io) registered")
            await front.use_cpu(w, "100m")
            await w.settle(20)
            assert await size(w) == 6

    run_virtual(main())


def test_two_autoscalers_of_the_same_pods_refuse_both() -> None:
    async def main() -> None:
        front = MetricsFront()
        async with workload_world(*LOOPS, front=front.before) as w:
            await deployed(w)
            await front.use_cpu(w, "100m")
            await autoscale(w, [cpu_percent(100)])
            second = await autoscaler(w)
            meta = {"name": "second"}
            await w.resource(HORIZONTAL_POD_AUTOSCALERS).create({"metadata": meta, "spec": second["spec"]}, "default")
            await w.settle(20)
            active = condition(await autoscaler(w), "ScalingActive")
            assert (active["status"], active["reason"]) == ("False", "AmbiguousSelector")
            assert active["message"] == (
                "pods by selector app=web are controlled by more than one HPA (e.g. [default/second default/web])"
            )

    run_virtual(main())
