"""The demo's calendar: whatever day it is, the year ends next Sunday and weekdays keep their pattern."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.calendar import FIRST_DAY, LAST_SUNDAY, Calendar, weeks_to_shift

LAST_EVENT = datetime(2018, 1, 1, 4, 1, 20, tzinfo=UTC)
moments = st.datetimes(datetime(2018, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(moments)
def test_one_to_eight_days_are_still_to_come(now):
    """The last Sunday lies one to seven days ahead, the last event in at most eight days and a morning."""
    calendar = Calendar.at(now)

    assert 1 <= (calendar.last_sunday - now.date()).days <= 7
    assert timedelta(days=1) < LAST_EVENT + calendar.shift - now <= timedelta(days=8, hours=4, minutes=2)


@given(moments)
def test_no_fewer_weeks_would_do(now):
    """One week less and the last Sunday would not be ahead."""
    weeks = weeks_to_shift(now.date())

    assert LAST_SUNDAY + timedelta(weeks=weeks) >= now.date() + timedelta(days=1)
    assert LAST_SUNDAY + timedelta(weeks=weeks - 1) < now.date() + timedelta(days=1)


@given(moments, st.dates(date(2016, 1, 1), date(2018, 12, 31)))
def test_a_weekday_keeps_its_weekday(now, day):
    """A shift by whole weeks moves a Monday to a Monday."""
    assert (day + Calendar.at(now).shift).weekday() == day.weekday()


@given(moments)
def test_the_first_day_is_past_and_the_year_is_whole(now):
    """The data begin 364 days before the last Sunday, most of them in the past."""
    calendar = Calendar.at(now)

    assert calendar.last_sunday - calendar.first_day == LAST_SUNDAY - FIRST_DAY == timedelta(days=364)
    assert timedelta(days=356) < now - datetime.combine(calendar.first_day, datetime.min.time(), UTC)


@given(moments)
def test_the_same_moment_gives_the_same_calendar_to_the_second(now):
    """What is read back from the state file equals what was written."""
    calendar = Calendar.at(now)

    assert Calendar.at(calendar.now) == calendar
    assert calendar.now_seconds == int(now.timestamp())


@pytest.mark.parametrize(
    ("today", "last_sunday"),
    [
        (date(2026, 11, 21), date(2026, 11, 22)),  # Saturday: tomorrow
        (date(2026, 11, 22), date(2026, 11, 29)),  # Sunday: in a week
        (date(2026, 11, 23), date(2026, 11, 29)),  # Monday
        (date(2017, 12, 30), LAST_SUNDAY),  # no shift at all
    ],
)
def test_known_days(today, last_sunday):
    """The rule in four examples."""
    assert LAST_SUNDAY + timedelta(weeks=weeks_to_shift(today)) == last_sunday


def test_a_time_without_utc_is_refused():
    """A calendar can't be built on local time."""
    with pytest.raises(ValueError, match="no UTC time"):
        Calendar(now=datetime(2026, 11, 23), weeks=465)
