"""When a cron schedule is due next, over time zones and their changes (github.com/robfig/cron/v3 spec.go).

A schedule without a zone runs in UTC, as it does in upstream's container image: pocketkube does not ask the machine's zone.
Instants are seconds since the epoch; schedules have whole ones.
"""

from __future__ import annotations

import calendar
import math
from datetime import UTC, datetime, tzinfo

from apiserver.apimachinery.cron import Every, Schedule, load_zone

HOUR, DAY = 3600, 86400
YEARS = 5  # no time within these: never


def next_time(schedule: Schedule | Every, after: float) -> int | None:
    """The first instant after `after`; None when there is none within five years."""
    if isinstance(schedule, Every):
        return math.floor(after) + schedule.seconds
    return _Search(schedule, math.floor(after) + 1).run()


class _Search:
    """One search: each field is advanced until it fits; where one runs over, all fields before it are looked at again."""

    def __init__(self, schedule: Schedule, start: int) -> None:
        self.schedule = schedule
        self.zone: tzinfo = load_zone(schedule.zone) if schedule.zone else UTC
        self.at = start
        self.last_year = self.wall.year + YEARS
        self.moved = False  # an earlier field was advanced: the later ones stand at their beginning

    @property
    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.at, self.zone)

    def run(self) -> int | None:
        while self.wall.year <= self.last_year:
            if self._month() and self._day() and self._hour() and self._minute() and self._second():
                return self.at
        return None

    # Each step says False when it ran over into the next larger field.

    def _month(self) -> bool:
        while (wall := self.wall).month not in self.schedule.month.numbers:
            year, month = divmod(wall.year * 12 + wall.month, 12)
            self._begin(instant(self.zone, year, month + 1, 1))
            if month == 0:
                return False
        return True

    def _day(self) -> bool:
        while not self._day_fits(self.wall):
            wall = self.wall
            following = calendar.timegm((wall.year, wall.month, wall.day, 0, 0, 0)) + DAY
            tomorrow = datetime.fromtimestamp(following, UTC)
            self._begin(instant(self.zone, tomorrow.year, tomorrow.month, tomorrow.day))
            hour = self.wall.hour  # not 0 where a change of clocks takes midnight away
            self.at += (24 - hour if hour > 12 else -hour) * HOUR
            if self.wall.day == 1:
                return False
        return True

    def _day_fits(self, wall: datetime) -> bool:
        day = wall.day in self.schedule.day.numbers
        weekday = wall.isoweekday() % 7 in self.schedule.weekday.numbers
        if self.schedule.day.star or self.schedule.weekday.star:
            return day and weekday
        return day or weekday

    def _hour(self) -> bool:
        while (wall := self.wall).hour not in self.schedule.hour.numbers:
            if not self.moved:
                self._begin(instant(self.zone, wall.year, wall.month, wall.day, wall.hour))
            self.at += HOUR
            if self.wall.hour == 0:
                return False
        return True

    def _minute(self) -> bool:
        while self.wall.minute not in self.schedule.minute.numbers:
            self._begin(self.at - self.at % 60 + 60)
            if self.wall.minute == 0:
                return False
        return True

    def _second(self) -> bool:
        """Schedules of minutes are due at second 0."""
        if self.at % 60 == 0:
            return True
        self._begin(self.at - self.at % 60 + 60)
        return False

    def _begin(self, at: int) -> None:
        self.at, self.moved = at, True


def instant(zone: tzinfo, year: int, month: int, day: int, hour: int = 0) -> int:
    """The instant of a wall-clock time; of one that clocks skip, what Go's time.Date makes of it."""
    as_utc = calendar.timegm((year, month, day, hour, 0, 0))
    offset = _offset(zone, as_utc)
    return as_utc - _offset(zone, as_utc - offset) if offset else as_utc


def _offset(zone: tzinfo, at: int) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
