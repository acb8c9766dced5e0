"""Which IP families a Service gets: from what it asks for, what it had, and what the cluster offers.

Mirrors upstream registry/core/service/storage/alloc.go, initIPFamilyFields: fills ipFamilyPolicy and ipFamilies in, and
tells everything that does not go together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from apiserver.api.core import service_facts as facts
from apiserver.api.core.service_validation import cluster_ip_errors
from apiserver.apimachinery.addresses import is_ipv4
from apiserver.apimachinery.errors import FieldError, invalid
from apiserver.apimachinery.objects import Object, get

SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
POLICY = "spec.ipFamilyPolicy"
_TO_RELEASE = "must be 'SingleStack' to release the secondary"
_MULTIPLE = "must be 'RequireDualStack' or 'PreferDualStack' when multiple"
OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def choose_families(obj: Object, old: Object | None, offered: Sequence[str]) -> list[FieldError]:
    """Fill in spec.ipFamilyPolicy and spec.ipFamilies; what is wrong, where it cannot be done."""
    if not facts.needs_cluster_ip(obj) or _keeps_preferring(obj, old):
        return []
    spec = obj["spec"]
    if spec.get("ipFamilyPolicy") is None:
        spec["ipFamilyPolicy"] = _default_policy(obj, old)
    if found := list(cluster_ip_errors(obj, old)):
        return found
    errors = list(_released(spec, old["spec"])) if old is not None else []
    errors += _single_stack_errors(spec)
    errors += _infer_families(spec, offered)
    if errors:
        return errors
    if _selectorless(obj):
        spec["ipFamilies"] = _completed(spec.get("ipFamilies") or [offered[0]], spec["ipFamilyPolicy"])
        return []
    errors = list(_unoffered(spec, offered))
    if not errors:
        families = spec.get("ipFamilies") or [offered[0]]
        spec["ipFamilies"] = _completed(families, spec["ipFamilyPolicy"]) if len(offered) == 2 else families
    return errors


def _selectorless(obj: Object) -> bool:
    """Headless and without a selector: any combination is allowed, whatever the cluster offers."""
    return get(obj, "spec", "clusterIP") == facts.HEADLESS and not get(obj, "spec", "selector")


def _default_policy(obj: Object, old: Object | None) -> str:
    before = get(old, "spec", "ipFamilyPolicy") if old is not None else None
    return before or (REQUIRE if _selectorless(obj) else SINGLE)


def _keeps_preferring(obj: Object, old: Object | None) -> bool:
    """A Service that prefers both stacks is neither upgraded nor downgraded because the cluster has changed."""
    if old is None or facts.kind_of(obj) != facts.kind_of(old) or get(obj, "spec", "ipFamilyPolicy") != PREFER:
        return False
    if get(old, "spec", "ipFamilyPolicy") not in (None, PREFER):
        return False
    return all(_list(obj["spec"], key) == _list(old["spec"], key) for key in ("clusterIPs", "ipFamilies"))


def _list(spec: Object, key: str) -> list[Any]:
    return spec.get(key) or []


def _released(spec: Object, before: Object) -> Iterator[FieldError]:
    """SingleStack lets the second address and family go; any other policy needs to be told so."""
    for key, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        now, was = _list(spec, key), _list(before, key)
        if spec["ipFamilyPolicy"] == SINGLE:
            if now == was and len(now) > 1:
                spec[key] = now[:1]
        elif now and len(now) < len(was):
            yield invalid(POLICY, spec["ipFamilyPolicy"], f"{_TO_RELEASE} {what}")


def _single_stack_errors(spec: Object) -> Iterator[FieldError]:
    if spec["ipFamilyPolicy"] != SINGLE:
        return
    for key, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
        if len(_list(spec, key)) == 2:
            yield invalid(POLICY, SINGLE, f"{_MULTIPLE} {what} are specified")


def _infer_families(spec: Object, offered: Sequence[str]) -> Iterator[FieldError]:
    """Families of addresses that were given without them."""
    ips, families = _list(spec, "clusterIPs"), list(_list(spec, "ipFamilies"))
    for i, ip in enumerate(ips):
        if ip == facts.HEADLESS:
            break
        if i < len(families):
            continue
        family = "IPv4" if is_ipv4(ip) else "IPv6"
        if family in offered:
            families.append(family)
        else:
            yield invalid(f"spec.clusterIPs[{i}]", ips, f"{family} is not configured on this cluster")
    if families:
        spec["ipFamilies"] = families


def _unoffered(spec: Object, offered: Sequence[str]) -> Iterator[FieldError]:
    if spec["ipFamilyPolicy"] == REQUIRE and len(offered) < 2:
        yield invalid(POLICY, REQUIRE, "this cluster is not configured for dual-stack services")
    for i, family in enumerate(_list(spec, "ipFamilies")):
        if family not in offered:
            yield invalid(f"spec.ipFamilies[{i}]", family, "not configured on this cluster")


def _completed(families: list[str], policy: str) -> list[str]:
    return [*families, OTHER[families[0]]] if len(families) == 1 and policy != SINGLE else families
