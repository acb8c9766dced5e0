"""RuntimeClass: a pod costs what its class says, and goes where its class is known.

Mirrors upstream plugin/pkg/admission/runtimeclass.
"""

from __future__ import annotations

from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, spec_of
from apiserver.admission.refusals import forbidden, unexpected
from apiserver.admission.tolerations import merged
from apiserver.apimachinery.errors import go_quote
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, copy
from apiserver.apimachinery.quantity import parse

CLASSES = GroupResource("node.k8s.io", "runtimeclasses")
OTHER_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
NO_OVERHEAD = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(AdmissionPlugin):
    name = "RuntimeClass"
    operations = frozenset({CREATE})
    resources = frozenset({PODS})

    async def admit(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        found = await self._class_of(attributes, attributes.obj)
        if found is not None:
            _set_overhead(attributes, spec_of(attributes.obj), found.get("overhead"))
            _set_scheduling(attributes, spec_of(attributes.obj), found.get("scheduling"))

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        overhead = spec_of(attributes.obj).get("overhead")
        found = await self._class_of(attributes, attributes.obj)
        if found is not None and found.get("overhead") is not None:
            if not _same(found["overhead"].get("podFixed"), overhead):
                raise forbidden(attributes, OTHER_OVERHEAD)
        elif overhead is not None:
            raise forbidden(attributes, NO_OVERHEAD)

    async def _class_of(self, attributes: Attributes, pod: Object) -> Object | None:
        name = spec_of(pod).get("runtimeClassName")
        if name is None:
            return None
        found = lookups.cached(self.dependencies, CLASSES, "", name)
        if found is None and (why := lookups.unaskable(name)):
            raise unexpected(why)
        if found is None:
            found = await self.dependencies.read(CLASSES, "", name)
        if found is None:
            raise forbidden(attributes, f"pod rejected: RuntimeClass {go_quote(name)} not found")
        return found


def _same(left: dict[str, Any] | None, right: dict[str, Any] | None) -> bool:
    left, right = left or {}, right or {}
    return left.keys() == right.keys() and all(parse(str(left[name])) == parse(str(right[name])) for name in left)


def _set_overhead(attributes: Attributes, spec: dict[str, Any], overhead: Object | None) -> None:
    if overhead is None:
        return
    fixed = overhead.get("podFixed")
    if spec.get("overhead") and not _same(fixed, spec["overhead"]):
        raise forbidden(attributes, OTHER_OVERHEAD)
    if fixed:
        spec["overhead"] = dict(fixed)
    else:
        spec.pop("overhead", None)


def _set_scheduling(attributes: Attributes, spec: dict[str, Any], scheduling: Object | None) -> None:
    if scheduling is None:
        return
    selector, wanted = spec.get("nodeSelector") or {}, scheduling.get("nodeSelector") or {}
    for key in sorted(wanted):
        if selector.get(key, wanted[key]) != wanted[key]:
            raise forbidden(
                attributes,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted[key]}; pod.spec.nodeSelector[{key}] = "
                f"{selector[key]}",
            )
    if wanted:
        spec["nodeSelector"] = {**selector, **wanted}
    tolerations = merged([*(spec.get("tolerations") or ()), *copy(scheduling.get("tolerations") or [])])
    if tolerations:
        spec["tolerations"] = tolerations
