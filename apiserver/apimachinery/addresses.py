"""IP addresses and CIDRs as the API reads them: sloppily in old fields, with upstream's words for what is wrong.

Mirrors upstream apimachinery pkg/util/validation/ip.go and k8s.io/utils/net (leading zeros in IPv4 octets are read as
decimal there, and refused by the strict checks that are on by default).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_address,
    ip_network,
)
from typing import NamedTuple

from apiserver.apimachinery.errors import FieldError, go_value, invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LEADING_ZERO = re.compile(r"(^|\.)0+([0-9])")
IP_WRONG = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_WRONG = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def parse_strict(text: str) -> Address | None:
    """As Go's netip.ParseAddr, without zones."""
    try:
        return ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def _without_zeros(text: str) -> str:
    """IPv4 octets read as decimal, as old Go did."""
    head, colon, tail = text.rpartition(":")
    if "." not in tail:
        return text
    while _LEADING_ZERO.search(tail):
        tail = _LEADING_ZERO.sub(r"\1\2", tail)
    return head + colon + tail


def parse_sloppy(text: str) -> Address | None:
    """As upstream ParseIPSloppy; an IPv4-mapped IPv6 address is its IPv4 address, as net.IP makes no difference."""
    address = parse_strict(_without_zeros(text))
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_mapped(text: str) -> bool:
    address = parse_strict(text)
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None


def is_ipv4(text: str) -> bool:
    return isinstance(parse_sloppy(text), IPv4Address)


class Cidr(NamedTuple):
    """An address with its network, as Go's ParseCIDR gives them."""

    address: Address
    network: Network


def parse_cidr_sloppy(text: str) -> Cidr | None:
    """As upstream ParseCIDRSloppy."""
    host, slash, bits = text.partition("/")
    if not slash or not bits.isascii() or not bits.isdigit():
        return None
    raw = parse_strict(_without_zeros(host))
    if raw is None or int(bits) > raw.max_prefixlen:
        return None
    if isinstance(raw, IPv6Address) and raw.ipv4_mapped is not None:
        if int(bits) < 96:
            return Cidr(raw.ipv4_mapped, ip_network(f"{raw}/{bits}", strict=False))
        return Cidr(raw.ipv4_mapped, IPv4Network(f"{raw.ipv4_mapped}/{int(bits) - 96}", strict=False))
    return Cidr(raw, ip_network(f"{raw}/{int(bits)}", strict=False))


def legacy_ip_errors(text: str, path: str, accepted: Collection[str] = ()) -> Iterator[FieldError]:
    """For fields older than strict checks (IsValidIPForLegacyField); `accepted` are values that were stored before."""
    if text in accepted:
        return
    if parse_sloppy(text) is None:
        yield invalid(path, text, IP_WRONG)
    elif parse_strict(text) is None:
        yield invalid(path, text, "must not have leading 0s")
    elif is_mapped(text):
        yield invalid(path, text, "must not be an IPv4-mapped IPv6 address")


def ip_errors(text: str, path: str) -> Iterator[FieldError]:
    """For new fields: also the canonical form (IsValidIP)."""
    errors = list(legacy_ip_errors(text, path))
    yield from errors
    if not errors and text != str(parse_strict(text)):
        yield invalid(path, text, f"must be in canonical form ({go_value(str(parse_strict(text)))})")


def legacy_cidr_errors(text: str, path: str, accepted: Collection[str] = ()) -> Iterator[FieldError]:
    """IsValidCIDRForLegacyField."""
    if text in accepted:
        return
    if parse_cidr_sloppy(text) is None:
        yield invalid(path, text, CIDR_WRONG)
        return
    host, _, bits = text.partition("/")
    address = parse_strict(host)
    if address is None or (len(bits) > 1 and bits[0] == "0"):
        yield invalid(path, text, "must not have leading 0s in IP or prefix length")
    elif is_mapped(host):
        yield invalid(path, text, "must not have an IPv4-mapped IPv6 address")
    elif ip_network(f"{address}/{bits}", strict=False).network_address != address:
        yield invalid(path, text, "must not have bits set beyond the prefix length")


def cidr_errors(text: str, path: str) -> Iterator[FieldError]:
    """IsValidCIDR."""
    errors = list(legacy_cidr_errors(text, path))
    yield from errors
    if errors:
        return
    canonical = str(ip_network(text, strict=False))
    if text != canonical:
        yield invalid(path, text, f"must be in canonical form ({go_value(canonical)})")


_LOCAL_MULTICAST: dict[int, Network] = {4: IPv4Network("224.0.0.0/24"), 6: IPv6Network("ff02::/16")}


def endpoint_ip_errors(text: str, path: str) -> Iterator[FieldError]:
    """An address traffic may be sent to (upstream core/validation ValidateEndpointIP)."""
    address = parse_sloppy(text)
    if address is None:
        yield invalid(path, text, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(path, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        yield invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address in _LOCAL_MULTICAST[address.version]:
        yield invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def ip_warnings(path: str, text: str) -> Iterator[str]:
    """GetWarningsForIP."""
    address = parse_sloppy(text)
    if address is None:
        return
    strict = parse_strict(text)
    if strict is None or is_mapped(text):
        yield f"{path}: non-standard IP address {go_value(text)} is invalid: use {go_value(str(address))}"
    elif strict.version == 6 and str(strict) != text:
        yield (
            f"{path}: IPv6 address {go_value(text)} should be in RFC 5952 canonical format ({go_value(str(strict))})"
        )


def cidr_warnings(path: str, text: str) -> Iterator[str]:
    """GetWarningsForCIDR."""
    cidr = parse_cidr_sloppy(text)
    if cidr is None:
        return
    shown, quiet = go_value(text), True
    if cidr.address != cidr.network.network_address:
        quiet = False
        single = f"{cidr.address}/{cidr.network.max_prefixlen}"
        yield (
            f"{path}: CIDR value {shown} is ambiguous in this context (should be {go_value(str(cidr.network))} or "
            f"{go_value(single)}?)"
        )
    host, _, bits = text.partition("/")
    address = parse_strict(host)
    if address is None or is_mapped(host) or (len(bits) > 1 and bits[0] == "0"):
        yield f"{path}: non-standard CIDR value {shown} is invalid: use {go_value(str(cidr.network))}"
    elif quiet and address.version == 6 and f"{address}/{bits}" != text:
        yield f"{path}: IPv6 CIDR value {shown} should be in RFC 5952 canonical format ({go_value(f'{address}/{bits}')})"


def family(address: Address) -> str:
    return "IPv4" if address.version == 4 else "IPv6"


def are_dual_stack(addresses: Collection[Address | Network]) -> bool:
    """Whether both families are among them."""
    return {address.version for address in addresses} == {4, 6}


def merged(networks: Collection[Network]) -> list[Network]:
    """Networks of one family without overlaps."""
    return list(collapse_addresses(networks))  # type: ignore[type-var]
