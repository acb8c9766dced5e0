"""ExtendedResourceToleration: who asks for an extended resource tolerates the taint of the nodes kept for it."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.pods import PODS, spec_of
from apiserver.apimachinery.formats import qualified_name


class ExtendedResourceToleration(AdmissionPlugin):
    name = "ExtendedResourceToleration"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({PODS})

    async def admit(self, attributes: Attributes) -> None:
        if attributes.subresource or attributes.obj is None:
            return
        spec = spec_of(attributes.obj)
        named = {
            name
            for field in ("containers", "initContainers")
            for container in spec.get(field) or ()
            for name in (container.get("resources") or {}).get("requests") or ()
        }
        for name in sorted(filter(is_extended, named)):
            _tolerate(spec, {"key": name, "operator": "Exists", "effect": "NoSchedule"})


def is_extended(name: str) -> bool:
    """A resource of someone else's domain (upstream apis/core/helper IsExtendedResourceName)."""
    if "/" not in name or "kubernetes.io/" in name or name.startswith("requests."):
        return False
    return not list(qualified_name("requests." + name))


def _tolerate(spec: dict[str, Any], toleration: dict[str, Any]) -> None:
    """Add it, or let it take the place of one that matches the same taint."""
    tolerations = list(spec.get("tolerations") or ())
    for i, present in enumerate(tolerations):
        if all((present.get(f) or "") == (toleration.get(f) or "") for f in ("key", "effect", "operator", "value")):
            tolerations[i] = toleration
            break
    else:
        tolerations.append(toleration)
    spec["tolerations"] = tolerations
