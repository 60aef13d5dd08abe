"""The sample's times: moved as a whole, so that it ends now."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings

from anomalies.management.sample_times import ending_at

END = datetime(2027, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
LOG = b"""\
2026-11-23 23:59:58.968 UTC [1] LOG:  shut down at 2026-11-23 23:59:50 UTC
2026-11-24 00:00:01.100 UTC [1] LOG:  took 2026-11-23 seconds
"""


def test_every_time_moves_by_the_same_seconds_and_the_newest_to_the_end():
    assert ending_at(LOG, END) == (
        b"2027-01-02 03:04:02.968 UTC [1] LOG:  shut down at 2027-01-02 03:03:54 UTC\n"
        b"2027-01-02 03:04:05.100 UTC [1] LOG:  took 2026-11-23 seconds\n"
    )


def test_a_log_without_times_is_returned_as_it_is():
    assert ending_at(b"no time\n", END) == b"no time\n"


def test_each_line_of_the_sample_that_begins_with_a_time_is_moved():
    log = (settings.SAMPLES / "postgresql.log").read_bytes()
    former = {line[:10] for line in log.splitlines() if line[:4] == b"2026"}
    moved = ending_at(log, END).splitlines()
    assert len(moved) == len(log.splitlines())
    assert {line[:10] for line in moved if line[:2] == b"20"} == {b"2027-01-02"} != former
