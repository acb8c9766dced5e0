"""Workloads for tests, as the server sees them after decoding and defaults."""

from __future__ import annotations

from typing import Any

from apiserver.apimachinery.clock import SystemClock
from apiserver.apimachinery.decode import normalize
from apiserver.apimachinery.gvk import GroupVersionKind
from apiserver.apimachinery.objects import Object, copy
from apiserver.apimachinery.rand import Random
from apiserver.apimachinery.schemas import builtin
from apiserver.registry.context import Context
from apiserver.registry.resource import Resource

CTX = Context(SystemClock(), Random(1))
POD: Object = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}
SELECTOR: Object = {"matchLabels": {"a": "b"}}


def made(resource: Resource, spec: Object, **meta: Any) -> Object:
    """An object as it is before a strategy prepares it."""
    gvk = GroupVersionKind(resource.group, resource.storage_version, resource.kind)
    obj = {"kind": gvk.kind, "apiVersion": gvk.api_version, "metadata": {"name": "x", **meta}, **copy(spec)}
    obj["metadata"] = {"namespace": "n", "uid": "u", "resourceVersion": "7", **obj["metadata"]}
    found = normalize(obj, builtin().schema(gvk))
    resource.strategy.default(found)
    return found


def workload(resource: Resource, **spec: Any) -> Object:
    """One with a selector and a template that fit."""
    return made(resource, {"spec": {"selector": SELECTOR, "template": POD, **spec}})


def created(resource: Resource, obj: Object) -> Object:
    resource.strategy.prepare_for_create(CTX, obj)
    return obj


def updated(resource: Resource, obj: Object, old: Object) -> Object:
    resource.strategy.prepare_for_update(CTX, obj, old)
    return obj


def errors(resource: Resource, obj: Object, old: Object | None = None) -> list[str]:
    strategy = resource.strategy
    found = strategy.validate(CTX, obj) if old is None else strategy.validate_update(CTX, obj, old)
    return [str(error) for error in found]
