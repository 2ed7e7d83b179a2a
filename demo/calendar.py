"""Move the year 2017 so that it ends next Sunday: by whole weeks, so that weekdays keep their pattern.

The data run from Sunday 2017-01-01 to Sunday 2017-12-31 and a few hours into the Monday after it (UTC).
The shift is the fewest whole weeks that put that last Sunday on or after tomorrow (UTC): one to seven
days lie between today and it, and most of the events are in the past, the last ones still to come.

An event is due when its shifted time is not after `now`. A coupon redemption carries only a date and
is due at 00:00 UTC of that day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

FIRST_DAY = date(2017, 1, 1)
LAST_SUNDAY = date(2017, 12, 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A moment and the shift that belongs to it; both stay for the life of a demo."""

    now: datetime
    weeks: int

    def __post_init__(self) -> None:
        if self.now.utcoffset() != timedelta(0):
            msg = f"{self.now!r} is no UTC time"
            raise ValueError(msg)

    @classmethod
    def at(cls, now: datetime) -> Calendar:
        """Return the calendar of a first run at `now` (aware; kept to the second)."""
        now = now.astimezone(UTC).replace(microsecond=0)
        return cls(now=now, weeks=weeks_to_shift(now.date()))

    @property
    def shift(self) -> timedelta:
        return timedelta(weeks=self.weeks)

    @property
    def now_seconds(self) -> int:
        """Seconds since 1970 of `now`."""
        return int(self.now.timestamp())

    @property
    def shift_seconds(self) -> int:
        return int(self.shift.total_seconds())

    @property
    def first_day(self) -> date:
        """The day on which the shifted data begin."""
        return FIRST_DAY + self.shift

    @property
    def last_sunday(self) -> date:
        """The last full day of the shifted data."""
        return LAST_SUNDAY + self.shift


def weeks_to_shift(today: date) -> int:
    """Return the fewest whole weeks that put 2017-12-31 on or after the day after `today`."""
    tomorrow = today + timedelta(days=1)
    return -((LAST_SUNDAY - tomorrow).days // 7)


def midnight(day: date) -> datetime:
    """Return 00:00 UTC of a day."""
    return datetime.combine(day, time(), tzinfo=UTC)
