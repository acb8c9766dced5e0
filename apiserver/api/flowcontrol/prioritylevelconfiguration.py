"""PriorityLevelConfiguration: how many requests of one kind are served at once, and what the others do meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from apiserver.api.columns import AGE, NAME
from apiserver.api.flowcontrol.configuration import EXEMPT, GROUP, MANDATORY_LEVELS
from apiserver.api.flowcontrol.status import FlowStatusStrategy, status_errors
from apiserver.api.strategy import KindStrategy
from apiserver.api.validation.internal import internal
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, not_supported, required
from apiserver.apimachinery.objects import Object, annotations_of, get, name_of
from apiserver.registry.context import Context
from apiserver.registry.resource import Column, Resource, ServedVersion, Subresource

ZERO_SHARES = "flowcontrol.k8s.io/preserve-zero-concurrency-shares"  # of v1beta3
MAX_QUEUES, MAX_HASH_BITS = 10_000_000, 60
TYPES, RESPONSES = ("Exempt", "Limited"), ("Queue", "Reject")
QUEUING = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
_MANDATORY = {name_of(one): one["spec"] for one in MANDATORY_LEVELS}


class PriorityLevelStrategy(KindStrategy):
    """Mirrors upstream registry/flowcontrol/prioritylevelconfiguration, its defaults and validation."""

    namespaced = False
    has_status = True
    has_generation = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("type", "")
        obj.setdefault("status", {})
        for field, shares in (("exempt", 0), ("limited", 30)):
            if spec.get(field) is not None:
                _fill(spec[field], {"nominalConcurrencyShares": shares, "lendablePercent": 0})
        queuing = get(spec, "limited", "limitResponse", "queuing")
        if queuing is not None:
            queuing.update({field: queuing.get(field) or value for field, value in QUEUING.items()})

    def prepare_for_create(self, ctx: Context, obj: Object) -> None:
        super().prepare_for_create(ctx, obj)
        obj["status"] = {}

    def validate(self, ctx: Context, obj: Object) -> Iterator[FieldError]:
        spec, name = obj.get("spec") or {}, name_of(obj)
        if ZERO_SHARES in annotations_of(obj):
            yield field_forbidden("metadata.annotations", f"annotation '{ZERO_SHARES}' is forbidden")
        yield from _spec_errors(spec, name)
        yield from _mandatory_errors(spec, name)
        yield from status_errors(obj)
        yield from _union_errors(spec)

    def validate_update(self, ctx: Context, obj: Object, old: Object) -> Iterator[FieldError]:
        return self.validate_whole(ctx, obj)


def _fill(obj: Object, defaults: Object) -> None:
    for field, value in defaults.items():
        if obj.get(field) is None:
            obj[field] = value


def _spec_errors(spec: Object, name: str) -> Iterator[FieldError]:
    kind, exempt, limited = spec.get("type") or "", spec.get("exempt"), spec.get("limited")
    if (name == EXEMPT) != (kind == "Exempt"):
        yield invalid("spec.type", kind, "must be 'Exempt' if and only if `name` is 'exempt'")
    if kind == "Exempt" and exempt is not None:
        yield from _shares_errors(exempt, "spec.exempt")
        yield from _lendable_errors(exempt, "spec.exempt")
    elif kind == "Limited" and limited is not None:
        yield from _limited_errors(limited, "spec.limited")
    elif kind and kind not in TYPES:
        yield not_supported("spec.type", kind, TYPES)


def _union_errors(spec: Object) -> Iterator[FieldError]:
    """What has to go with what: upstream's declared checks tell it last, level by level, members before the type."""
    kind, limited = spec.get("type") or "", spec.get("limited")
    if kind != "Exempt" and spec.get("exempt") is not None:
        yield field_forbidden("spec.exempt", "")
    if kind == "Limited" and limited is None:
        yield required("spec.limited")
    if kind != "Limited" and limited is not None:
        yield field_forbidden("spec.limited", "")
    if not kind:
        yield required("spec.type")
    if limited is not None:
        yield from _response_errors(limited.get("limitResponse") or {}, "spec.limited.limitResponse")


def _response_errors(response: Object, path: str) -> Iterator[FieldError]:
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind == "Queue" and queuing is None:
        yield required(f"{path}.queuing")
    if kind != "Queue" and queuing is not None:
        yield field_forbidden(f"{path}.queuing", "")
    if not kind:
        yield required(f"{path}.type")


def _shares_errors(level: Object, path: str) -> Iterator[FieldError]:
    shares = level.get("nominalConcurrencyShares")
    if shares is not None and shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")


def _lendable_errors(level: Object, path: str) -> Iterator[FieldError]:
    lendable = level.get("lendablePercent")
    if lendable is not None and not 0 <= lendable <= 100:
        yield invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive")


def _limited_errors(limited: Object, path: str) -> Iterator[FieldError]:
    yield from _shares_errors(limited, path)
    response = limited.get("limitResponse") or {}
    kind, queuing = response.get("type") or "", response.get("queuing")
    if kind == "Queue" and queuing is not None:
        yield from _queuing_errors(queuing, f"{path}.limitResponse.queuing")
    elif kind and kind not in RESPONSES:
        yield not_supported(f"{path}.limitResponse.type", kind, RESPONSES)
    yield from _lendable_errors(limited, path)
    borrowing = limited.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        yield invalid(f"{path}.borrowingLimitPercent", borrowing, "if specified, must be a non-negative integer")


def _queuing_errors(queuing: Object, path: str) -> Iterator[FieldError]:
    length, queues, hand = (queuing.get(field) or 0 for field in ("queueLengthLimit", "queues", "handSize"))
    if length <= 0:
        yield invalid(f"{path}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        yield invalid(f"{path}.queues", queues, "must be positive")
    elif queues > MAX_QUEUES:
        yield invalid(f"{path}.queues", queues, f"must not be greater than {MAX_QUEUES}")
    if hand <= 0:
        yield invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > MAX_HASH_BITS:
        detail = (
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {MAX_HASH_BITS}"
        )
        yield invalid(f"{path}.handSize", hand, detail)


def _mandatory_errors(spec: Object, name: str) -> Iterator[FieldError]:
    fixed = _MANDATORY.get(name)
    if fixed is None:
        return
    if name == EXEMPT:
        if {**spec, "exempt": fixed["exempt"]} != fixed:
            detail = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
            yield invalid("spec", internal(spec, "PriorityLevelConfigurationSpec"), detail)
    elif spec != fixed:
        detail = f"spec of '{name}' must equal the fixed value"
        yield invalid("spec", internal(spec, "PriorityLevelConfigurationSpec"), detail)


def _queuing_cell(field: str) -> Any:
    return lambda obj, now: get(obj, "spec", "limited", "limitResponse", "queuing", field, default="<none>")


STRATEGY = PriorityLevelStrategy()
RESOURCE = Resource(
    group=GROUP,
    plural="prioritylevelconfigurations",
    kind="PriorityLevelConfiguration",
    namespaced=False,
    versions=(ServedVersion("v1"),),
    storage_version="v1",
    strategy=STRATEGY,
    subresources=(Subresource(name="status", strategy=FlowStatusStrategy(STRATEGY)),),
    empty={"spec": {"type": ""}, "status": {}},
    columns=(
        NAME,
        Column(
            "Type",
            lambda obj, now: get(obj, "spec", "type", default=""),
            description="`type` indicates whether this priority level is subject to limitation on request execution.  A value "
            'of `"Exempt"` means that requests of this priority level are not subject to a limit (and thus are never queued) '
            'and do not detract from the capacity made available to other priority levels.  A value of `"Limited"` means '
            "that (a) requests of this priority level _are_ subject to limits and (b) some of the server's limited capacity "
            "is made available exclusively to this priority level. Required.",
        ),
        Column(
            "NominalConcurrencyShares",
            lambda obj, now: get(obj, "spec", "limited", "nominalConcurrencyShares", default="<none>"),
            description="`nominalConcurrencyShares` (NCS) contributes to the computation of the NominalConcurrencyLimit "
            "(NominalCL) of this level. This is the number of execution seats available at this priority level. This is used "
            "both for requests dispatched from this priority level as well as requests dispatched from other priority levels "
            "borrowing seats from this level. The server's concurrency limit (ServerCL) is divided among the Limited priority "
            "levels in proportion to their NCS values:\n\nNominalCL(i)  = ceil( ServerCL * NCS(i) / sum_ncs ) sum_ncs = "
            "sum[priority level k] NCS(k)\n\nBigger numbers mean a larger nominal concurrency limit, at the expense of every "
            "other priority level.\n\nIf not specified, this field defaults to a value of 30.\n\nSetting this field to zero "
            'supports the construction of a "jail" for this priority level that is used to hold some request(s)',
        ),
        Column(
            "Queues",
            _queuing_cell("queues"),
            description="`queues` is the number of queues for this priority level. The queues exist independently at each "
            "apiserver. The value must be positive.  Setting it to 1 effectively precludes shufflesharding and thus makes the "
            "distinguisher method of associated flow schemas irrelevant.  This field has a default value of 64.",
        ),
        Column(
            "HandSize",
            _queuing_cell("handSize"),
            description="`handSize` is a small positive number that configures the shuffle sharding of requests into queues.  "
            "When enqueuing a request at this priority level the request's flow identifier (a string pair) is hashed and the "
            "hash value is used to shuffle the list of queues and deal a hand of the size specified here.  The request is put "
            "into one of the shortest queues in that hand. `handSize` must be no larger than `queues`, and should be "
            "significantly smaller (so that a few heavy flows do not saturate most of the queues).  See the user-facing "
            "documentation for more extensive guidance on setting this field.  This field has a default value of 8.",
        ),
        Column(
            "QueueLengthLimit",
            _queuing_cell("queueLengthLimit"),
            description="`queueLengthLimit` is the maximum number of requests allowed to be waiting in a given queue of this "
            "priority level at a time; excess requests are rejected.  This value must be positive.  If not specified, it will "
            "be defaulted to 50.",
        ),
        AGE,
    ),
)
