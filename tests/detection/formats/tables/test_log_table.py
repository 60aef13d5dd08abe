"""Logs as CSV: one event a record, whatever its cells hold."""

from datetime import UTC, datetime

import pytest

from anomalies.detection import Skipped

from ..support import events, fresh_clock, read

POWERSHELL = '''#TYPE System.Diagnostics.Eventing.Reader.EventLogRecord
"TimeCreated","Id","LevelDisplayName","Message"
"11/23/2026 10:00:00 AM","4624","Information","An account was logged on.

Subject:
	Account Name:		svc""3"""
"11/23/2026 10:00:03 AM","4625","Information","An account failed to log on."
'''
VIEWER = """Level,Date and Time,Source,Event ID,Task Category
Information,11/23/2026 10:00:00 AM,Kernel-General,7036,None
Information,11/23/2026 10:00:03 AM,Kernel-General,7045,None
"""


def test_a_record_whose_cell_goes_over_lines_is_one_event_of_its_first_line():
    first, second = events(POWERSHELL)
    assert (first.number, second.number) == (3, 7)
    assert first.message == 'An account was logged on. Subject: Account Name: svc"3"'
    assert first.timestamp == datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_ids_of_events_are_words():
    assert [dict(event.fields)["Id"] for event in events(POWERSHELL)] == ["4624", "4625"]
    assert [dict(event.fields)["Event ID"] for event in events(VIEWER)] == ["7036", "7045"]


def test_a_log_without_a_message_says_all_that_its_row_says():
    assert events(VIEWER)[1].message == "Information Kernel-General 7045 None"
    assert events(VIEWER)[1].timestamp == datetime(2026, 11, 23, 10, 0, 3, tzinfo=UTC)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_with_messages_is_a_log_of_its_messages_and_fields(separator):
    text = "date,time,level,message,ms\n23.11.2026,04:22:01,INFO,the disk is full,3\n".replace(",", separator)
    event = events(text)[0]
    assert (event.message, event.fields) == ("the disk is full", (("level", "INFO"), ("ms", 3)))
    assert event.timestamp == datetime(2026, 11, 23, 4, 22, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["time,level\n1795407721,17.5\n1795407722,17.6\n", "time,source,value\n1795407721,a,1\n1795407722,b,2\n"],
)
def test_a_table_of_measurements_is_none(text):
    assert all(event.values for event in events(text))


def test_a_quote_within_a_cell_is_a_character():
    lines = [
        "time,level,message",
        '2026-11-23 04:22:01,INFO,a 5" disk is full',
        "2026-11-23 04:22:02,INFO,it is ok",
    ]
    assert [event.message for event in events("\n".join(lines))] == ['a 5" disk is full', "it is ok"]


def test_a_cell_that_does_not_end_costs_its_line_and_no_other():
    lines = ["time,level,message", '2026-11-23 04:22:01,INFO,"torn here']
    lines += [f"2026-11-23 04:22:0{n},INFO,it is ok" for n in range(2, 6)]
    skipped, *found = read("\n".join(lines))
    assert skipped == Skipped(2, "line 2: a quoted cell begins here and does not end; close it")
    assert [event.number for event in found] == [3, 4, 5, 6]


def test_a_row_of_another_width_is_scored_as_it_stands():
    text = VIEWER + VIEWER.partition("\n")[2] * 2 + "an odd line,and more\n"
    assert events(text)[-1].scored == "an odd line,and more"


def test_a_table_in_another_language_is_a_log_whose_time_is_found():
    text = "Ebene;Datum und Uhrzeit;Quelle;Ereignis-ID\n" + "Fehler;23.11.2026 10:00:00;Dienst;7036\n" * 3
    event = events(text)[0]
    assert event.timestamp == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert ("Ereignis-ID", "7036") in event.fields


def test_the_first_column_may_have_no_name():
    text = ",time,level,message\n" + "".join(f"{n},2026-11-23 10:00:0{n},INFO,it is ok\n" for n in range(3))
    assert [event.message for event in events(text)] == ["it is ok"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "#Software: IIS\n#Fields: date time cs-uri-stem sc-status\n"
        + "2026-11-23 10:00:00 /index.html 200\n" * 3,
        "#separator \\x09\n#path\thttp\n#fields\tts\turi\tstatus\n#types\ttime\tstring\tcount\n"
        + "1795428000.5\t/index.html\t200\n" * 3
        + "#close\t2026-11-23-11-00-00\n",
    ],
    ids=["W3C", "Zeek"],
)
def test_a_line_that_declares_the_fields_is_the_header(text):
    found = events(text)
    assert len(found) == 3
    assert found[0].timestamp.hour == 10 and "/index.html" in dict(found[0].fields).values()


def test_a_csvlog_of_postgresql_has_its_columns_without_a_header():
    row = (
        '2026-11-23 10:00:00.5 UTC,"app","shop",71,"10.0.0.7:5000",65.1,3,"SELECT",2026-11-23 09:00:00 UTC,'
        '3/41,0,ERROR,42P01,"relation ""x"" does not exist",,,,,,"select\n* from x",15,,"psql"'
    )
    first, second = events(f"{row}\n{row}\n")
    assert first.message == 'relation "x" does not exist' and (first.number, second.number) == (1, 3)
    assert dict(first.fields)["sql_state_code"] == "42P01"
    assert first.timestamp == datetime(2026, 11, 23, 10, 0, 0, 500_000, tzinfo=UTC)


def test_the_column_of_the_time_can_be_named():
    text = "time,seen,message\n1795407721,1795400000,it is ok\n" * 2
    assert events(text, clock=fresh_clock(time_field="seen"))[0].timestamp.hour == 2
    with pytest.raises(
        ValueError, match='no column "when" for the time; the columns are time, seen, message'
    ):
        read(text, clock=fresh_clock(time_field="when"))


def test_columns_of_one_name_may_hold_words_and_numbers():
    rows = "".join(
        f"2026-11-23T04:22:0{n}Z,job {n} done,{value}\n" for n, value in enumerate(("x,7", "8,y", "9,7"))
    )
    first = events(f"time,message,part,part\n{rows}")[0]
    assert first.fields == (("part", "x"), ("part", 7))
