"""HorizontalPodAutoscalers keep a target's size where their metrics want it, looked at every fifteen seconds.

Mirrors upstream pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from apiserver.apimachinery import labels, objects, quantity
from apiserver.apimachinery.clock import rfc3339
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupVersion
from apiserver.apimachinery.objects import Object
from apiserver.client.discovery import ServedResource
from controllers.framework.context import Context
from controllers.framework.controller import Request, Result
from controllers.framework.kinds import HORIZONTAL_POD_AUTOSCALERS, PODS
from controllers.framework.scales import NoMatch, Scales
from controllers.loops.horizontalpodautoscaler import behavior
from controllers.loops.horizontalpodautoscaler.behavior import Memory, Noted
from controllers.loops.horizontalpodautoscaler.calculator import Tolerances
from controllers.loops.horizontalpodautoscaler.metrics import Metrics
from controllers.loops.horizontalpodautoscaler.proposals import Failed, Proposals, Target

log = logging.getLogger(__name__)

COMPONENT = "horizontal-pod-autoscaler"
API_VERSION, KIND = "autoscaling/v2", "HorizontalPodAutoscaler"
PERIOD = 15.0  # seconds; upstream --horizontal-pod-autoscaler-sync-period
TOLERANCE = 0.1
SCALE_TRIES = 5


class Stop(Exception):
    """This look has come to its end; what there is to say was said."""


class Autoscalers:
    """Requests are autoscalers; every look is followed by another."""

    def __init__(self, context: Context) -> None:
        self.clock = context.clock
        self.autoscalers = context.resource(HORIZONTAL_POD_AUTOSCALERS)
        self.known = context.informer(HORIZONTAL_POD_AUTOSCALERS).lister
        self.known_pods = context.informer(PODS).lister
        self.scales = Scales(context.client)
        self.proposals = Proposals(Metrics(context.client, self.scales))
        self.recorder = context.recorder(COMPONENT)
        self.memories: dict[Request, Memory] = {}
        self.selectors: dict[Request, labels.Selector] = {}

    def forget(self, request: Request) -> None:
        self.memories.pop(request, None)
        self.selectors.pop(request, None)

    async def reconcile(self, request: Request) -> Result | None:
        known = self.known.get(*request)
        if known is None:
            self.forget(request)
            return None
        autoscaler: Object = {**objects.copy(known), "apiVersion": API_VERSION, "kind": KIND}
        look = _Look(self, request, autoscaler)
        try:
            await look.run()
        except Stop as stop:
            log.info("not scaled", extra={"autoscaler": str(request), "why": str(stop)})
        await self._write(look, known.get("status") or {})
        return Result(after=PERIOD)

    async def _write(self, look: _Look, before: Object) -> None:
        if look.status == before:
            return
        try:
            await self.autoscalers.update_status({**look.autoscaler, "status": look.status})
        except StatusError as error:
            look.tell("Warning", "FailedUpdateStatus", error.message)


class _Look:
    """One look at one autoscaler, a copy of our own whose status grows into the new one."""

    def __init__(self, loop: Autoscalers, request: Request, autoscaler: Object) -> None:
        self.loop = loop
        self.request = request
        self.autoscaler = autoscaler
        self.spec: Object = autoscaler["spec"]
        self.status: Object = autoscaler.get("status") or {}
        self.now = loop.clock.now()
        self.reason = ""  # why the size changes
        self.metrics: list[Object] = []  # what they said

    def tell(self, type: str, reason: str, message: str) -> None:
        self.loop.recorder.event(self.autoscaler, type, reason, message)

    def set_condition(self, kind: str, status: str, reason: str, message: str) -> None:
        conditions: list[Object] = self.status.setdefault("conditions", [])
        current = next((c for c in conditions if c["type"] == kind), None)
        if current is None:
            current = {"type": kind, "status": ""}
            conditions.append(current)
        if current["status"] != status:
            current["lastTransitionTime"] = rfc3339(self.now)
        current.update(status=status, reason=reason, message=message)

    def _condition(self, kind: str) -> str:
        return next((c["status"] for c in self.status.get("conditions") or () if c["type"] == kind), "")

    @property
    def memory(self) -> Memory:
        return self.loop.memories.setdefault(self.request, Memory())

    @property
    def least(self) -> int:
        count: int = self.spec.get("minReplicas", 1)
        return count

    async def run(self) -> None:
        resource, scale = await self._scale()
        message = "the HPA controller was able to get the target's current scale"
        self.set_condition("AbleToScale", "True", "SucceededGetScale", message)
        current: int = (scale.get("spec") or {}).get("replicas") or 0
        if not self.memory.recommendations:
            self.memory.recommendations.append(Noted(current, self.now))
        desired = await self._desired(scale, current)
        rescale = desired is not None and desired != current
        if rescale and desired is not None:
            await self._rescale(resource, scale, current, desired)
        self._set_status(current, desired if desired is not None else current, rescaled=rescale)

    # The target

    async def _scale(self) -> tuple[ServedResource, Object]:
        reference = self.spec["scaleTargetRef"]
        api_version = reference.get("apiVersion") or "v1"
        try:
            resource = await self.loop.scales.resource(api_version, reference["kind"])
            scale = await self.loop.scales.get(resource, reference["name"], self.request.namespace)
        except NoMatch as error:
            group = GroupVersion.parse(api_version).group
            why = f'no matches for kind "{reference["kind"]}" in group "{group}"'  # any version would have done
            raise self._no_scale(why) from error
        except (ValueError, StatusError) as error:
            raise self._no_scale(str(error)) from error
        return resource, scale

    def _no_scale(self, why: str) -> Stop:
        self.tell("Warning", "FailedGetScale", why)
        message = f"the HPA controller was unable to get the target's current scale: {why}"
        self.set_condition("AbleToScale", "False", "FailedGetScale", message)
        return Stop(why)

    async def _rescale(self, resource: ServedResource, scale: Object, current: int, desired: int) -> None:
        try:
            await self._update_scale(resource, scale, desired)
        except StatusError as error:
            words = f"New size: {desired}; reason: {self.reason}; error: {error.message}"
            self.tell("Warning", "FailedRescale", words)
            message = f"the HPA controller was unable to update the target scale: {error.message}"
            self.set_condition("AbleToScale", "False", "FailedUpdateScale", message)
            self._set_status(current, self.status.get("desiredReplicas", 0), rescaled=False)
            raise Stop(error.message) from error
        message = f"the HPA controller was able to update the target scale to {desired}"
        self.set_condition("AbleToScale", "True", "SucceededRescale", message)
        self.tell("Normal", "SuccessfulRescale", f"New size: {desired}; reason: {self.reason}")
        self.memory.note_change(self.spec.get("behavior"), current, desired, self.now)
        if current > 0 and desired == 0 and self.least == 0 and self._has_outside_metrics():
            to_zero = ("True", "ScaledToZero", "the HPA controller scaled the workload to zero")
        else:
            to_zero = ("False", "NotScaledToZero", "the HPA controller did not scale the workload to zero")
        self.set_condition("ScaledToZero", *to_zero)

    async def _update_scale(self, resource: ServedResource, scale: Object, desired: int) -> None:
        """A lost race is tried again on the newest scale."""
        for attempt in range(SCALE_TRIES):
            target = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": desired}}
            try:
                await self.loop.scales.update(resource, target)
                return
            except StatusError as error:
                if error.code != 409 or attempt + 1 == SCALE_TRIES:
                    raise
            scale = await self.loop.scales.get(resource, scale["metadata"]["name"], self.request.namespace)

    # The size

    def _has_outside_metrics(self) -> bool:
        return any(metric["type"] in ("Object", "External") for metric in self.spec.get("metrics") or ())

    async def _desired(self, scale: Object, current: int) -> int | None:
        """The size the target should have; None when scaling is off."""
        most: int = self.spec["maxReplicas"]
        was_zeroed = self._condition("ScaledToZero") == "True"
        if current == 0 and not (was_zeroed and (self.least != 0 or self._has_outside_metrics())):
            message = "scaling is disabled since the replica count of the target is zero"
            self.set_condition("ScalingActive", "False", "ScalingDisabled", message)
            return None
        if current > most:
            self.reason = "Current number of replicas above Spec.MaxReplicas"
            return most
        if 0 < current < self.least:
            self.reason = "Current number of replicas below Spec.MinReplicas"
            return self.least
        desired, metric = await self._wanted_by_metrics(scale, current)
        if desired > current:
            self.reason = f"{metric} above target"
        elif desired < current:
            self.reason = "All metrics below target"
        desired = self._within_behavior(current, desired, most)
        if current == 0 and was_zeroed and desired < self.least:
            desired = self.least
            self.reason = self.reason or "Current number of replicas below Spec.MinReplicas"
        return desired

    def _within_behavior(self, current: int, desired: int, most: int) -> int:
        rules = self.spec.get("behavior")
        if rules is None:
            decision = behavior.plain(self.memory, current, desired, self.least, most, self.now)
        else:
            decision = behavior.with_rules(self.memory, rules, current, desired, self.least, most, self.now)
        self.set_condition("AbleToScale", *decision.able)
        self.set_condition("ScalingLimited", *decision.limited)
        return decision.replicas

    async def _wanted_by_metrics(self, scale: Object, current: int) -> tuple[int, str]:
        """(the highest of what the metrics ask for, the one that asks for it)."""
        specs: list[Object] = self.spec.get("metrics") or []
        target = self._target(scale, current)
        found, failures = (0, ""), list[Failed]()
        for spec in specs:
            try:
                proposed = await self.loop.proposals.of(spec, target)
            except Failed as failure:
                self.tell("Warning", failure.reason, failure.message)
                failures.append(failure)
                self.metrics.append({"type": ""})
                continue
            self.metrics.append(proposed.status)
            if found[0] == 0 or proposed.replicas > found[0]:
                found = (proposed.replicas, proposed.metric)
        # With some metrics unknown a target may still grow, but not shrink.
        if failures and (len(failures) >= len(specs) or found[0] < current):
            first = failures[0]
            message = f"the HPA was unable to compute the replica count: {first.message}"
            self.set_condition("ScalingActive", "False", first.reason, message)
            self._give_up(
                current, f"invalid metrics ({len(failures)} invalid out of {len(specs)}), first error is: {first}"
            )
        message = f"the HPA was able to successfully calculate a replica count from {found[1]}"
        self.set_condition("ScalingActive", "True", "ValidMetricFound", message)
        return found

    def _give_up(self, current: int, message: str) -> None:
        self._set_status(current, self.status.get("desiredReplicas", 0), rescaled=False)
        self.tell("Warning", "FailedComputeMetricsReplicas", message)
        raise Stop(message)

    def _target(self, scale: Object, current: int) -> Target:
        status = scale.get("status") or {}
        text = status.get("selector") or ""
        pods = self._pods(text, current)
        return Target(
            self.request.namespace,
            current,
            status.get("replicas") or 0,
            text,
            pods,
            self._tolerances(),
            self.now,
        )

    def _pods(self, text: str, current: int) -> Sequence[Object]:
        """The target's pods, if they are of this autoscaler only."""
        if not text:
            self._refuse_selector(
                current,
                "SelectorRequired",
                "InvalidSelector",
                "the HPA target's scale is missing a selector",
                "selector is required",
            )
        try:
            selector = labels.parse(text)
        except labels.SelectorError as error:
            message = f"couldn't convert selector into a corresponding internal selector object: {error}"
            self._refuse_selector(current, "InvalidSelector", "InvalidSelector", message, message)
        self.loop.selectors[self.request] = selector
        pods = self.loop.known_pods.list(self.request.namespace, selector)
        others = [
            str(request)
            for request, other in self.loop.selectors.items()
            if request.namespace == self.request.namespace
            and any(other.matches(objects.labels_of(pod)) for pod in pods)
        ]
        if len(others) > 1:
            message = (
                f"pods by selector {text} are controlled by more than one HPA (e.g. [{' '.join(sorted(others)[:2])}])"
            )
            self._refuse_selector(current, "AmbiguousSelector", "AmbiguousSelector", message, message)
        return pods

    def _refuse_selector(self, current: int, event: str, reason: str, condition: str, message: str) -> None:
        self.tell("Warning", event, message)
        self.set_condition("ScalingActive", "False", reason, condition)
        self._give_up(current, message)

    def _tolerances(self) -> Tolerances:
        rules = self.spec.get("behavior") or {}
        ways = [(rules.get(way) or {}).get("tolerance") for way in ("scaleDown", "scaleUp")]
        return Tolerances(*(TOLERANCE if t is None else quantity.parse(str(t)).milli_value / 1000 for t in ways))

    def _set_status(self, current: int, desired: int, *, rescaled: bool) -> None:
        before = self.status
        status: dict[str, Any] = {"observedGeneration": self.autoscaler["metadata"].get("generation", 0)}
        if rescaled:
            status["lastScaleTime"] = rfc3339(self.now)
        elif before.get("lastScaleTime"):
            status["lastScaleTime"] = before["lastScaleTime"]
        if current:
            status["currentReplicas"] = current
        status |= {"desiredReplicas": desired, "currentMetrics": self.metrics or None}
        if before.get("conditions"):
            status["conditions"] = before["conditions"]
        self.status = status
