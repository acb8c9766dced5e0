"""NetworkPolicy: which traffic pods may have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from apiserver.api.columns import AGE, NAME
from apiserver.api.strategy import KindStrategy, metadata_update_errors
from apiserver.api.templates import NONE, label_selector_text
from apiserver.api.validation.label_selectors import label_selector_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.addresses import cidr_warnings, legacy_cidr_errors, parse_cidr_sloppy
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, get
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion

PROTOCOLS = ("TCP", "UDP", "SCTP")
TYPES = ("Ingress", "Egress")
DIRECTIONS = (("ingress", "from"), ("egress", "to"))


class NetworkPolicyStrategy(KindStrategy):
    """Mirrors upstream registry/networking/networkpolicy and its validation."""

    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("podSelector", {})
        for direction, _ in DIRECTIONS:
            for rule in spec.get(direction) or ():
                for port in rule.get("ports") or ():
                    if port.get("protocol") is None:
                        port["protocol"] = "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        yield from _spec_errors(obj.get("spec") or {}, (), False)
        yield from _missing_errors(obj)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        yield from metadata_update_errors(obj, old)
        blocks = [block for _, block in _blocks(old)]
        known = [cidr for block in blocks for cidr in (block.get("cidr") or "", *(block.get("except") or ()))]
        any_values = any(label_selector_errors(get(old, "spec", "podSelector"), ""))
        yield from _spec_errors(obj.get("spec") or {}, known, any_values)
        yield from _missing_errors(obj)

    def warnings_on_create(self, ctx: Context, obj: Object) -> Iterable[str]:
        for path, block in _blocks(obj):
            yield from cidr_warnings(f"{path}.cidr", block.get("cidr") or "")
            for i, cidr in enumerate(block.get("except") or ()):
                yield from cidr_warnings(f"{path}.except[{i}]", cidr)

    def warnings_on_update(self, ctx: Context, obj: Object, old: Object) -> Iterable[str]:
        return self.warnings_on_create(ctx, obj)


def _blocks(obj: Object) -> Iterator[tuple[str, Object]]:
    """The blocks of addresses a policy names, with their paths."""
    for direction, side in DIRECTIONS:
        for i, rule in enumerate(get(obj, "spec", direction, default=())):
            for j, peer in enumerate(rule.get(side) or ()):
                if peer.get("ipBlock") is not None:
                    yield f"spec.{direction}[{i}].{side}[{j}].ipBlock", peer["ipBlock"]


def _missing_errors(obj: Object) -> Iterator[FieldError]:
    """What upstream's declared checks tell, after all others."""
    for path, block in _blocks(obj):
        if not block.get("cidr"):
            yield required(f"{path}.cidr")


def _spec_errors(spec: Object, known_cidrs: Collection[str], any_values: bool) -> Iterator[FieldError]:
    yield from label_selector_errors(spec.get("podSelector"), "spec.podSelector", any_values=any_values)
    for direction, side in DIRECTIONS:
        for i, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{i}]"
            for j, port in enumerate(rule.get("ports") or ()):
                yield from _port_errors(port, f"{path}.ports[{j}]")
            for j, peer in enumerate(rule.get(side) or ()):
                yield from _peer_errors(peer, f"{path}.{side}[{j}]", known_cidrs, any_values)
    types = spec.get("policyTypes") or []
    if len(types) > len(TYPES):
        yield invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for i, kind in enumerate(types):
        if kind not in TYPES:
            yield not_supported(f"spec.policyTypes[{i}]", kind, TYPES)


def _port_errors(item: Object, path: str) -> Iterator[FieldError]:
    protocol, port, end = item.get("protocol"), item.get("port"), item.get("endPort")
    if protocol is not None and protocol not in PROTOCOLS:
        yield not_supported(f"{path}.protocol", protocol, PROTOCOLS)
    if isinstance(port, int):
        for message in formats.port_number(port):
            yield invalid(f"{path}.port", port, message)
        if end is not None and end < port:
            yield invalid(f"{path}.endPort", end, "must be greater than or equal to `port`")
        for message in formats.port_number(end) if end is not None else ():
            yield invalid(f"{path}.endPort", end, message)
        return
    if end is not None:
        how = "not specified" if port is None else "non-numeric"
        yield invalid(f"{path}.endPort", end, f"may not be specified when `port` is {how}")
    for message in formats.port_name(port) if port is not None else ():
        yield invalid(f"{path}.port", port, message)


def _peer_errors(peer: Object, path: str, known_cidrs: Collection[str], any_values: bool) -> Iterator[FieldError]:
    selectors = [field for field in ("podSelector", "namespaceSelector") if peer.get(field) is not None]
    for field in selectors:
        yield from label_selector_errors(peer[field], f"{path}.{field}", any_values=any_values)
    block = peer.get("ipBlock")
    if block is not None:
        yield from _block_errors(block, f"{path}.ipBlock", known_cidrs)
    if block is None and not selectors:
        yield required(path, "must specify a peer")
    elif block is not None and selectors:
        yield field_forbidden(path, "may not specify both ipBlock and another peer")


def _block_errors(block: Object, path: str, known_cidrs: Collection[str]) -> Iterator[FieldError]:
    cidr = block.get("cidr") or ""
    if not cidr:
        return
    yield from legacy_cidr_errors(cidr, f"{path}.cidr", known_cidrs)
    whole = parse_cidr_sloppy(cidr)
    for i, text in enumerate(block.get("except") or () if whole is not None else ()):
        here = f"{path}.except[{i}]"
        yield from legacy_cidr_errors(text, here, known_cidrs)
        part = parse_cidr_sloppy(text)
        if part is None or whole is None:
            continue
        inside = part.network.network_address in whole.network
        if not inside or whole.network.prefixlen >= part.network.prefixlen:
            yield invalid(here, text, "must be a strict subset of `cidr`")


RESOURCE = Resource(
    group="networking.k8s.io",
    plural="networkpolicies",
    kind="NetworkPolicy",
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    short_names=("netpol",),
    strategy=NetworkPolicyStrategy(),
    empty={"spec": {"podSelector": {}}},
    columns=(
        NAME,
        Column(
            "Pod-Selector",
            lambda obj, now: label_selector_text(get(obj, "spec", "podSelector", default={}), "<error>") or NONE,
            description="podSelector selects the pods to which this NetworkPolicy object applies. The array of rules is "
            "applied to any pods selected by this field. An empty selector matches all pods in the policy's namespace. "
            "Multiple network policies can select the same set of pods. In this case, the ingress rules for each are combined "
            "additively. This field is optional. If it is not specified, it defaults to an empty selector.",
        ),
        AGE,
    ),
)
