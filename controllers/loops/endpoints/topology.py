"""Endpoints are for zones in proportion to the zones' CPU: what the annotation `service.kubernetes.io/topology-mode` asks for.

Mirrors upstream k8s.io/endpointslice/topologycache: every endpoint is for its own zone at first, then zones with more than
their share give some away. Where shares cannot be given out fairly there are no hints at all, and an event says why.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from apiserver.apimachinery import objects, quantity
from apiserver.apimachinery.objects import Object
from controllers.framework import pods as pod_facts
from controllers.framework.controller import Request
from controllers.loops.endpoints import slices
from controllers.loops.endpoints.slices import Changes, endpoints_of

ZONE = "topology.kubernetes.io/zone"
EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
OVERLOAD = 0.2  # how much more than its share a zone may get

ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"
NO_ZONE = "One or more endpoints do not have a zone specified"
NO_HINTS = "No hints allocated for zones"
NO_NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
TOO_FEW = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"


class Share(NamedTuple):
    """How many endpoints a zone should have, and how many it may have."""

    desired: float
    maximum: int


class Told(NamedTuple):
    """An event about the Service."""

    type: str
    reason: str
    message: str


def shares_of_cpu(nodes: Iterable[Object]) -> dict[str, float]:
    """Each zone's part of all CPU that can be used; empty where a node does not tell, or there are not two zones."""
    by_zone: Counter[str] = Counter()
    for node in nodes:
        labels = objects.labels_of(node)
        if any(name in labels for name in EXCLUDED) or not pod_facts.is_ready(node):
            continue
        cpu = quantity.parse(str(objects.get(node, "status", "allocatable", "cpu", default="0"))).milli_value
        if not labels.get(ZONE) or not cpu:
            return {}
        by_zone[labels[ZONE]] += cpu
    total = sum(by_zone.values())
    return {zone: by_zone[zone] / total for zone in sorted(by_zone)} if len(by_zone) > 1 else {}


def allocate(ratios: dict[str, float], count: int) -> dict[str, Share] | str:
    """The zones' shares of `count` endpoints, or why they cannot be given out."""
    if not ratios:
        return NO_NODES
    if len(ratios) > count:
        return f"{TOO_FEW} ({count} endpoints, {len(ratios)} zones)"
    least = {zone: math.ceil(ratio * count / (1 + OVERLOAD)) for zone, ratio in ratios.items()}
    spare = count - sum(least.values())
    if spare < 0:
        return f"{OVERLOADED} ({count} endpoints, {len(ratios)} zones)"
    return {zone: Share(max(ratios[zone] * count, least[zone]), least[zone] + spare) for zone in ratios}


def is_ready(endpoint: Object) -> bool:
    return bool((endpoint.get("conditions") or {}).get("ready"))


def _ready(endpoint_slices: Iterable[Object]) -> Iterator[Object]:
    return (e for s in endpoint_slices for e in endpoints_of(s) if is_ready(e))


def fitting_hints(endpoint_slice: Object, given: Counter[str], shares: dict[str, Share]) -> Counter[str] | None:
    """What a slice's hints give to the zones; None when the slice has to be written anew."""
    found: Counter[str] = Counter()
    for endpoint in filter(is_ready, endpoints_of(endpoint_slice)):
        zones = (endpoint.get("hints") or {}).get("forZones") or ()
        if not zones or any(zone["name"] not in shares for zone in zones):
            return None
        found.update(zone["name"] for zone in zones)
    return None if any(count + given[zone] > shares[zone].maximum for zone, count in found.items()) else found


def moves(shares: dict[str, Share], given: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints zones give away, and how many they get."""
    over = {zone: given[zone] - share.desired for zone, share in shares.items() if given[zone] > share.desired}
    under = {zone: share.desired - given[zone] for zone, share in shares.items() if given[zone] < share.desired}
    giving: Counter[str] = Counter()
    receiving: Counter[str] = Counter()
    while over and under:
        giver, receiver = max(over, key=lambda z: over[z]), max(under, key=lambda z: under[z])
        more, less = over[giver], under[receiver]
        if (more < 1 and less < 1) or more < 0.5 or less < 0.5:
            break
        giving[giver] += 1
        receiving[receiver] += 1
        over[giver] -= 1
        under[receiver] -= 1
    return giving, receiving


def _hint(endpoint: Object, zone: str) -> None:
    endpoint["hints"] = {"forZones": [{"name": zone}]}


class Topology:
    """The zones' shares, and what each Service's slices give to them."""

    def __init__(self) -> None:
        self.ratios: dict[str, float] = {}
        self._given: dict[Request, dict[str, Counter[str]]] = {}
        self._populated: dict[Request, None] = {}

    def populated(self, service: Request) -> bool:
        return service in self._populated

    def forget(self, service: Request, family: str) -> None:
        families = self._given.get(service, {})
        families.pop(family, None)
        if not families:
            self._given.pop(service, None)
        self._populated.pop(service, None)

    def forget_all(self, service: Request) -> None:
        self._given.pop(service, None)
        self._populated.pop(service, None)

    def overloaded(self) -> list[Request]:
        """Services that have too few endpoints for some zone, as the zones are now."""
        return [s for s, families in self._given.items() if any(self._is_overloaded(g) for g in families.values())]

    def _is_overloaded(self, given: Counter[str]) -> bool:
        total = sum(given.values())
        if not total:
            return False
        least = {zone: math.ceil(total * ratio / (1 + OVERLOAD)) for zone, ratio in self.ratios.items()}
        return not least or any(zone not in given or given[zone] < count for zone, count in least.items())

    def add_hints(self, service: Request, family: str, changes: Changes, existing: Sequence[Object]) -> list[Told]:
        """Give the endpoints of one address type their hints; returns what there is to say."""
        unchanged = changes.unchanged(existing)
        count = sum(1 for _ in _ready([*changes.create, *changes.update, *unchanged]))
        shares = allocate(self.ratios, count)
        if isinstance(shares, str):
            return self._none(service, family, changes, existing, shares)
        given: Counter[str] = Counter()
        for endpoint_slice in unchanged:
            found = fitting_hints(endpoint_slice, given, shares)
            if found is None:
                changes.update.append(objects.copy(endpoint_slice))
            else:
                given += found
        endpoints = list(_ready([*changes.create, *changes.update]))
        if not all(endpoint.get("zone") for endpoint in endpoints):
            return self._none(service, family, changes, existing, NO_ZONE)
        for endpoint in endpoints:
            given[endpoint["zone"]] += 1
            _hint(endpoint, endpoint["zone"])
        _redistribute(endpoints, *moves(shares, given), given)
        if not given:
            return self._none(service, family, changes, existing, NO_HINTS)
        news = service not in self._populated
        self._given.setdefault(service, {})[family] = given
        self._populated[service] = None
        return [Told("Normal", "TopologyAwareHintsEnabled", f"{ENABLED}, addressType: {family}")] if news else []

    def _none(
        self, service: Request, family: str, changes: Changes, existing: Sequence[Object], why: str
    ) -> list[Told]:
        self.forget(service, family)
        slices.add_hints(changes, existing, "")
        return [Told("Warning", "TopologyAwareHintsDisabled", f"{why}, addressType: {family}")]


def _redistribute(
    endpoints: Iterable[Object], giving: Counter[str], receiving: Counter[str], given: Counter[str]
) -> None:
    """Endpoints of zones that give are for zones that receive."""
    for endpoint in endpoints:
        zone = endpoint["zone"]
        receiver = next((z for z, count in receiving.items() if count > 0), None)
        if receiver is None:
            return
        if giving[zone] > 0:
            _hint(endpoint, receiver)
            giving[zone] -= 1
            receiving[receiver] -= 1
            given[zone] -= 1
            given[receiver] += 1
