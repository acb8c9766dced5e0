"""How much of a device's capacity a request takes where it does not say (upstream validateRequestPolicy).

The gate DRAFractionalCapacityRange is off (it waits for a compatibility version of 1.37): steps are counted in whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from apiserver.api.resource.names import set_errors
from apiserver.apimachinery.errors import FieldError, field_forbidden, invalid, required
from apiserver.apimachinery.object_meta import NOT_NEGATIVE
from apiserver.apimachinery.objects import Object
from apiserver.apimachinery.quantity import Quantity, of, parse

MAX_VALUES = 10
MAX_INT64 = 2**63 - 1
ONE_POLICY = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
BOUNDS = ("default", "min", "max", "step")


def capacity_errors(capacity: Object, path: str, *, shared: bool) -> Iterator[FieldError]:
    """One capacity of a device; only a device that several claims may share divides it."""
    policy, path = capacity.get("requestPolicy"), f"{path}.requestPolicy"
    if policy is None:
        return
    if not shared:
        yield field_forbidden(path, "allowMultipleAllocations must be true")
        return
    total, values, within = parse(capacity["value"]), policy.get("validValues") or [], policy.get("validRange")
    if values and within is not None:
        yield field_forbidden(path, ONE_POLICY)
    elif policy.get("default") is None:
        if values or within is not None:
            kind = "validValues" if values else "validRange"
            yield required(f"{path}.default", f"required when {kind} is defined")
    elif values:
        parsed = [parse(value) for value in values]
        yield from _values_errors(parse(policy["default"]), total, parsed, f"{path}.validValues")
    elif within is not None:
        yield from _range_errors(parse(policy["default"]), total, within, f"{path}.validRange")


def _values_errors(default: Quantity, total: Quantity, values: Sequence[Quantity], path: str) -> Iterator[FieldError]:
    for i in range(1, len(values)):
        if values[i] < values[i - 1]:
            yield invalid(f"{path}[{i}]", str(values[i]), "values must be sorted in ascending order")
    yield from set_errors(values, MAX_VALUES, partial(_value_errors, total=total), _whole, path, shown=_whole)
    if len(values) > MAX_VALUES or default not in values:
        yield invalid(path, str(default), "default value is not valid according to the requestPolicy")


def _value_errors(value: Quantity, path: str, *, total: Quantity) -> Iterator[FieldError]:
    if value > total:
        yield invalid(path, str(value), f"option is larger than capacity value: {total}")


def _whole(value: Quantity) -> str:
    """How upstream tells values apart: rounded up."""
    return str(value.value)


def _range_errors(default: Quantity, total: Quantity, within: Object, path: str) -> Iterator[FieldError]:
    low, high, step = (parse(within[name]) if within.get(name) is not None else None for name in BOUNDS[1:])
    if low is None:
        yield required(f"{path}.min", "required when validRange is defined")
        return
    yield from _order_errors(default, total, low, high, path)
    if step is None:
        return
    if step <= of(0):
        yield invalid(f"{path}.step", str(step), "must be greater than zero")
        return
    if low + step > total:
        detail = f"one step {low + step} is larger than capacity value: {total}"
        yield invalid(f"{path}.step", str(step), detail)
    bounds = zip(BOUNDS, (default, low, high, step), strict=True)
    unsafe = list(_int64_errors([(name, bound) for name, bound in bounds if bound is not None], path))
    yield from unsafe
    for value in (default, high) if not unsafe else ():
        if value is not None and (value.value - low.value) % step.value:
            detail = f"value is not a multiple of a given step ({step}) from ({low})"
            yield invalid(f"{path}.step", str(value), detail)


def _order_errors(
    default: Quantity, total: Quantity, low: Quantity, high: Quantity | None, path: str
) -> Iterator[FieldError]:
    if low > total:
        yield invalid(f"{path}.min", str(low), f"min is larger than capacity value: {total}")
    if default < low:
        yield invalid(f"{path}.default", str(default), f"default is less than min: {low}")
    if high is None:
        return
    if low > high:
        yield invalid(f"{path}.max", str(low), f"min is larger than max: {high}")
    if high > total:
        yield invalid(f"{path}.max", str(high), f"max is larger than capacity value: {total}")
    if default > high:
        yield invalid(f"{path}.default", str(default), f"default is more than max: {high}")


def _int64_errors(bounds: Sequence[tuple[str, Quantity]], path: str) -> Iterator[FieldError]:
    for name, bound in bounds:
        if bound < of(0):
            yield invalid(f"{path}.{name}", str(bound), NOT_NEGATIVE)
        elif bound > of(MAX_INT64):
            yield invalid(f"{path}.{name}", str(bound), f"must not be larger than {MAX_INT64}")
