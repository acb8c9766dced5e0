"""ResourceQuota: a write that would use more of its namespace's quotas than is left is refused; else the use is noted.

Mirrors upstream apiserver/pkg/admission/plugin/resourcequota. The note is a compare-and-swap on each quota's status, which
judges again what it finds there; writers of one namespace go one after the other, as upstream's evaluator lets them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionDependencies, AdmissionPlugin, Attributes
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.errors import StatusError, internal_error
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, get, name_of
from apiserver.apimachinery.quantity import Quantity
from apiserver.apimachinery.quota import amounts
from apiserver.apimachinery.quota.amounts import Amounts
from apiserver.apimachinery.quota.evaluators import Evaluator, evaluator_for

QUOTAS = GroupResource("", "resourcequotas")
NAMESPACES = GroupResource("", "namespaces")
TIMEOUT = 10.0  # seconds, as upstream's


class Charge(NamedTuple):
    """What a write adds to the use of one quota."""

    quota: Object
    delta: Amounts


class ResourceQuota(AdmissionPlugin):
    name = "ResourceQuota"
    operations = frozenset({CREATE, UPDATE})

    def __init__(self, dependencies: AdmissionDependencies) -> None:
        super().__init__(dependencies)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def validate(self, attributes: Attributes) -> None:
        if not attributes.namespace or attributes.obj is None or _makes_namespace(attributes):
            return
        evaluator = evaluator_for(attributes.group_resource)
        if evaluator is None or not _handles(evaluator, attributes):
            return
        quotas = lookups.listed(self.dependencies, QUOTAS, attributes.namespace)
        if not quotas:
            return
        charges = plan(evaluator, quotas, attributes, self.dependencies.clock.now())
        if attributes.dry_run:
            for charge in charges:
                use_after(charge.quota, charge.delta, attributes)
            return
        try:
            async with asyncio.timeout(TIMEOUT), self._lock(attributes.namespace):
                await self._note(charges, attributes)
        except TimeoutError as e:
            raise internal_error("resource quota evaluation timed out") from e

    def _lock(self, namespace: str) -> asyncio.Lock:
        lock = self._locks.get(namespace)
        if lock is None:
            lock = self._locks[namespace] = asyncio.Lock()
        return lock

    async def _note(self, charges: Sequence[Charge], attributes: Attributes) -> None:
        """Those quotas first that seem to have too little left: nothing is noted in the others when they refuse."""
        for charge in sorted(charges, key=lambda charge: not _seems_exceeded(charge, attributes)):
            await self._note_one(charge, attributes)

    async def _note_one(self, charge: Charge, attributes: Attributes) -> None:
        def change(quota: Object) -> Object:
            used = use_after(quota, charge.delta, attributes)
            quota["status"] = {**(quota.get("status") or {}), "used": amounts.texts(used)}
            return quota

        name = name_of(charge.quota)
        try:
            await self.dependencies.update_status(QUOTAS, attributes.namespace, name, change)
        except StatusError as e:
            if e.reason != "NotFound":  # a quota that has just been deleted limits nothing
                raise


def _makes_namespace(attributes: Attributes) -> bool:
    return attributes.operation == CREATE and attributes.group_resource == NAMESPACES


def _handles(evaluator: Evaluator, attributes: Attributes) -> bool:
    return evaluator.handles(attributes.operation, attributes.subresource, attributes.obj, attributes.old)


def _hard(quota: Object) -> dict[str, Quantity]:
    return amounts.parsed(get(quota, "status", "hard"))


def _used(quota: Object) -> dict[str, Quantity]:
    return amounts.parsed(get(quota, "status", "used"))


def plan(evaluator: Evaluator, quotas: Sequence[Object], attributes: Attributes, now: float) -> list[Charge]:
    """What the write adds to which quota; raises for what cannot be measured (upstream CheckRequest)."""
    obj = attributes.obj
    assert obj is not None
    pertinent = []
    for quota in quotas:
        limited = evaluator.matching(_hard(quota))
        if not limited or not evaluator.in_scopes(quota.get("spec") or {}, obj):
            continue
        if problem := evaluator.unmet(limited, obj):
            raise forbidden(attributes, f"failed quota: {name_of(quota)}: {problem}")
        if any(name not in _used(quota) for name in limited):
            resources = amounts.names_shown(limited)
            raise forbidden(attributes, f"status unknown for quota: {name_of(quota)}, resources: {resources}")
        pertinent.append(quota)
    usage = evaluator.usage(obj, now)
    if below := amounts.negative(usage):
        resources = amounts.names_shown(below)
        raise forbidden(attributes, f"quota usage is negative for resource(s): {resources}")
    charges = [Charge(quota, _delta(evaluator, quota, usage, attributes, now)) for quota in pertinent]
    return [charge for charge in charges if charge.delta]


def _delta(evaluator: Evaluator, quota: Object, usage: Amounts, attributes: Attributes, now: float) -> Amounts:
    """The use that is new to the quota, as far as it limits it."""
    if attributes.operation == UPDATE:
        old = attributes.old
        if old is None:
            why = "unable to get previous usage since prior version of object was not found"
            raise forbidden(attributes, why)
        counted = bool(evaluator.matching(_hard(quota))) and evaluator.in_scopes(quota.get("spec") or {}, old)
        if counted and old["metadata"].get("resourceVersion"):
            usage = amounts.increase(usage, evaluator.usage(old, now))
    return amounts.masked(amounts.without_zeros(usage), _hard(quota))


def _exceeded(quota: Object, delta: Amounts, attributes: Attributes) -> list[str]:
    """What is too little; the status of something that is there already only reports."""
    if attributes.subresource == "status":
        return []
    return amounts.exceeded(amounts.masked(amounts.added(_used(quota), delta), delta), _hard(quota))


def _seems_exceeded(charge: Charge, attributes: Attributes) -> bool:
    return bool(_exceeded(charge.quota, charge.delta, attributes))


def use_after(quota: Object, delta: Amounts, attributes: Attributes) -> Amounts:
    """The use with the write; raises where that is more than there is."""
    hard, used = _hard(quota), _used(quota)
    if names := _exceeded(quota, delta, attributes):
        requested, before, limits = (amounts.shown(amounts.masked(each, names)) for each in (delta, used, hard))
        raise forbidden(
            attributes,
            f"exceeded quota: {name_of(quota)}, requested: {requested}, used: {before}, limited: {limits}",
        )
    return amounts.added(used, delta)
