"""AlwaysAdmit and AlwaysDeny: yes and no to everything. Deprecated upstream, kept for the flags that name them."""

from __future__ import annotations

from apiserver.admission.interface import AdmissionPlugin, Attributes
from apiserver.admission.refusals import forbidden

_DENIED = "admission control is denying all modifications"


class AlwaysAdmit(AdmissionPlugin):
    name = "AlwaysAdmit"


class AlwaysDeny(AdmissionPlugin):
    name = "AlwaysDeny"

    async def admit(self, attributes: Attributes) -> None:
        raise forbidden(attributes, _DENIED)

    async def validate(self, attributes: Attributes) -> None:
        raise forbidden(attributes, _DENIED)
