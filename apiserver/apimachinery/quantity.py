"""Quantities (`500m`, `1Gi`, `2e3`): parsed, printed, compared and added as upstream's resource.Quantity.

The value is exact: `unscaled * 10**scale`. What upstream keeps as written (`1.500`, `+5`) is kept here too; everything else
prints in canonical form: the largest suffix without a fraction.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache, total_ordering

DECIMAL_SI, BINARY_SI, DECIMAL_EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"

_FORMAT_WRONG = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_SUFFIX_WRONG = "unable to parse quantity's suffix"
_TEXT = re.compile(r"([+-]?)0*([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {exponent: name for name, exponent in _DECIMAL.items()}
_BINARY_NAMES = {exponent: name for name, exponent in _BINARY.items()}
_MAX_DIGITS = 18  # an int64 holds that many for certain
_NANO = -9
_MAX_BINARY = 2**63 - 1
_LONGEST = (
    1000  # digits; Go takes any number of them, Python takes time that grows with their square, and stops at 4,300
)
_FAR = 400  # decimal places beyond which a sum keeps only the larger number


class QuantityError(ValueError):
    """A text that is no quantity; the message is upstream's."""


def _power(exponent: int) -> int:
    """10**exponent, for an exponent that is not negative."""
    return int(10**exponent)


def _ceil_div(value: int, divisor: int) -> int:
    """Division that rounds away from zero."""
    return -(-value // divisor) if value >= 0 else value // divisor


def _int64(value: int) -> int:
    """The low 64 bits, as Go's big.Int gives them."""
    return (value + 2**63) % 2**64 - 2**63


@total_ordering
class Quantity:
    """An immutable amount with the format it is printed in. Build it with `parse` or `of`."""

    __slots__ = ("_text", "format", "scale", "unscaled")

    def __init__(self, unscaled: int, scale: int = 0, format: str = DECIMAL_SI, text: str = "") -> None:
        self.unscaled = unscaled
        self.scale = scale
        self.format = format
        self._text = text

    def __str__(self) -> str:
        if not self._text:
            self._text = self._canonical()
        return self._text

    def __repr__(self) -> str:
        return f"<Quantity {self}>"

    def __hash__(self) -> int:
        return hash(self._decimal())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self._decimal() == other._decimal()

    def __lt__(self, other: Quantity) -> bool:
        return self._decimal() < other._decimal()

    def __bool__(self) -> bool:
        return self.unscaled != 0

    def __add__(self, other: Quantity) -> Quantity:
        """The sum, in this quantity's format, or in the other's where this one is zero."""
        if not self.unscaled:
            return Quantity(other.unscaled, other.scale, other.format)
        if not other.unscaled:
            return Quantity(self.unscaled, self.scale, self.format)
        if abs(self.scale - other.scale) > _FAR:
            larger = self if abs(self._decimal()) > abs(other._decimal()) else other
            return Quantity(larger.unscaled, larger.scale, self.format)
        scale = min(self.scale, other.scale)
        unscaled = self.unscaled * 10 ** (self.scale - scale) + other.unscaled * 10 ** (other.scale - scale)
        return Quantity(unscaled, scale, self.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.unscaled, self.scale, self.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return self + -other

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.unscaled * factor, self.scale, self.format)

    @property
    def value(self) -> int:
        """In whole units, rounded away from zero."""
        return self.scaled_value(0)

    @property
    def milli_value(self) -> int:
        return self.scaled_value(-3)

    def scaled_value(self, scale: int) -> int:
        """In units of 10**scale, rounded away from zero; what is left in Go's int64 where that does not hold it."""
        shift = self.scale - scale
        if shift <= 0:
            return _int64(_ceil_div(self.unscaled, _power(min(-shift, _FAR))))
        value = self.unscaled * _power(min(shift, _FAR))
        if -(2**63) <= value < 2**63:
            return value
        if abs(self.unscaled) < 10**_MAX_DIGITS:  # an int64Amount says that it overflows, and the zero beside is taken
            return 0
        factor = 10**shift if shift <= _MAX_DIGITS else -(2**63)  # scale_int.go: int64(math.Pow10(shift))
        return _int64(_int64(self.unscaled) * factor)

    def round_up(self, scale: int) -> Quantity:
        """The same amount, where it is finer than 10**scale the next one of that scale, away from zero."""
        if self.scale >= scale:
            return self
        return Quantity(_ceil_div(self.unscaled, _power(min(scale - self.scale, _FAR))), scale, self.format)

    def _decimal(self) -> Decimal:
        return Decimal(self.unscaled).scaleb(self.scale, _WIDE)

    def _canonical(self) -> str:
        if not self.unscaled:
            return "0"
        if self.format == BINARY_SI and (whole := self._whole()) is not None and not -1024 < whole < 1024:
            exponent = 0
            while abs(whole) >= 1024 and whole % 1024 == 0:
                whole, exponent = whole // 1024, exponent + 10
            return f"{whole}{_BINARY_NAMES.get(exponent, '')}"
        return self._canonical_decimal()

    def _whole(self) -> int | None:
        """The value when it has no fraction."""
        if self.scale >= 0:
            return self.unscaled * _power(min(self.scale, _FAR))
        whole, rest = divmod(self.unscaled, _power(min(-self.scale, _FAR)))
        return None if rest else whole

    def _canonical_decimal(self) -> str:
        amount, exponent = self.unscaled, self.scale
        while amount % 10 == 0:
            amount, exponent = amount // 10, exponent + 1
        amount, exponent = amount * 10 ** (exponent % 3), exponent - exponent % 3
        if self.format == DECIMAL_EXPONENT:
            return f"{amount}e{exponent}" if exponent else str(amount)
        return f"{amount}{_DECIMAL_NAMES.get(exponent, '')}"


_WIDE = Context(prec=999_999, Emax=999_999_999_999, Emin=-999_999_999_999)


def of(value: int, format: str = DECIMAL_SI) -> Quantity:
    return Quantity(value, 0, format)


def of_milli(value: int, format: str = DECIMAL_SI) -> Quantity:
    return Quantity(value, -3, format)


def _suffix(text: str) -> tuple[int, str]:
    """(exponent, format) of a suffix; the exponent is of two for BinarySI, of ten otherwise."""
    if text in _DECIMAL:
        return _DECIMAL[text], DECIMAL_SI
    if text in _BINARY:
        return _BINARY[text], BINARY_SI
    match = _EXPONENT.fullmatch(text) if len(text) < _LONGEST else None
    if match and -(2**63) <= (exponent := int(match.group(1))) < 2**63:
        return (exponent + 2**31) % 2**32 - 2**31, DECIMAL_EXPONENT  # int32(parsed)
    raise QuantityError(_SUFFIX_WRONG)


def _kept_as_written(value: int, shifted: str, exponent: int, scale: int, format: str) -> bool:
    """What upstream takes for canonical without looking closer (ParseQuantity's fast path)."""
    if format == BINARY_SI:
        return exponent % 10 == 0 and value & 7 != 0
    return scale % 3 == 0 and not shifted.endswith("000") and shifted[0] != "0"


@lru_cache(maxsize=4096)
def parse(text: str) -> Quantity:
    """Read a quantity; raises QuantityError."""
    match = _TEXT.fullmatch(text) if text.isascii() else None
    if not match or not text:
        raise QuantityError(_FORMAT_WRONG)
    sign, number, fraction, suffix = match.groups()
    number, fraction = number or "0", fraction or ""
    if len(number) + len(fraction) > _LONGEST:
        raise QuantityError(_FORMAT_WRONG)
    exponent, format = _suffix(suffix)
    value, scale = int(number + fraction), -len(fraction)
    if format == BINARY_SI:
        room = 15 - len(number) - exponent * 3 // 10 - 1 if not fraction else -1
        factor = 2**exponent
    else:
        room, factor = _MAX_DIGITS - len(number) - len(fraction), 1
        scale += exponent
    unscaled = value * factor * (-1 if sign == "-" else 1)
    if room >= 0 and scale >= _NANO:
        written = _kept_as_written(value, number + fraction, exponent, scale, format)
        return Quantity(unscaled, scale, format, text if written else "")
    if not any(c.isdigit() for c in text[: len(text) - len(suffix)]):
        raise QuantityError("unable to parse numeric part of quantity")
    return _rounded(unscaled, scale, format)


def _rounded(unscaled: int, scale: int, format: str) -> Quantity:
    """Upstream's slow path: at least a nano, at most an int64 for binary formats, small binary amounts shown as decimal."""
    if scale < _NANO:
        unscaled, scale = _ceil_div(unscaled, 10 ** min(_NANO - scale, _FAR + len(str(unscaled)))), _NANO
    quantity = Quantity(unscaled, scale, format)
    if format == BINARY_SI:
        if abs(quantity._decimal()) > _MAX_BINARY:
            return Quantity(_MAX_BINARY if unscaled > 0 else -_MAX_BINARY, 0, format)
        if 0 < abs(quantity._decimal()) < 1:
            return Quantity(unscaled, scale, DECIMAL_SI)
    return quantity


def canonical(text: str) -> str:
    """A quantity as Go prints it after reading `text`; raises QuantityError."""
    return str(parse(text))
