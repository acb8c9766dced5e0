"""When schedules are due: fields, names, steps, days of week or month, and the two nights a year when clocks change."""

from __future__ import annotations

from datetime import datetime

import pytest

from apiserver.apimachinery.cron import parse
from controllers.loops.cronjob.times import next_time


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"),
        ("0/15 * * * *", "2026-07-09T14:45:00Z", "2026-07-09T15:00:00Z"),
        ("20-35/15 * * * *", "2026-07-09T14:45:00Z", "2026-07-09T15:20:00Z"),
        ("*/15 1-2 * * *", "2026-07-09T23:46:00Z", "2026-07-10T01:00:00Z"),
        ("59 23 31 12 *", "2026-07-09T00:00:00Z", "2026-12-31T23:59:00Z"),
        ("0 0 29 feb *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("0 9 * * MON-FRI", "2026-01-02T10:00:00Z", "2026-01-05T09:00:00Z"),
        ("0 0 13 * fri", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("0 0 13 * *", "2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z"),
        ("@hourly", "2026-01-01T00:59:59Z", "2026-01-01T01:00:00Z"),
        ("@weekly", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z"),
        ("@every 90m", "2026-01-01T00:00:10Z", "2026-01-01T01:30:10Z"),
        ("TZ=Asia/Tokyo 0 8 * * *", "2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z"),
        ("TZ=Asia/Kolkata 30 0 * * *", "2026-01-01T00:00:00Z", "2026-01-01T19:00:00Z"),
        # 2026-03-29: clocks in Berlin go from 2:00 to 3:00; 2026-10-25: from 3:00 back to 2:00.
        ("TZ=Europe/Berlin 0 3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"),
        ("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        # In Havana midnight itself is skipped on 2026-03-08; the day begins at 1:00.
        ("TZ=America/Havana 0 12 * * *", "2026-03-07T18:00:00Z", "2026-03-08T16:00:00Z"),
        ("TZ=America/Havana 0 0 9 3 *", "2026-03-07T18:00:00Z", "2026-03-09T04:00:00Z"),
    ],
)
def test_the_next_time(schedule: str, after: str, due: str) -> None:
    assert next_time(parse(schedule), at(after)) == at(due)


def test_a_day_that_never_comes() -> None:
    assert next_time(parse("59 23 31 2 *"), at("2026-01-01T00:00:00Z")) is None
