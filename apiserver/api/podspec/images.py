"""Image references, as far as the API server reads them: the tag decides the default pull policy."""

from __future__ import annotations

import re
from functools import lru_cache

# The grammar of github.com/distribution/reference, anchored.
_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_COMPONENT}(?:\.{_COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_PATH_PART}(?:/{_PATH_PART})*)(?::(?P<tag>[\w][\w.-]{{0,127}}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_MAX_NAME = 255
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


def _split_domain(image: str) -> tuple[str, str]:
    """(domain, remainder), with Docker Hub's names filled in."""
    first, slash, rest = image.partition("/")
    if not slash or (not set(first) & set(".:") and first != "localhost" and first.lower() == first):
        domain, remainder = "docker.io", image
    else:
        domain, remainder = first, rest
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in remainder:
        remainder = "library/" + remainder
    return domain, remainder


def _digest_is_sound(digest: str) -> bool:
    algorithm, _, value = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    return length is not None and len(value) == length and value == value.lower()


@lru_cache(maxsize=1024)
def tag_of(image: str) -> str:
    """The tag, "latest" where neither tag nor digest is given, "" where `image` is no reference or has a digest only."""
    if not image or _IDENTIFIER.fullmatch(image):
        return ""
    domain, remainder = _split_domain(image)
    remote = remainder.partition(":")[0] if ":" in remainder else remainder
    if remote.lower() != remote:
        return ""
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None or len(match["name"]) > _MAX_NAME:
        return ""
    if match["digest"] and not _digest_is_sound(match["digest"]):
        return ""
    return match["tag"] or ("" if match["digest"] else "latest")


def default_pull_policy(image: str) -> str:
    return "Always" if tag_of(image) == "latest" else "IfNotPresent"
