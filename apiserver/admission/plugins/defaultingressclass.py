"""DefaultIngressClass: a new Ingress that names no class gets the default one.

Mirrors upstream plugin/pkg/admission/network/defaultingressclass.
"""

from __future__ import annotations

from apiserver.admission import lookups
from apiserver.admission.interface import CREATE, AdmissionPlugin, Attributes
from apiserver.admission.plugins.storage import newest
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import annotations_of, get, name_of

INGRESSES = GroupResource("networking.k8s.io", "ingresses")
CLASSES = GroupResource("networking.k8s.io", "ingressclasses")
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass(AdmissionPlugin):
    name = "DefaultIngressClass"
    operations = frozenset({CREATE})
    resources = frozenset({INGRESSES})

    async def admit(self, attributes: Attributes) -> None:
        ingress = attributes.obj
        if attributes.subresource or ingress is None or get(ingress, "spec", "ingressClassName") is not None:
            return
        if CLASS_ANNOTATION in annotations_of(ingress):
            return
        classes = lookups.listed(self.dependencies, CLASSES)
        defaults = [one for one in classes if annotations_of(one).get(DEFAULT_ANNOTATION) == "true"]
        if defaults:
            ingress["spec"] = {**(ingress.get("spec") or {}), "ingressClassName": name_of(newest(defaults))}
