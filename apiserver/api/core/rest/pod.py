"""Acts on pods: binding them to nodes, and evicting them while budgets allow it.

Mirrors upstream registry/core/pod/storage/{storage,eviction}.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from apiserver.api.podspec.disabled import LEGACY_ANNOTATIONS
from apiserver.api.validation.pod.binding import binding_errors
from apiserver.apimachinery import labels
from apiserver.apimachinery.apply.manager import FieldManager
from apiserver.apimachinery.errors import (
    StatusError,
    aggregate,
    bad_request,
    conflict,
    forbidden,
    go_value,
    invalid,
    invalid_object,
    timeout,
    too_many_requests,
)
from apiserver.apimachinery.gvk import GroupKind, GroupResource, GroupVersion
from apiserver.apimachinery.objects import Object, copy, get, labels_of, name_of, namespace_of
from apiserver.apimachinery.schema import Schema
from apiserver.apimachinery.schemas import builtin
from apiserver.registry.context import Context
from apiserver.registry.delete_options import check_delete_options
from apiserver.registry.strategy import Strategy

if TYPE_CHECKING:
    from apiserver.registry.dependencies import Dependencies
    from apiserver.registry.store import Store

PODS = GroupResource("", "pods")
BUDGETS = GroupResource("policy", "poddisruptionbudgets")
BUDGET_VERSION = "policy/v1"
SERVER = "kube-apiserver"  # who manages what the server writes on its own
MAX_DISRUPTED_PODS = 2000
EVICTION_TRIES, EVICTION_PAUSE, EVICTION_JITTER = 20, 0.5, 0.1
BUDGET_CAUSE = "DisruptionBudget"
VIOLATION = "Cannot evict pod as it would violate the pod's disruption budget."
SUCCESS: Mapping[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

Admit = Callable[[Object], Awaitable[None]]


class _RawStrategy(Strategy):
    """Writes what the API server itself decided, past the kind's rules and those of metadata."""

    checks_metadata = False

    def __init__(self, parent: Strategy) -> None:
        self.default = parent.default  # type: ignore[method-assign]

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> tuple[()]:
        return ()


def set_condition(status: Object, condition: Object, now: str) -> None:
    """Upstream UpdatePodCondition: the transition time stays while the status does."""
    conditions = status["conditions"] = list(status.get("conditions") or ())
    shown = {
        "type": condition["type"],
        "status": condition["status"],
        "lastProbeTime": None,
        "lastTransitionTime": now,
        **{field: condition[field] for field in ("reason", "message") if condition.get(field)},
    }
    for i, old in enumerate(conditions):
        if old.get("type") == condition["type"]:
            if old.get("status") == condition["status"]:
                shown["lastTransitionTime"] = old.get("lastTransitionTime")
            conditions[i] = shown
            return
    conditions.append(shown)


class BindingRest:
    """`pods/binding`, and `bindings`: a pod gets its node, once."""

    def __init__(self, store: Callable[[], Store], *, keeps_system_fields: bool) -> None:
        self._store_of_pods = store  # asked at the first request: `bindings` may be served before pods are
        self.keeps_system_fields = keeps_system_fields  # resourceVersion is a precondition, and uid where it is kept

    async def create(self, ctx: Context, name: str, obj: Object, options: Mapping[str, Any], admit: Admit) -> Object:
        if name != name_of(obj):
            raise bad_request("name in URL does not match name in Binding object")
        errors = [str(error) for error in binding_errors(obj)]
        if errors:
            raise StatusError(500, "", aggregate(errors))
        await admit(obj)
        meta = obj["metadata"]
        preconditions = {field: meta[field] for field in ("uid", "resourceVersion") if meta.get(field)}

        async def bind(pod: Object | None) -> Object:
            assert pod is not None
            pod = copy(pod)
            if problem := _binding_problem(pod):
                raise conflict(GroupResource("", "pods/binding"), name, problem)
            _bind(pod, obj, ctx.timestamp())
            return pod

        store = self._store_of_pods()
        strategy = _RawStrategy(store.resource.strategy)
        await store.update(ctx, name, bind, strategy=strategy, preconditions=preconditions or None)
        return dict(SUCCESS)


def _binding_problem(pod: Object) -> str:
    name, spec = name_of(pod), pod["spec"]
    if pod["metadata"].get("deletionTimestamp"):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f"pod {name} is already assigned to node {go_value(spec['nodeName'])}"
    return f"pod {name} has non-empty .spec.schedulingGates" if spec.get("schedulingGates") else ""


def _bind(pod: Object, binding: Object, now: str) -> None:
    meta, added = pod["metadata"], binding["metadata"]
    pod["spec"]["nodeName"] = (binding.get("target") or {}).get("name") or ""
    annotations = {**(meta.get("annotations") or {}), **(added.get("annotations") or {})}
    for key in LEGACY_ANNOTATIONS:
        annotations.pop(key, None)
    for field, values in (("annotations", annotations), ("labels", {**labels_of(pod), **(added.get("labels") or {})})):
        if values:
            meta[field] = values
    status = pod.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    set_condition(status, {"type": "PodScheduled", "status": "True"}, now)


class EvictionRest:
    """`pods/eviction`: a delete that asks the disruption budget first."""

    def __init__(self, dependencies: Dependencies, store: Store) -> None:
        self._store = store
        self._dependencies = dependencies
        status = store.resource.subresource("status")
        assert status is not None and status.strategy is not None
        self._status_strategy = status.strategy
        self._budget_owner = FieldManager("PodDisruptionBudget", BUDGET_VERSION, _budget_schema)

    async def create(self, ctx: Context, name: str, obj: Object, options: Mapping[str, Any], admit: Admit) -> Object:
        if name != name_of(obj):
            raise bad_request("name in URL does not match name in Eviction object")
        delete_options = _delete_options(obj, options, name)
        await admit(obj)
        ctx = replace(ctx, dry_run=bool(delete_options.get("dryRun")))
        pod = await self._delete_if_unguarded(ctx, name, delete_options)
        if pod is None:
            return dict(SUCCESS)
        budgets = self._budgets(pod)
        if len(budgets) > 1:
            message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise StatusError(500, "", message)
        unhealthy = bool(budgets) and _may_go_unhealthy(pod, budgets[0])
        if budgets and not unhealthy:
            await self._take_from(ctx, name_of(budgets[0]), pod)
        try:
            at = pod["metadata"]["resourceVersion"] if unhealthy else None
            await self._mark_and_delete(ctx, name, delete_options, at)
        except StatusError as e:
            if e.reason == "Conflict" and unhealthy and not _version_of(delete_options):
                raise _still_processing(name_of(budgets[0])) from e
            raise
        return dict(SUCCESS)

    async def _delete_if_unguarded(self, ctx: Context, name: str, options: Object) -> Object | None:
        """Delete a pod that no budget guards (pending, finished, terminating): None. Otherwise the pod."""
        for left in reversed(range(EVICTION_TRIES)):
            pod = self._store.object(await self._store.get(ctx, name))
            phase, terminating = get(pod, "status", "phase"), bool(pod["metadata"].get("deletionTimestamp"))
            if phase not in ("Succeeded", "Failed", "Pending") and not terminating:
                return pod
            races = phase == "Pending" and not terminating and not _version_of(options)
            try:
                at = pod["metadata"]["resourceVersion"] if races else None
                await self._mark_and_delete(ctx, name, options, at)
                return None
            except StatusError as e:
                if e.reason != "Conflict" or _version_of(options) or not left:
                    raise
            await self._pause()
        raise AssertionError("unreachable")

    async def _pause(self) -> None:
        await asyncio.sleep(EVICTION_PAUSE * (1 + EVICTION_JITTER * self._dependencies.rand.random()))

    async def _mark_and_delete(self, ctx: Context, name: str, options: Object, version: str | None) -> None:
        """Tell in a condition why the pod goes, then delete it; `version` is a precondition of our own."""
        options = {**options, "preconditions": dict(options.get("preconditions") or {})}
        if version is not None:
            options["preconditions"]["resourceVersion"] = version
        if not ctx.dry_run:
            record, _ = await self._store.update(
                ctx, name, _marker(options["preconditions"], ctx.timestamp()), strategy=self._status_strategy
            )
            if _version_of(options):
                options["preconditions"]["resourceVersion"] = str(record.revision)
        check_delete_options(options)  # upstream rest.BeforeDelete
        await self._store.delete(ctx, name, options)

    def _budgets(self, pod: Object) -> list[Object]:
        try:
            lister = self._dependencies.listers(BUDGETS)
        except KeyError:
            return []
        found = []
        for budget in lister.list(namespace_of(pod)):
            try:
                selector = labels.from_label_selector(get(budget, "spec", "selector"))
            except ValueError:
                continue
            if selector.matches(labels_of(pod)):
                found.append(budget)
        return found

    async def _take_from(self, ctx: Context, budget_name: str, pod: Object) -> None:
        """One disruption less, or the refusal."""
        store = self._dependencies.store(BUDGETS)
        status = store.resource.subresource("status")
        strategy = status.strategy if status is not None else None

        async def take(budget: Object | None) -> Object:
            assert budget is not None
            taken: Object = copy(budget)
            _check_and_decrement(taken, name_of(pod), ctx.timestamp())
            self._budget_owner.on_update(  # upstream writes it as a client of its own
                budget,
                taken,
                api_version=BUDGET_VERSION,
                manager=SERVER,
                subresource="status",
                now=ctx.timestamp(),
                reset_fields=(("spec",),),
            )
            return taken

        for left in reversed(range(EVICTION_TRIES)):
            try:
                await store.update(ctx, budget_name, take, strategy=strategy)
                return
            except StatusError as e:
                if e.reason != "Conflict":
                    raise
                if not left:
                    message = f"couldn't update PodDisruptionBudget {go_value(budget_name)} due to conflicts"
                    raise timeout(message, 10) from e
            await self._pause()


def _budget_schema(api_version: str) -> Schema:
    return builtin().schema(GroupVersion.parse(api_version).with_kind("PodDisruptionBudget"))


def _version_of(options: Object) -> str | None:
    return (options.get("preconditions") or {}).get("resourceVersion")


def _delete_options(eviction: Object, options: Mapping[str, Any], name: str) -> Object:
    found = dict(eviction.get("deleteOptions") or {})
    if found.get("ignoreStoreReadErrorWithClusterBreakingPotential"):
        path = "deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential"
        error = invalid(path, True, "can not be set for pod eviction, try after removing the option")
        raise invalid_object(GroupKind("policy", "Eviction"), name, [error])
    asked, own = options.get("dryRun") or [], found.get("dryRun") or []
    if asked and own and asked != own:
        shown = " and ".join(f"[{' '.join(values)}]" for values in (asked, own))
        raise StatusError(500, "", f"Non-matching dry-run options in request and content: {shown}")
    found["dryRun"] = own or asked
    return found


def _marker(preconditions: Object, now: str) -> Callable[[Object | None], Awaitable[Object]]:
    async def mark(pod: Object | None) -> Object:
        assert pod is not None
        pod = copy(pod)
        meta = pod["metadata"]
        for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted, found = preconditions.get(field), meta.get(field) or ""
            if wanted and wanted != found:
                ending = "deleted and then recreated" if field == "uid" else "modified"
                why = (
                    f"the {label} in the precondition ({wanted}) does not match the {label} in record ({found}). "
                    f"The object might have been {ending}"
                )
                raise conflict(GroupResource("", "Pod"), name_of(pod), why)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        set_condition(pod.setdefault("status", {}), condition, now)
        return pod

    return mark


def _is_ready(pod: Object) -> bool:
    conditions = get(pod, "status", "conditions", default=())
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def _may_go_unhealthy(pod: Object, budget: Object) -> bool:
    """Whether an unready pod may go without counting."""
    if _is_ready(pod):
        return False
    if get(budget, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    current, desired = (get(budget, "status", f, default=0) for f in ("currentHealthy", "desiredHealthy"))
    return bool(current >= desired > 0)


def _with_cause(error: StatusError, message: str) -> StatusError:
    details = error.details = dict(error.details or {})
    details["causes"] = [{"reason": BUDGET_CAUSE, "message": message}]
    return error


def _still_processing(budget: str) -> StatusError:
    message = f"The disruption budget {budget} is still being processed by the server."
    return _with_cause(too_many_requests(VIOLATION, 10), message)


def _check_and_decrement(budget: Object, pod_name: str, now: str) -> None:
    status, name = budget.get("status") or {}, name_of(budget)
    prefix = f"The disruption budget {name} does not allow evicting pods currently: "
    if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
        raise _still_processing(name)
    allowed = status.get("disruptionsAllowed") or 0
    resource = GroupResource("policy", "poddisruptionbudget")
    if allowed < 0:
        error = forbidden(resource, name, "pdb disruptions allowed is negative")
        raise _with_cause(error, prefix + "pdb disruptions allowed is negative")
    if len(status.get("disruptedPods") or ()) > MAX_DISRUPTED_PODS:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        message = prefix + "too many pending evictions not confirmed by PDB controller"
        raise _with_cause(forbidden(resource, name, why), message)
    if allowed == 0:
        raise _with_cause(too_many_requests(VIOLATION, 0), _exhausted(name, status))
    status = budget["status"] = {**status, "disruptionsAllowed": allowed - 1}
    if allowed == 1:
        _set_exhausted_condition(budget, now)
    status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod_name: now}


def _exhausted(name: str, status: Object) -> str:
    """Why no disruption is allowed now."""
    current, desired = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    conditions = status.get("conditions") or ()
    condition: Object = next((c for c in conditions if c.get("type") == "DisruptionAllowed"), {})
    speaks = condition.get("status") == "False" and condition.get("message")
    prefix = f"The disruption budget {name}"
    if speaks and condition.get("reason") == "SyncFailed":
        return f"{prefix} does not allow evicting pods currently because it failed sync: {condition['message']}"
    if current <= desired:
        return f"{prefix} needs {desired} healthy pods and has {current} currently"
    if speaks:
        reason = condition.get("reason") or ""
        return f"{prefix} does not allow evicting pods currently ({reason}): {condition['message']}"
    return f"{prefix} does not allow evicting pods currently"


def _set_exhausted_condition(budget: Object, now: str) -> None:
    status = budget["status"]
    conditions = status["conditions"] = list(status.get("conditions") or ())
    shown = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": status.get("observedGeneration") or 0,
        "lastTransitionTime": now,
        "reason": "InsufficientPods",
        "message": "",
    }
    for i, old in enumerate(conditions):
        if old.get("type") == "DisruptionAllowed":
            if old.get("status") == "False":
                shown["lastTransitionTime"] = old.get("lastTransitionTime")
            conditions[i] = shown
            return
    conditions.append(shown)
