"""Quiet hours: nothing is sent in them, over midnight and over the change of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from anomalies.notifications.quiet_hours import QuietHours

NIGHT = QuietHours(time(22), time(7), "Europe/Berlin")
LUNCH = QuietHours(time(12), time(13, 30), "UTC")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "now", "allowed"),
    [
        (LUNCH, "2026-11-23 11:59", "2026-11-23 11:59"),
        (LUNCH, "2026-11-23 12:00", "2026-11-23 13:30"),
        (LUNCH, "2026-11-23 13:30", "2026-11-23 13:30"),
        (NIGHT, "2026-11-23 20:59", "2026-11-23 20:59"),
        (NIGHT, "2026-11-23 21:00", "2026-11-24 06:00"),
        (NIGHT, "2026-11-24 01:00", "2026-11-24 06:00"),
        (NIGHT, "2026-07-01 20:00", "2026-07-02 05:00"),  # summer time
        (NIGHT, "2026-03-28 22:00", "2026-03-29 05:00"),  # put forward in this night
        (NIGHT, "2026-10-24 21:00", "2026-10-25 06:00"),  # put back in this night
    ],
)
def test_what_falls_into_them_waits_for_their_end(hours, now, allowed):
    assert hours.next_allowed(utc(now)) == utc(allowed)


def test_an_end_that_the_clocks_skip_is_the_moment_after_it():
    skipped = QuietHours(time(22), time(2, 30), "Europe/Berlin")
    assert skipped.next_allowed(utc("2026-03-28 23:00")) <= utc("2026-03-29 01:30")
    assert skipped.next_allowed(utc("2026-03-28 23:00")) > utc("2026-03-29 00:00")


def test_an_end_that_comes_twice_is_the_second_one():
    twice = QuietHours(time(22), time(2, 30), "Europe/Berlin")
    assert twice.next_allowed(utc("2026-10-24 22:00")) == utc("2026-10-25 01:30")
    assert twice.next_allowed(utc("2026-10-25 01:00")) == utc("2026-10-25 01:30")
