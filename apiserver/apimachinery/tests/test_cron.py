"""Cron schedules: what they mean, and what is wrong with them in the library's words."""

from __future__ import annotations

import pytest

from apiserver.apimachinery import cron


def test_ranges_steps_and_names_become_numbers() -> None:
    schedule = cron.parse("*/20 9-17/4 1,15 jan,Mar mon-FRI")
    assert isinstance(schedule, cron.Schedule)
    assert [sorted(times.numbers) for times in schedule[:5]] == [
        [0, 20, 40],
        [9, 13, 17],
        [1, 15],
        [1, 3],
        [1, 2, 3, 4, 5],
    ]


def test_a_number_with_a_step_goes_on_to_the_end() -> None:
    schedule = cron.parse("50/4 * * * *")
    assert isinstance(schedule, cron.Schedule)
    assert sorted(schedule.minute.numbers) == [50, 54, 58]


def test_stars_are_told_from_full_ranges() -> None:
    schedule = cron.parse("*/1 0-23 ? * *")
    assert isinstance(schedule, cron.Schedule)
    assert (schedule.minute.star, schedule.hour.star, schedule.day.star) == (True, False, True)


def test_descriptors_zones_and_intervals() -> None:
    assert cron.parse("@weekly") == cron.parse("0 0 * * 0")
    assert cron.parse("@every 1h30m") == cron.Every(5400)
    assert cron.parse("@every 10ms") == cron.Every(1)
    zoned = cron.parse("CRON_TZ=Asia/Tokyo 0 9 * * *")
    assert isinstance(zoned, cron.Schedule)
    assert zoned.zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty spec string"),
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("*/1/2 * * * *", "too many slashes: */1/2"),
        ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@never", "unrecognized descriptor: @never"),
        ("@every x", 'failed to parse duration @every x: time: invalid duration "x"'),
        ("TZ=Nowhere * * * * *", "provided bad location Nowhere: unknown time zone Nowhere"),
        ("TZ=UTC", "invalid schedule format: runtime error: slice bounds out of range [:-1]"),
    ],
)
def test_what_is_wrong_is_told(text: str, why: str) -> None:
    with pytest.raises(cron.CronError) as refused:
        cron.parse(text)
    assert str(refused.value) == why
