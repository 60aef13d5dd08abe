"""The layout of a stream's stamps, learnt from its first lines."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ...support import fresh_clock


def moments(lines, **options):
    clock = fresh_clock(**options)
    clock.learn(lines)
    return [clock.read(line) for line in lines]


def first(line, **options):
    return moments([line] * 3, **options)[0]


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("17/06/09 20:10:40 INFO executor.CoarseGrained: Registered", "2017-06-09T20:10:40"),
        ("20171223-22:15:29:606|Step_LSC|30002312|onStandStepChanged", "2017-12-23T22:15:29.606"),
        ("20171224-0:7:1:23|Step_SPUtils|30002312|getTodayTotal", "2017-12-24T00:07:01.023"),
        ("134681 node-246 unix.hw state_change 1077804742 1 Component", "2004-02-26T14:12:22"),
        ("- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228 crond[2915]: session", "2005-11-09T20:01:01"),
        ("03-17 16:13:38.811  1702  2395 D WindowManager: printFreezing", "2026-03-17T16:13:38.811"),
        ("[10.30 16:49:06] chrome.exe - proxy.example.org:5070 open", "2026-10-30T16:49:06"),
        ("I1101 10:00:00.000000       1 controller.go:15] GET /health", "2026-11-01T10:00:00"),
        ("I20251101 10:00:00.5       1 controller.go:15] GET /health", "2025-11-01T10:00:00.5"),
        ("@4000000037c219bf2ef02e94 starting", "1999-08-24T04:04:05.787492"),
        ("time=1793527200.250 level=info msg=ready", "2026-11-01T10:00:00.25"),
        ('level=info ts=1793527200 msg="ready now"', "2026-11-01T10:00:00"),
        ("type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e", "2013-03-28T14:36:03.243"),
        ("23.11.2026 04:22:01 INFO ready", "2026-11-23T04:22:01"),
        ("23.11.26 04:22 INFO ready", "2026-11-23T04:22"),
        ("11/23/2026 4:22:01 PM ready", "2026-11-23T16:22:01"),
        ("11/23/2026 4:22:01\u202fPM ready", "2026-11-23T16:22:01"),
        ("23/11/2026 04:22:01 ready", "2026-11-23T04:22:01"),
        ("11/23/26,04:22:01,Assign,10.0.0.7", "2026-11-23T04:22:01"),
        ("Nov 23, 2026 12:22:01 AM com.example.Server start", "2026-11-23T00:22:01"),
        ("23-Nov-2026 04:22:01.123 INFO [main] ready", "2026-11-23T04:22:01.123"),
        ("Mon, 23 Nov 2026 04:22:01 GMT ready", "2026-11-23T04:22:01"),
        ("Mon Nov 23 04:22:01 UTC 2026 ready", "2026-11-23T04:22:01"),
        ("20261123T042201Z ready", "2026-11-23T04:22:01"),
        ("web 20261123042201 ready", "2026-11-23T04:22:01"),
        ("nova.log.2017-05-16_13:53:08 2017-05-16 00:00:00.008 25746 INFO", "2017-05-16T00:00:00.008"),
    ],
)
def test_a_stamp_of_any_usual_layout_is_found(line, moment):
    assert first(line) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_of_several_stamps_in_a_line_the_one_that_goes_up_is_the_lines_own():
    lines = [
        f"expires 2031-0{9 - n}-01 00:00:00 cert; 23/Nov/2026:04:22:0{n} +0000 checked" for n in range(8)
    ]
    assert [moment.second for moment in moments(lines)] == list(range(8))


def test_a_number_that_only_looks_like_an_epoch_is_none():
    assert moments(["order 1793527200 sent", "3 orders sent", "none sent"]) == [None] * 3


def test_a_date_in_a_tracebacks_line_is_not_when_it_happened():
    lines = ["2026-11-23 04:22:01 failed", "  valid until 31/12/2030 10:00:00", "2026-11-23 04:22:02 ok"]
    assert moments(lines * 10)[1] is None


def test_a_log_of_two_programs_has_the_stamps_of_both():
    lines = ["2026-11-23 04:22:01 web ready", "Nov 23 04:22:02 host sshd[1]: ready"] * 10
    assert [moment.second for moment in moments(lines)[:2]] == [1, 2]


def test_a_stream_whose_stamps_change_is_learnt_again():
    clock = fresh_clock()
    clock.learn(["2026-11-23 04:22:01 ready"] * 20)
    later = [clock.read(f"[10.30 16:49:{n % 60:02}] proxy open") for n in range(200)]
    assert later[50] is None and later[-1] == datetime(2026, 10, 30, 16, 49, 19, tzinfo=UTC)


def test_what_was_learnt_is_saved_and_loaded():
    clock, other = fresh_clock(), fresh_clock()
    clock.learn(["134681 node-246 unix.hw state_change 1077804742 1 Component"] * 3)
    other.restore(clock.state())
    line = "350766 node-109 unix.hw state_change 1084680778 1 Component"
    assert other.read(line) == clock.read(line) == datetime(2004, 5, 16, 4, 12, 58, tzinfo=UTC)


# --- dates in numbers -----------------------------------------------------------------------------------


def test_a_date_that_may_be_two_is_asked_for():
    with pytest.raises(ValueError, match=r'"03/04/2026 10:00:00" may be .* --date-order dmy or mdy'):
        moments(["03/04/2026 10:00:00 ready"] * 3)


@pytest.mark.parametrize(("order", "month"), [("dmy", 4), ("mdy", 3)])
def test_the_order_that_is_given_holds(order, month):
    assert first("03/04/2026 10:00:00 ready", date_order=order).month == month


@pytest.mark.parametrize(
    ("lines", "months"),
    [
        (["03/04/2026 10:00:00 a", "03/13/2026 10:00:00 b"], [3, 3]),
        (["03/04/2026 10:00:00 a", "13/04/2026 10:00:00 b"], [4, 4]),
        (["03/31/2026 10:00:00 a", "04/01/2026 10:00:00 b"], [3, 4]),
        (["03/04/2026 10:00:00 a", "04/01/2026 10:00:00 b"], [3, 4]),
        (["12/11/2026 10:00:00 a"] * 3, [11, 11, 11]),
        ([f"11/0{1 + n // 2}/2026 1{n}:00:00 a" for n in range(4)], [11] * 4),
        ([f"0{1 + n // 2}/03/2026 1{n}:00:00 a" for n in range(4)], [3] * 4),
    ],
    ids=[
        "a day beyond 12",
        "a day beyond 12 first",
        "a new month",
        "order",
        "not after the log's end",
        "days go by",
        "not months",
    ],
)
def test_other_lines_tell_which_date_is_meant(lines, months):
    assert [moment.month for moment in moments(lines)] == months


def test_am_and_pm_stand_after_dates_of_the_united_states_and_that_is_said():
    clock = fresh_clock()
    clock.learn(["11/01/2026 10:00:00 AM started"] * 3)
    assert clock.read("11/01/2026 10:00:00 AM started") == datetime(2026, 11, 1, 10, tzinfo=UTC)
    assert "read as month/day/year" in clock.note and "--date-order" in clock.note


# --- years and zones ------------------------------------------------------------------------------------


def test_a_given_year_is_that_of_the_first_stamp_and_the_next_one_follows_it():
    lines = ["I1231 23:59:59.000000 1 a.go:1] x", "I0101 00:00:01.000000 1 a.go:1] x"]
    assert [moment.year for moment in moments(lines, year=2024)] == [2024, 2025]


def test_the_hour_that_comes_twice_is_resolved_by_order():
    lines = [f"2026-10-25 0{hour}:{minute} x" for hour in (1, 2, 2, 3) for minute in ("00", "30")]
    found = moments(lines, timezone=ZoneInfo("Europe/Berlin"))
    assert [moment.hour * 60 + moment.minute for moment in found[1:]] == [
        (23 * 60 + 30 + 30 * n) % 1440 for n in range(7)
    ]


def test_a_line_out_of_order_by_seconds_stays_in_the_first_of_two_hours():
    lines = ["2026-10-25 02:10:05 x", "2026-10-25 02:10:03 y", "2026-10-25 02:10:06 z"]
    assert {moment.hour for moment in moments(lines, timezone=ZoneInfo("Europe/Berlin"))} == {0}


def test_an_hour_that_does_not_exist_is_read():
    assert first("2026-03-29 02:30:00 x", timezone=ZoneInfo("Europe/Berlin")).hour == 1
