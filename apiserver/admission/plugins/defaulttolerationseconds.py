"""DefaultTolerationSeconds: pods stay five minutes on a node that is not ready or unreachable, unless they say otherwise."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import CREATE, UPDATE, AdmissionDependencies, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, spec_of

NO_EXECUTE = "NoExecute"
SECONDS = 300


class DefaultTolerationSeconds(AdmissionPlugin):
    name = "DefaultTolerationSeconds"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS})

    def __init__(self, dependencies: AdmissionDependencies) -> None:
        super().__init__(dependencies)
        options = dependencies.options
        self._defaults = (
            _toleration("node.kubernetes.io/not-ready", options.get("default_not_ready_toleration_seconds", SECONDS)),
            _toleration(
                "node.kubernetes.io/unreachable", options.get("default_unreachable_toleration_seconds", SECONDS)
            ),
        )

    async def admit(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        spec = spec_of(attributes.obj)
        tolerations = spec.get("tolerations") or []
        missing = [dict(one) for one in self._defaults if not _tolerates(tolerations, one["key"])]
        if missing:
            spec["tolerations"] = [*tolerations, *missing]


def _toleration(key: str, seconds: int) -> dict[str, Any]:
    return {"key": key, "operator": "Exists", "effect": NO_EXECUTE, "tolerationSeconds": seconds}


def _tolerates(tolerations: list[dict[str, Any]], key: str) -> bool:
    return any(
        (one.get("key") or key) == key and (one.get("effect") or NO_EXECUTE) == NO_EXECUTE for one in tolerations
    )
