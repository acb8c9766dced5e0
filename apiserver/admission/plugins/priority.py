"""Priority: a pod's priority and preemption policy come from its PriorityClass, never from its author.

Mirrors upstream plugin/pkg/admission/priority (pod groups come with their kinds).
"""

from __future__ import annotations

from typing import Any

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, spec_of
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, name_of

PRIORITY_CLASSES = GroupResource("scheduling.k8s.io", "priorityclasses")


class Priority(AdmissionPlugin):
    name = "Priority"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS, PRIORITY_CLASSES})

    async def admit(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.group_resource != PODS or attributes.obj is None:
            return
        if attributes.operation == CREATE:
            self._resolve(attributes, spec_of(attributes.obj))
        elif attributes.old is not None:
            _keep(spec_of(attributes.obj), spec_of(attributes.old))

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.group_resource != PRIORITY_CLASSES or attributes.obj is None:
            return
        if not attributes.obj.get("globalDefault"):
            return
        default = self._default_class()
        if default is not None and (attributes.operation == CREATE or name_of(default) != name_of(attributes.obj)):
            why = f"PriorityClass {name_of(default)} is already marked as default. Only one default can exist"
            raise forbidden(attributes, why)

    def _resolve(self, attributes: Attributes, spec: dict[str, Any]) -> None:
        name, value, policy = self._established(attributes, spec.get("priorityClassName") or "")
        if name:
            spec["priorityClassName"] = name
        given = spec.get("priority")
        if given is not None and given != value:
            raise forbidden(
                attributes,
                f"the integer value of priority ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name",
            )
        spec["priority"] = value
        given = spec.get("preemptionPolicy")
        if policy and given is not None and given != policy:
            raise forbidden(
                attributes,
                f"the string value of PreemptionPolicy ({given}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        if policy:
            spec["preemptionPolicy"] = policy

    def _established(self, attributes: Attributes, name: str) -> tuple[str, int, str]:
        """The class's name, value and preemption policy."""
        if name:
            found = lookups.cached(self.dependencies, PRIORITY_CLASSES, "", name)
            if found is None:
                raise forbidden(attributes, f"no PriorityClass with name {name} was found")
        else:
            found = self._default_class()
            if found is None:
                return "", 0, "PreemptLowerPriority"
        return name_of(found), found.get("value") or 0, found.get("preemptionPolicy") or ""

    def _default_class(self) -> Object | None:
        """The class marked as default; of several the one with the lowest value."""
        classes = lookups.listed(self.dependencies, PRIORITY_CLASSES)
        defaults = [one for one in classes if one.get("globalDefault")]
        return min(defaults, key=lambda one: (one.get("value") or 0, name_of(one)), default=None)


def _keep(spec: dict[str, Any], old: dict[str, Any]) -> None:
    """An update that leaves them out keeps them; changing them is refused by validation."""
    for field in ("priority", "preemptionPolicy"):
        if spec.get(field) is None and old.get(field) is not None:
            spec[field] = old[field]
