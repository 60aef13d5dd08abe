"""The times of a sample: moved as a whole, so that it ends now."""

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


def test_the_times_of_an_access_log_move_too():
    line = b'10.0.0.1 - - [%s +0000] "GET /27/Nov/2026:00:00:00" 200 5\n'
    moved = ending_at(line % b"28/Nov/2026:23:59:59" + line % b"29/Nov/2026:00:00:00", END)
    assert moved == line % b"02/Jan/2027:03:04:04" + line % b"02/Jan/2027:03:04:05"


def test_a_log_without_times_is_returned_as_it_is():
    assert ending_at(b"no time\n", END) == b"no time\n"


def test_each_line_of_the_access_log_is_moved():
    log = (settings.SAMPLES / "nginx.log").read_bytes()
    moved = ending_at(log, END)
    assert moved.count(b" [02/Jan/2027:0") == len(log.splitlines())
    assert moved.splitlines()[-1].partition(b"[")[2].startswith(b"02/Jan/2027:03:04:0")


def test_each_line_of_the_sample_that_begins_with_a_time_is_moved():
    log = (settings.SAMPLES / "postgresql.log").read_bytes()
    former = {line[:10] for line in log.splitlines() if line[:4] == b"2026"}
    moved = ending_at(log, END).splitlines()
    assert len(moved) == len(log.splitlines())
    assert {line[:10] for line in moved if line[:2] == b"20"} == {b"2027-01-02"} != former
