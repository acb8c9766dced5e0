"""PodResizeValidator: a pod is only resized on Linux, and to what its node can give."""

from __future__ import annotations

from apiserver.admission import lookups
from apiserver.admission.interface import UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.plugins.limits import amounts, pod_amounts
from apiserver.admission.pods import PODS, spec_of
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery import quantity
from apiserver.apimachinery.errors import StatusError
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object, labels_of, name_of

NODES = GroupResource("", "nodes")
OS_LABEL = "kubernetes.io/os"


class PodResizeValidator(AdmissionPlugin):
    name = "PodResizeValidator"
    operations = frozenset({UPDATE})
    resources = frozenset({PODS})

    async def validate(self, attributes: Attributes) -> None:
        pod, old = attributes.obj, attributes.old
        if attributes.subresource != "resize" or pod is None or old is None:
            return
        node_name = spec_of(pod).get("nodeName")
        if not node_name or pod["metadata"].get("generation") == old["metadata"].get("generation"):
            return
        node = lookups.cached(self.dependencies, NODES, "", node_name)
        if node is None:
            raise forbidden(attributes, f'node "{node_name}" not found')
        self._check(attributes, pod, node)

    def _check(self, attributes: Attributes, pod: Object, node: Object) -> None:
        system = labels_of(node).get(OS_LABEL, "linux")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{name_of(node)}" is "{system}"'
            raise _refusal(attributes, why, "UnsupportedPlatform")
        if why := _too_much(pod, node):
            raise _refusal(attributes, why, "NodeCapacity")


def _refusal(attributes: Attributes, why: str, reason: str) -> StatusError:
    error = forbidden(attributes, why)
    error.details = {**(error.details or {}), "causes": [{"reason": reason}]}
    return error


def _too_much(pod: Object, node: Object) -> str:
    none = quantity.of(0)
    requests = pod_amounts(spec_of(pod), "requests")
    allocatable = amounts((node.get("status") or {}).get("allocatable"))
    found = []
    cpu, cpus = requests.get("cpu", none), allocatable.get("cpu", none)
    if cpu > cpus:
        found.append(f"cpu, requested: {cpu.milli_value}, allocatable: {cpus.milli_value}")
    memory, memories = requests.get("memory", none), allocatable.get("memory", none)
    if memory > memories:
        found.append(f"memory, requested: {memory.value}, allocatable: {memories.value}")
    return f"node didn't have enough allocatable resources: {'; '.join(found)}" if found else ""
