"""What claims and their templates have in common: the wish for devices (upstream validateDeviceClaim)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from apiserver.api.resource.names import (
    MAX_ALTERNATIVES,
    MAX_CONFIGS,
    MAX_CONSTRAINTS,
    MAX_REQUESTS,
    MAX_SELECTORS,
    items_errors,
    label_errors,
    raw_errors,
)
from apiserver.api.resource.taints import tolerations_errors
from apiserver.api.validation.pod.names import subdomain_errors
from apiserver.apimachinery import formats
from apiserver.apimachinery.errors import FieldError, invalid, required, too_long
from apiserver.apimachinery.objects import Object, get

EXACT_COUNT, ALL = "ExactCount", "All"
MAX_EXPRESSION = 10 * 1024  # bytes of CEL
MAX_PARAMETERS = 10 * 1024  # bytes of JSON
ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"
# Also where neither is set, as upstream.
ONE_ATTRIBUTE = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"

RequestNames = Mapping[str, frozenset[str]]


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


def request_names(spec: Object) -> RequestNames:
    """The requests of a claim, each with the names of its alternatives."""
    requests = get(spec, "devices", "requests", default=())
    return {
        request.get("name") or "": frozenset(sub.get("name") or "" for sub in request.get("firstAvailable") or ())
        for request in requests
    }


def claim_errors(spec: Object, path: str) -> Iterator[FieldError]:
    """Upstream validateResourceClaimSpec; what it leaves to declaration is in `declared`."""
    devices, path, names = spec.get("devices") or {}, f"{path}.devices", request_names(spec)
    requests, constraints = devices.get("requests") or [], devices.get("constraints") or []
    yield from items_errors(requests, MAX_REQUESTS, _request_errors, f"{path}.requests")
    check = partial(_constraint_errors, names=names)
    yield from items_errors(constraints, MAX_CONSTRAINTS, check, f"{path}.constraints")
    configs = devices.get("config") or []
    yield from items_errors(configs, MAX_CONFIGS, partial(config_errors, names=names), f"{path}.config")


def _name(item: Object) -> str:
    return item.get("name") or ""


def _request_errors(request: Object, path: str) -> Iterator[FieldError]:
    yield from label_errors(_name(request), f"{path}.name")
    exactly, alternatives = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not alternatives:
        yield required(path, ONE_KIND)
    elif exactly is not None and alternatives:
        yield invalid(path, None, f"{ONE_KIND}, but multiple fields are set")
    elif exactly is not None:
        yield from _exact_errors(exactly, f"{path}.exactly")
    else:
        yield from items_errors(alternatives, MAX_ALTERNATIVES, _alternative_errors, f"{path}.firstAvailable")


def _alternative_errors(ask: Object, path: str) -> Iterator[FieldError]:
    yield from label_errors(_name(ask), f"{path}.name")
    yield from _ask_errors(ask, path)


def _exact_errors(ask: Object, path: str) -> Iterator[FieldError]:
    device_class = ask.get("deviceClassName") or ""
    if not device_class:
        yield required(f"{path}.deviceClassName")
    else:
        yield from subdomain_errors(device_class, f"{path}.deviceClassName")
    yield from _ask_errors(ask, path)


def _ask_errors(ask: Object, path: str) -> Iterator[FieldError]:
    yield from selectors_errors(ask.get("selectors") or (), f"{path}.selectors")
    yield from _mode_errors(ask.get("allocationMode") or "", ask.get("count") or 0, path)
    yield from tolerations_errors(ask, path)


def _mode_errors(mode: str, count: int, path: str) -> Iterator[FieldError]:
    if mode == ALL and count:
        yield invalid(f"{path}.count", count, f"must not be specified when allocationMode is '{mode}'")
    if mode == EXACT_COUNT and count <= 0:
        yield invalid(f"{path}.count", count, "must be greater than zero")


def selectors_errors(selectors: Sequence[Object], path: str, *, stored: bool = False) -> Iterator[FieldError]:
    """`stored`: as they were before, and so not judged again."""
    return items_errors(selectors, MAX_SELECTORS, partial(_selector_errors, stored=stored), path)


def _selector_errors(selector: Object, path: str, *, stored: bool) -> Iterator[FieldError]:
    cel = selector.get("cel")
    if cel is None:
        yield required(f"{path}.cel")
    elif not stored and formats.byte_length(cel.get("expression") or "") > MAX_EXPRESSION:
        yield too_long(f"{path}.cel.expression", MAX_EXPRESSION)


def _constraint_errors(constraint: Object, path: str, *, names: RequestNames) -> Iterator[FieldError]:
    yield from references_errors(constraint.get("requests") or [], f"{path}.requests", names)
    if constraint.get("matchAttribute") is None and constraint.get("distinctAttribute") is None:
        yield required(path, ONE_ATTRIBUTE)


def config_errors(config: Object, path: str, *, names: RequestNames) -> Iterator[FieldError]:
    yield from references_errors(config.get("requests") or [], f"{path}.requests", names)
    yield from configuration_errors(config, path)


def references_errors(requests: Sequence[str], path: str, names: RequestNames) -> Iterator[FieldError]:
    return items_errors(requests, MAX_REQUESTS, partial(reference_errors, names=names), path)


def reference_errors(reference: str, path: str, *, names: RequestNames) -> Iterator[FieldError]:
    """`request` or `request/alternative`."""
    segments = reference.split("/")
    if len(segments) > 2:
        yield invalid(path, reference, NO_REQUEST)
        return
    for segment in segments:
        yield from label_errors(segment, path)
    alternatives = names.get(segments[0])
    if alternatives is None or (len(segments) == 2 and segments[1] not in alternatives):
        yield invalid(path, reference, NO_REQUEST)


def configuration_errors(config: Object, path: str, *, stored: bool = False) -> Iterator[FieldError]:
    """Upstream validateDeviceConfiguration: parameters for one driver."""
    opaque = config.get("opaque")
    if opaque is None:
        yield required(f"{path}.opaque")
        return
    yield from raw_errors(opaque.get("parameters"), f"{path}.opaque.parameters", MAX_PARAMETERS, stored=stored)
