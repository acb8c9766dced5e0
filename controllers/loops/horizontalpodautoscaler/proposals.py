"""What each metric of an autoscaler says now, and how many replicas it asks for (computeReplicasForMetric upstream)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from apiserver.apimachinery import labels, quantity
from apiserver.apimachinery.objects import Object
from controllers.framework.go_text import go_selector
from controllers.loops.horizontalpodautoscaler import calculator
from controllers.loops.horizontalpodautoscaler.calculator import Tolerances
from controllers.loops.horizontalpodautoscaler.metrics import MetricError, Metrics

# metric type → reason of condition and event when it cannot be had
FAILURES = {
    "Object": "FailedGetObjectMetric",
    "Pods": "FailedGetPodsMetric",
    "Resource": "FailedGetResourceMetric",
    "ContainerResource": "FailedGetContainerResourceMetric",
    "External": "FailedGetExternalMetric",
}
ONLY_VALUES = "neither a value target nor an average value target was set"


class Target(NamedTuple):
    """What is scaled, at one look."""

    namespace: str
    spec_replicas: int
    status_replicas: int
    selector: str
    pods: Sequence[Object]
    tolerances: Tolerances
    now: float


class Proposed(NamedTuple):
    replicas: int
    metric: str  # as the condition names it
    status: Object


class Failed(Exception):
    """The metric cannot be had. `reason` and `message` are for condition and event; str() is for the sum of all metrics."""

    def __init__(self, reason: str, message: str, whole: str) -> None:
        super().__init__(whole)
        self.reason = reason
        self.message = message


def _text(thousandths: int, resource: str = "") -> str:
    format = quantity.BINARY_SI if resource == "memory" else quantity.DECIMAL_SI
    return str(quantity.of_milli(thousandths, format))


def _milli(text: Any) -> int:
    return quantity.parse(str(text)).milli_value


class Proposals:
    """Asks metrics, one at a time."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def of(self, metric: Object, target: Target) -> Proposed:
        """Raises Failed."""
        kind = metric["type"]
        try:
            if kind == "Object":
                return await self._object(metric["object"], target)
            if kind == "Pods":
                return await self._pods(metric["pods"], target)
            if kind == "External":
                return await self._external(metric["external"], target)
            if kind in ("Resource", "ContainerResource"):
                return await self._resource(metric, target)
        except (MetricError, labels.SelectorError) as error:
            raise Failed(FAILURES[kind], str(error), f"failed to get {_named(metric)}: {error}") from error
        message = f'unknown metric source type "{kind}"'
        raise Failed("InvalidMetricSourceType", message, message)

    async def _resource(self, metric: Object, target: Target) -> Proposed:
        field = "resource" if metric["type"] == "Resource" else "containerResource"
        source = metric[field]
        name, container, wanted = source["name"], source.get("container", ""), source["target"]
        average = wanted.get("averageValue")
        percent = wanted.get("averageUtilization")
        if average is None and percent is None:
            what = "neither an average utilization target nor an average value (usage) target was set"
            raise MetricError(f"invalid resource metric source: {what}")
        try:
            proposal = await self._of_resource(name, container, average, percent, target)
        except MetricError as error:
            what = "usage" if average is not None else "utilization"
            raise MetricError(f"failed to get {name} {what}: {error}") from error
        current: Object = {"averageValue": _text(proposal.average, name)}
        words = f"{name} resource"
        if average is None:
            current["averageUtilization"] = proposal.percent
            of = "container resource" if container else "resource"
            words = f"{name} {of} utilization (percentage of request)"
        told = {"name": name, **({"container": container} if container else {}), "current": current}
        return Proposed(proposal.replicas, words, {"type": metric["type"], field: told})

    async def _of_resource(
        self, name: str, container: str, average: Any, percent: int | None, target: Target
    ) -> calculator.Proposal:
        try:
            metrics = await self._metrics.pods(name, target.namespace, target.selector, container)
        except MetricError as error:
            raise MetricError(f"unable to get metrics for resource {name}: {error}") from error
        if average is not None:
            return self._plain(metrics, _milli(average), name, target)
        assert percent is not None
        # Requests are asked for only after pods and metrics were found good enough, as upstream does.
        requested: dict[str, int] = {}

        def measure(found: Any) -> calculator.Usage:
            if not requested:
                requested.update(calculator.requests(target.pods, container, name))
            return calculator.utilization(found, requested, percent)

        low = lambda pod: requested[pod] * max(100, percent) // 100  # noqa: E731
        return calculator.per_pod(
            target.spec_replicas, target.pods, metrics, name, target.tolerances, target.now, measure, low
        )

    def _plain(self, metrics: Any, wanted: int, resource: str, target: Target) -> calculator.Proposal:
        measure = partial(calculator.plain_usage, target=wanted)
        return calculator.per_pod(
            target.spec_replicas,
            target.pods,
            metrics,
            resource,
            target.tolerances,
            target.now,
            measure,
            lambda pod: wanted,
        )

    async def _pods(self, source: Object, target: Target) -> Proposed:
        metric = source["metric"]
        selector = str(labels.from_label_selector(metric.get("selector")))
        try:
            found = await self._metrics.custom_of_pods(metric["name"], target.namespace, target.selector, selector)
        except MetricError as error:
            raise MetricError(f"unable to get metric {metric['name']}: {error}") from error
        proposal = self._plain(found, _milli(source["target"]["averageValue"]), "", target)
        told = {"metric": metric, "current": {"averageValue": _text(proposal.average)}}
        return Proposed(proposal.replicas, f"pods metric {metric['name']}", {"type": "Pods", "pods": told})

    async def _object(self, source: Object, target: Target) -> Proposed:
        metric, about, wanted = source["metric"], source["describedObject"], source["target"]
        whole = wanted.get("type") == "Value" and wanted.get("value") is not None
        if not whole and not (wanted.get("type") == "AverageValue" and wanted.get("averageValue") is not None):
            raise MetricError(f"invalid object metric source: {ONLY_VALUES}")
        selector = str(labels.from_label_selector(metric.get("selector")))
        try:
            usage = await self._metrics.custom_of_object(metric["name"], target.namespace, about, selector)
        except MetricError as error:
            where = f"{about['kind']} {target.namespace}/{about['name']}"
            raise MetricError(f"unable to get metric {metric['name']} on {where}: {error}") from error
        told: Object = {"metric": metric, "describedObject": about}
        if whole:
            replicas = calculator.in_total(
                target.spec_replicas, usage, _milli(wanted["value"]), target.tolerances, target.pods
            )
            status = {"type": "Object", "object": {**told, "current": {"value": _text(usage)}}}
            return Proposed(replicas, f"{about['kind']} metric {metric['name']}", status)
        replicas, each = calculator.shared(
            target.status_replicas, usage, _milli(wanted["averageValue"]), target.tolerances
        )
        status = {"type": "Object", "object": {**told, "current": {"averageValue": _text(each)}}}
        return Proposed(replicas, f"external metric {metric['name']}({go_selector(metric.get('selector'))})", status)

    async def _external(self, source: Object, target: Target) -> Proposed:
        metric, wanted = source["metric"], source["target"]
        if wanted.get("averageValue") is None and wanted.get("value") is None:
            raise MetricError(f"invalid external metric source: {ONLY_VALUES}")
        shown = go_selector(metric.get("selector"))
        selector = str(labels.from_label_selector(metric.get("selector")))
        try:
            usage = min(sum(await self._metrics.external(metric["name"], target.namespace, selector)), 2**63 - 1)
        except MetricError as error:
            named = f"{target.namespace}/{metric['name']}/{shown}"
            raise MetricError(f"unable to get external metric {named}: {error}") from error
        if wanted.get("averageValue") is not None:
            replicas, each = calculator.shared(
                target.status_replicas, usage, _milli(wanted["averageValue"]), target.tolerances
            )
            current = {"averageValue": _text(each)}
        else:
            replicas = calculator.in_total(
                target.spec_replicas, usage, _milli(wanted["value"]), target.tolerances, target.pods
            )
            current = {"value": _text(usage)}
        told = {"metric": metric, "current": current}
        return Proposed(replicas, f"external metric {metric['name']}({shown})", {"type": "External", "external": told})


def _named(metric: Object) -> str:
    """The metric, as the failure of all together names it."""
    kind = metric["type"]
    if kind == "Resource":
        return f"{metric['resource']['name']} resource metric value"
    if kind == "ContainerResource":
        return f"{metric['containerResource']['container']} container metric value"
    if kind == "External":
        return f"{metric['external']['metric']['name']} external metric value"
    return f"{kind.lower()} metric value"
