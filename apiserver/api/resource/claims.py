"""What claims and their templates have in common: the wish for devices."""

from __future__ import annotations

from collections.abc import Iterator

from apiserver.apimachinery.objects import Object, get

EXACT_COUNT = "ExactCount"


def asks_of(spec: Object) -> Iterator[Object]:
    """Every single thing asked for in a ResourceClaimSpec: exact requests and their alternatives."""
    for request in get(spec, "devices", "requests", default=()):
        if request.get("exactly") is not None:
            yield request["exactly"]
        yield from request.get("firstAvailable") or ()


def default_claim(spec: Object) -> None:
    """Upstream SetDefaults_ExactDeviceRequest, SetDefaults_DeviceSubRequest."""
    for ask in asks_of(spec):
        mode = ask.setdefault("allocationMode", EXACT_COUNT)
        if mode == EXACT_COUNT and not ask.get("count"):
            ask["count"] = 1
        default_tolerations(ask)


def default_tolerations(holder: Object) -> None:
    for toleration in holder.get("tolerations") or ():
        if not toleration.get("operator"):
            toleration["operator"] = "Equal"


def drop_disabled(spec: Object) -> None:
    """What is behind a gate that is off: DRADerivedAttributes."""
    for ask in asks_of(spec):
        ask.pop("derivedAttributes", None)
