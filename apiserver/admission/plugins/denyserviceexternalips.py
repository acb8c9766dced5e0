"""DenyServiceExternalIPs: no Service takes external addresses that it did not have."""

from __future__ import annotations

from apiserver.admission.interface import CREATE, UPDATE, AdmissionPlugin, Attributes
from apiserver.admission.refusals import forbidden
from apiserver.apimachinery.gvk import GroupResource
from apiserver.apimachinery.objects import Object


class DenyServiceExternalIPs(AdmissionPlugin):
    name = "DenyServiceExternalIPs"
    operations = frozenset({CREATE, UPDATE})
    resources = frozenset({GroupResource("", "services")})

    async def validate(self, attributes: Attributes) -> None:
        if attributes.subresource:
            return
        known = set(_external_ips(attributes.old))
        if not known.issuperset(_external_ips(attributes.obj)):
            raise forbidden(attributes, "Use of external IPs is denied by admission control")


def _external_ips(service: Object | None) -> list[str]:
    return ((service or {}).get("spec") or {}).get("externalIPs") or []
