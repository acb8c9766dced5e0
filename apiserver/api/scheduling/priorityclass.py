"""PriorityClass: a name for a pod priority. Two of them belong to the system."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.apimachinery.errors import FieldError, field_forbidden, forbidden, invalid, not_supported, required
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.object_meta import IMMUTABLE
from apiserver.apimachinery.objects import Object, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

GROUP = "scheduling.k8s.io"
SYSTEM_PREFIX = "system-"
HIGHEST_USER_PRIORITY = 1_000_000_000
POLICIES = ("PreemptLowerPriority", "Never")
# Name → (value, description), in the order they are created (upstream pkg/apis/scheduling/v1/helpers.go).
SYSTEM_CLASSES = {
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
}


class PriorityClassStrategy(KindStrategy):
    """Mirrors upstream registry/scheduling/priorityclass."""

    namespaced = False

    def default(self, obj: Object) -> None:
        if obj.get("preemptionPolicy") is None:
            obj["preemptionPolicy"] = POLICIES[0]

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        obj["metadata"]["generation"] = 1

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        name, value = name_of(obj), obj.get("value") or 0
        if name.startswith(SYSTEM_PREFIX):
            if error := _system_error(name, value, bool(obj.get("globalDefault"))):
                yield field_forbidden(
                    "metadata.name",
                    "priority class names with 'system-' prefix are reserved for system use only. error: " + error,
                )
        elif value > HIGHEST_USER_PRIORITY:
            yield field_forbidden(
                "value", f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
            )
        policy = obj.get("preemptionPolicy")
        if policy == "":
            yield required("preemptionPolicy")
        elif policy is not None and policy not in POLICIES:
            yield not_supported("preemptionPolicy", policy, POLICIES)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        if (obj.get("value") or 0) != (old.get("value") or 0):
            yield field_forbidden("value", "may not be changed in an update.")
        if obj.get("preemptionPolicy") != old.get("preemptionPolicy"):
            yield invalid("preemptionPolicy", obj.get("preemptionPolicy"), IMMUTABLE)

    def check_delete(self, ctx: Context, obj: Object) -> None:
        # Upstream refuses in the Delete method, which the deletion of a collection does not pass.
        if name_of(obj) in SYSTEM_CLASSES and ctx.verb != "deletecollection":
            why = "this is a system priority class and cannot be deleted"
            raise forbidden(GroupResource(GROUP, "priorityclasses"), name_of(obj), why)


def _system_error(name: str, value: int, global_default: bool) -> str:
    if name not in SYSTEM_CLASSES:
        return f"{name} is not a known system priority class"
    wanted, _ = SYSTEM_CLASSES[name]
    if value != wanted:
        return f"value of {name} PriorityClass must be {wanted}"
    return f"globalDefault of {name} PriorityClass must be false" if global_default else ""


RESOURCE = Resource(
    group=GROUP,
    plural="priorityclasses",
    kind="PriorityClass",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=PriorityClassStrategy(),
    namespaced=False,
    short_names=("pc",),
    empty={"value": 0},
    columns=(
        NAME,
        Column(
            "Value",
            lambda obj, now: obj.get("value") or 0,
            type="integer",
            description="value represents the integer value of this priority class. This is the actual priority that pods "
            "receive when they have the name of this class in their pod spec.",
        ),
        Column(
            "Global-Default",
            lambda obj, now: bool(obj.get("globalDefault")),
            type="boolean",
            description="globalDefault specifies whether this PriorityClass should be considered as the default priority for "
            "pods that do not have any priority class. Only one PriorityClass can be marked as `globalDefault`. However, if "
            "more than one PriorityClasses exists with their `globalDefault` field set to true, the smallest value of such "
            "global default PriorityClasses will be used as the default priority.",
        ),
        AGE,
        Column(
            "PreemptionPolicy",
            lambda obj, now: obj.get("preemptionPolicy") or "",
            description="preemptionPolicy is the Policy for preempting pods with lower priority. One of Never, "
            "PreemptLowerPriority. Defaults to PreemptLowerPriority if unset.",
        ),
    ),
)
