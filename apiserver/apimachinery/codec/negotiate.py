"""Content negotiation as upstream does it (endpoints/handlers/negotiation, munnerz/goautoneg).

`negotiate(accept)` finds the form of an answer, `body_media_type(content_type)` reads a body's; both remember headers they saw.
Protobuf has its seat: it is named where upstream names it, and not offered until there is an encoder (OFFERED).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from apiserver.apimachinery.errors import StatusError, not_acceptable, unsupported_media_type

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
BUILT_IN, CUSTOM = (JSON, YAML, PROTOBUF), (JSON, YAML)
OFFERED = frozenset({JSON, YAML})
ENCODINGS = {JSON: "json", YAML: "yaml", PROTOBUF: "protobuf"}
TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"

_META_GROUP, _META_VERSIONS = "meta.k8s.io", ("v1", "v1beta1")
_CLAUSES = 64  # more than that nobody means
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_MEDIA_TYPE = re.compile(
    rf"\s*({_TOKEN}/{_TOKEN})\s*((?:;\s*{_TOKEN}\s*=\s*(?:{_TOKEN}|\"(?:[^\"\\]|\\.)*\")\s*)*);?\s*"
)
_PARAMETER_NAME = re.compile(rf";\s*({_TOKEN})\s*=")


class Negotiated(NamedTuple):
    """The form of an answer."""

    media_type: str
    encoding: str  # json, yaml, protobuf
    as_kind: str = ""  # Table, PartialObjectMetadata, PartialObjectMetadataList or "": the object itself
    as_version: str = ""  # of meta.k8s.io
    stream: str = ""  # "watch" where the client named a stream
    pretty: bool = False  # by a parameter of the media type; `?pretty` and the client's name come on top
    profile: str = ""  # of discovery


class Clause(NamedTuple):
    """One alternative of an Accept header."""

    type: str
    subtype: str
    quality: float
    parameters: tuple[tuple[str, str], ...]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _clause(part: str) -> Clause | None:
    media_type, _, rest = part.strip(" ").partition(";")
    type_, _, subtype = media_type.partition("/")
    type_ = type_.strip(" ")
    if not subtype:
        if type_ != "*":
            return None
        subtype = "*"
    elif "/" in subtype.rstrip("/") or subtype.count("/") > 1:
        return None
    quality, parameters = 1.0, {}
    for parameter in rest.split(";") if rest else ():
        name, _, value = parameter.partition("=")
        if not value or "=" in value[:-1]:
            continue
        if name.strip(" ") == "q":
            quality = _quality(value.rstrip("="))
        else:
            parameters[name.strip(" ")] = value.rstrip("=").strip(" ")
    return Clause(type_, subtype.rstrip("/").strip(" "), quality, tuple(parameters.items()))


def _comes_first(a: Clause, b: Clause) -> bool:
    if a.quality > b.quality or (a.type != "*" and b.type == "*"):
        return True
    return a.subtype != "*" and b.subtype == "*"


def parse_accept(header: str) -> list[Clause]:
    """The clauses, best first. The order is upstream's: an insertion sort by a relation that is no order."""
    found: list[Clause] = []
    for part in header.split(",")[:_CLAUSES]:
        clause = _clause(part)
        if clause is None:
            continue
        position = len(found)
        while position and _comes_first(clause, found[position - 1]):
            position -= 1
        found.insert(position, clause)
    return found


def _options(clause: Clause, media_type: str, transforms: bool, tables: bool) -> Negotiated | None:
    """The clause's wishes, None where one of them cannot be had."""
    wishes = dict(clause.parameters)
    stream = wishes.get("stream", "")
    if stream and (stream != "watch" or media_type == YAML):
        return None
    if wishes.get("sv", "v1") not in ("", "v1"):
        return None
    kind = wishes.get("as", "")
    if any(name in wishes for name in ("as", "g", "v")):
        if not transforms or wishes.get("g") != _META_GROUP or wishes.get("v") not in _META_VERSIONS:
            return None
        if kind not in (PARTIAL, PARTIAL_LIST) and not (kind == TABLE and tables and media_type != PROTOBUF):
            return None
    return Negotiated(
        media_type,
        ENCODINGS.get(media_type, media_type),
        kind,
        wishes.get("v", "") if kind else "",
        stream,
        wishes.get("pretty") == "1",
        wishes.get("profile", ""),
    )


def _matches(clause: Clause, media_type: str) -> bool:
    type_, _, subtype = media_type.partition("/")
    if clause.type == "*":
        return clause.subtype == "*"
    return clause.type == type_ and clause.subtype in (subtype, "*")


@lru_cache(maxsize=512)
def _negotiated(accept: str, supported: tuple[str, ...], transforms: bool, tables: bool) -> Negotiated | None:
    if not accept:
        return Negotiated(supported[0], ENCODINGS.get(supported[0], supported[0]))
    for clause in parse_accept(accept):
        for media_type in supported:
            if media_type != PROTOBUF or PROTOBUF in OFFERED:
                found = _options(clause, media_type, transforms, tables) if _matches(clause, media_type) else None
                if found is not None:
                    return found
    return None


def negotiate(
    accept: str,
    supported: tuple[str, ...] = BUILT_IN,
    *,
    transforms: bool = True,
    tables: bool = True,
    stream: bool = False,
) -> Negotiated:
    """The best form among `supported`; `transforms`: may the answer become a Table or partial metadata; `stream`: a watch.

    Raises a 406 StatusError.
    """
    found = _negotiated(accept, supported, transforms, tables)
    if found is None:
        raise refusal(supported)
    if stream and found.media_type == YAML:  # it has no form for streams
        raise refusal(supported, stream=True)
    return found


def refusal(supported: tuple[str, ...], *, stream: bool = False) -> StatusError:
    """The 406 that lists what could be had."""
    if stream:
        supported = tuple(f"{media_type};stream=watch" for media_type in supported if media_type != YAML)
    return not_acceptable(f"only the following media types are accepted: {', '.join(supported)}")


@lru_cache(maxsize=512)
def _media_type(content_type: str) -> str:
    """mime.ParseMediaType's first result, "" where it fails."""
    match = _MEDIA_TYPE.fullmatch(content_type)
    if match is None:
        return ""
    names = [name.lower() for name in _PARAMETER_NAME.findall(match.group(2))]
    return "" if len(names) > len(set(names)) else match.group(1).lower()


def body_media_type(content_type: str, supported: tuple[str, ...] = BUILT_IN) -> str:
    """A body's media type, JSON when unnamed; raises a 415 StatusError."""
    if not content_type:
        return supported[0]
    found = _media_type(content_type)
    if found in supported:
        return found
    raise unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(supported)}"
    )
