"""PodTolerationRestriction: a namespace's annotations say which tolerations its pods get, and which they may have.

Mirrors upstream plugin/pkg/admission/podtolerationrestriction, without a configuration file (no cluster-wide lists).
"""

from __future__ import annotations

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import BEST_EFFORT, PODS, qos, spec_of
from apiserver.admission.refusals import unexpected
from apiserver.admission.tolerations import Toleration, covers, merged
from apiserver.apimachinery.decoding import texts
from apiserver.apimachinery.objects import annotations_of

DEFAULTS_ANNOTATION = "scheduler.alpha.kubernetes.io/defaultTolerations"
TOLERATIONS = "[]io.k8s.api.core.v1.Toleration"
ALLOWED_ANNOTATION = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
MEMORY_PRESSURE = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}


class PodTolerationRestriction(AdmissionPlugin):
    name = "PodTolerationRestriction"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS})

    async def admit(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if pod is None or attributes.subresource:
            return
        extra: list[Toleration] = []
        if attributes.operation == CREATE:
            extra += await self._annotated(attributes.namespace, DEFAULTS_ANNOTATION)
        if qos(pod) != BEST_EFFORT:
            extra.append(dict(MEMORY_PRESSURE))
        if extra:
            spec = spec_of(pod)
            spec["tolerations"] = merged([*(spec.get("tolerations") or ()), *extra])
        await self.validate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        if pod is None or attributes.subresource:
            return
        tolerations = spec_of(pod).get("tolerations") or []
        if not tolerations:
            return
        allowed = await self._annotated(attributes.namespace, ALLOWED_ANNOTATION)
        if allowed and not all(any(covers(one, wanted) for one in allowed) for wanted in tolerations):
            raise unexpected(
                "pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist"
            )

    async def _annotated(self, namespace: str, annotation: str) -> list[Toleration]:
        text = annotations_of(await lookups.namespace_of(self.dependencies, namespace)).get(annotation)
        if not text:
            return []
        try:
            return texts.read(text, TOLERATIONS) or []
        except texts.TextError as e:
            raise unexpected(str(e)) from e
