"""Quantities, durations, IntOrString: checked against the Go packages of v0.37.2."""

from __future__ import annotations

import pytest

from apiserver.apimachinery import duration, intstr, quantity


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1.500", "1.500"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("0.5Ki", "512"),
        ("1.1Mi", "1153433600m"),
        ("100e1", "1e3"),
        ("0", "0"),
        ("+5", "+5"),
        ("-0.1n", "-1n"),
        ("16Ei", "9223372036854775807"),
        ("12E", "12E"),
    ],
)
def test_quantities_print_in_canonical_form(text: str, printed: str) -> None:
    assert quantity.canonical(text) == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity._FORMAT_WRONG),
        ("1..2", quantity._FORMAT_WRONG),
        ("1Kib", quantity._FORMAT_WRONG),
        ("1mm", "unable to parse quantity's suffix"),
        ("Pi", "unable to parse numeric part of quantity"),
    ],
)
def test_what_is_no_quantity_is_refused(text: str, message: str) -> None:
    with pytest.raises(quantity.QuantityError) as refused:
        quantity.parse(text)
    assert str(refused.value) == message


def test_quantities_compare_and_add_by_value() -> None:
    assert quantity.parse("1") == quantity.parse("1000m")
    assert quantity.parse("1Gi") > quantity.parse("1G")
    assert str(quantity.parse("1Gi") + quantity.parse("512Mi")) == "1536Mi"
    assert str(quantity.parse("0") + quantity.parse("1Ki")) == "1Ki"
    assert str(quantity.parse("1") - quantity.parse("250m")) == "750m"
    assert (quantity.parse("100m").value, quantity.parse("100m").milli_value) == (1, 100)
    assert quantity.parse("1e999999999") > quantity.parse("1Ei")


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (-5, "<invalid>", "<invalid>"),
        (-1, "0s", "0s"),
        (119, "119s", "1m"),
        (200, "3m20s", "3m"),
        (3 * 3600, "3h", "3h"),
        (7.5 * 3600, "7h30m", "7h"),
        (50 * 3600, "2d2h", "2d"),
        (400 * 86400, "400d", "1y"),
        (800 * 86400, "2y70d", "2y"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds: float, long: str, short: str) -> None:
    assert (duration.human(seconds), duration.short_human(seconds)) == (long, short)


def test_go_durations_are_read_and_written() -> None:
    assert duration.parse_go("1h30m0.5s") == 5400.5
    assert duration.format_go(5400.5) == "1h30m0.5s"
    assert duration.format_go(0.0015) == "1.5ms"
    with pytest.raises(ValueError, match='time: unknown unit "x" in duration "5x"'):
        duration.parse_go("5x")


def test_percentages_are_scaled_and_rounded_as_asked() -> None:
    assert (intstr.scaled("25%", 10, round_up=True), intstr.scaled("25%", 10, round_up=False)) == (3, 2)
    assert intstr.scaled(3, 10, round_up=True) == 3
    with pytest.raises(ValueError, match="string is not a percentage"):
        intstr.scaled("http", 10, round_up=True)


@pytest.mark.parametrize(
    ("text", "value", "milli"),
    [
        ("9223372036854775807", 2**63 - 1, -1000),
        ("1e30", 0, 0),
        ("1e16", 10**16, 0),
        ("18446744073709551617", 1, 1000),
        ("-1500m", -2, -1500),
    ],
)
def test_what_an_int64_does_not_hold_is_what_go_keeps_of_it(text: str, value: int, milli: int) -> None:
    parsed = quantity.parse(text)
    assert (parsed.value, parsed.milli_value) == (value, milli)


def test_rounding_up_is_exact_however_large_the_amount() -> None:
    assert str(quantity.parse("12345678901234567890.0001").round_up(-3)) == "12345678901234567890001m"
