"""IP addresses and CIDR blocks as fields hold them (upstream apimachinery/pkg/util/validation/ip.go, strict since 1.36)."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator

from apiserver.apimachinery.errors import FieldError, invalid

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

BAD_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
BAD_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
_LEADING_ZEROS = re.compile(r"(?<![0-9a-fA-F:])0+(?=[0-9])")


def parse_ip(value: str) -> IPAddress | None:
    """An address, leading zeros in IPv4 octets allowed (upstream netutils.ParseIPSloppy); None when it is none."""
    text = _LEADING_ZEROS.sub("", value) if "." in value else value
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_mapped(address: IPAddress) -> bool:
    """IPv4 in the clothes of IPv6, `::ffff:1.2.3.4`."""
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def is_ipv4(value: str) -> bool:
    address = parse_ip(value)
    return isinstance(address, ipaddress.IPv4Address) or (address is not None and is_mapped(address))


def canonical_ip(address: IPAddress) -> str:
    """As Go prints it: mapped addresses as IPv4."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def ip_errors(value: str, path: str) -> Iterator[FieldError]:
    """For fields older than strict validation: any form of a sound address (upstream IsValidIPForLegacyField)."""
    address = parse_ip(value)
    if address is None:
        yield invalid(path, value, BAD_IP)
        return
    if "." in value and _LEADING_ZEROS.search(value):
        yield invalid(path, value, "must not have leading 0s")
    if is_mapped(address):
        yield invalid(path, value, "must not be an IPv4-mapped IPv6 address")


def canonical_ip_errors(value: str, path: str) -> Iterator[FieldError]:
    """For newer fields: sound and in canonical form (upstream IsValidIP)."""
    found = list(ip_errors(value, path))
    yield from found
    address = parse_ip(value)
    if not found and address is not None and value != canonical_ip(address):
        yield invalid(path, value, f"must be in canonical form ({json.dumps(canonical_ip(address))})")


def endpoint_ip_errors(value: str, path: str) -> Iterator[FieldError]:
    """An address traffic may be sent to (upstream ValidateEndpointIP)."""
    address = parse_ip(value)
    if address is None:
        yield invalid(path, value, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield invalid(path, value, f"may not be unspecified ({value})")
    if address.is_loopback:
        yield invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address in _LOCAL_MULTICAST[address.version]:
        yield invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


_LOCAL_MULTICAST: dict[int, IPNetwork] = {
    4: ipaddress.IPv4Network("224.0.0.0/24"),
    6: ipaddress.IPv6Network("ff02::/16"),
}


def parse_cidr(value: str) -> IPNetwork | None:
    """A block, bits behind the prefix cut off; None when it is none."""
    address, slash, length = value.partition("/")
    parsed = parse_ip(address)
    if parsed is None or not slash or not length.isdigit() or not length.isascii():
        return None
    try:
        return ipaddress.ip_network(f"{parsed}/{int(length)}", strict=False)
    except ValueError:
        return None


def cidr_errors(value: str, path: str) -> Iterator[FieldError]:
    """Upstream IsValidCIDRForLegacyField."""
    network = parse_cidr(value)
    if network is None:
        yield invalid(path, value, BAD_CIDR)
        return
    text, _, length = value.partition("/")
    address = parse_ip(text)
    if ("." in text and _LEADING_ZEROS.search(text)) or length != str(int(length)):
        yield invalid(path, value, "must not have leading 0s in IP or prefix length")
    elif address is not None and is_mapped(address):
        yield invalid(path, value, "must not have an IPv4-mapped IPv6 address")
    elif address != network.network_address:
        yield invalid(path, value, "must not have bits set beyond the prefix length")


def canonical_cidr_errors(value: str, path: str) -> Iterator[FieldError]:
    """Upstream IsValidCIDR."""
    found = list(cidr_errors(value, path))
    yield from found
    network = parse_cidr(value)
    if not found and network is not None and value != str(network):
        yield invalid(path, value, f"must be in canonical form ({json.dumps(str(network))})")


def ip_warnings(value: str, path: str) -> Iterator[str]:
    """What to tell of an address in an odd but accepted form (upstream GetWarningsForIP)."""
    address = parse_ip(value)
    if address is None:
        return
    canonical = canonical_ip(address)
    if ("." in value and _LEADING_ZEROS.search(value)) or is_mapped(address):
        yield f"{path}: non-standard IP address {json.dumps(value)} is invalid: use {json.dumps(canonical)}"
    elif address.version == 6 and canonical != value:
        yield f"{path}: IPv6 address {json.dumps(value)} should be in RFC 5952 canonical format ({json.dumps(canonical)})"
