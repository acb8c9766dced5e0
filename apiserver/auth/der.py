"""The few facts of an X.509 certificate that authentication needs, read from its DER bytes.

The chain has been verified by whoever accepted the connection; this only reads. A reader of our own, because the
`cryptography` package costs 40 ms and 17 MB, and a server that only sees client certificates needs nothing else of it.
"""

from __future__ import annotations

import calendar
import hashlib
import time
from collections.abc import Iterator
from typing import NamedTuple

# Tags (X.690)
OID, SEQUENCE, SET, EXPLICIT_VERSION = 0x06, 0x30, 0x31, 0xA0
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
STRING_CODECS = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # T61String
    0x16: "ascii",  # IA5String
    0x1E: "utf-16-be",  # BMPString
}

COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3
ORGANIZATION = bytes.fromhex("55040a")  # 2.5.4.10
KUBERNETES_UID = bytes.fromhex("2b0601040183c25302")  # 1.3.6.1.4.1.57683.2, upstream apis/asn1


class CertificateError(ValueError):
    """The bytes are no certificate we can read."""


class Certificate(NamedTuple):
    """Who a certificate speaks for, and until when."""

    common_name: str
    organizations: tuple[str, ...]
    uids: tuple[str, ...]
    not_before: float
    not_after: float
    issuer: bytes  # the issuer's name, DER
    fingerprint: str  # SHA-256 of the whole, hexadecimal


def read_certificate(der: bytes) -> Certificate:
    """Read what matters; raises CertificateError."""
    try:
        return _read(der)
    except (IndexError, ValueError, LookupError) as e:
        raise CertificateError(f"not a certificate: {e}") from e


def _read(der: bytes) -> Certificate:
    fields = list(_items(_body(_body(der, SEQUENCE), SEQUENCE)))  # of tbsCertificate
    at = 1 if fields[0][0] == EXPLICIT_VERSION else 0
    # [version] serialNumber signature issuer validity subject …
    issuer, validity, subject = fields[at + 2], fields[at + 3], fields[at + 4]
    not_before, not_after = (_time(tag, value) for tag, value in _items(validity[1]))
    names = list(_names(subject[1]))
    common_names = [text for oid, text in names if oid == COMMON_NAME]
    return Certificate(
        common_names[-1] if common_names else "",
        tuple(text for oid, text in names if oid == ORGANIZATION),
        tuple(text for oid, text in names if oid == KUBERNETES_UID),
        not_before,
        not_after,
        issuer[1],
        hashlib.sha256(der).hexdigest(),
    )


def subject_of(der: bytes) -> bytes:
    """The subject's name of a certificate, DER; raises CertificateError."""
    try:
        fields = list(_items(_body(_body(der, SEQUENCE), SEQUENCE)))
        return fields[5 if fields[0][0] == EXPLICIT_VERSION else 4][1]
    except (IndexError, ValueError) as e:
        raise CertificateError(f"not a certificate: {e}") from e


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start and end of the value of the element at `at`."""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 0 < count <= 4:
            raise ValueError("a length of DER that is none")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise ValueError("truncated")
    return tag, start, start + length


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow each other in `data`."""
    at = 0
    while at < len(data):
        tag, start, at = _element(data, at)
        yield tag, data[start:at]


def _body(data: bytes, expected: int) -> bytes:
    """The value of the first element, which has to have the expected tag."""
    tag, start, end = _element(data, 0)
    if tag != expected:
        raise ValueError(f"tag {tag:#x} where {expected:#x} was expected")
    return data[start:end]


def _names(sequence: bytes) -> Iterator[tuple[bytes, str]]:
    """The attributes of a distinguished name, as (type, text)."""
    for _, relative in _items(sequence):
        for _, attribute in _items(relative):
            (_, oid), (tag, value) = _items(attribute)
            if tag in STRING_CODECS:
                yield oid, value.decode(STRING_CODECS[tag])


def _time(tag: int, value: bytes) -> float:
    text = value.decode("ascii")
    if tag == UTC_TIME:  # RFC 5280: years 50–99 belong to the last century
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif tag != GENERALIZED_TIME:
        raise ValueError(f"tag {tag:#x} is no time")
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))
