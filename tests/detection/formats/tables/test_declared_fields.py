"""Logs that declare their fields, as the W3C's extended format does: IIS, CloudFront, Zeek; and flow logs."""

from datetime import UTC, datetime

import pytest

from ..support import events

IIS = """#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2026-11-23 04:22:00
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query sc-status time-taken
2026-11-23 04:22:01 10.0.0.1 GET /a - 200 7
2026-11-23 04:22:02 10.0.0.1 GET /b x=1 500 9
"""
CLOUDFRONT = """#Version: 1.0
#Fields: date time x-edge-location c-ip cs-method cs-uri-stem sc-status
2026-11-23\t04:22:01\tFRA2\t10.0.0.1\tGET\t/a\t200
2026-11-23\t04:22:02\tFRA2\t10.0.0.1\tGET\t/b\t500
"""
DAY = """#Date: 2026-11-23 23:59:00
#Fields: time c-ip cs-method cs-uri-stem sc-status
23:59:59 10.0.0.1 GET /a 200
00:00:01 10.0.0.1 GET /b 500
"""
EXCHANGE = """#Software: Microsoft Exchange Server
#Fields: date-time,session-id,data,context
2026-11-23T04:22:01Z,08D,EHLO a,
2026-11-23T04:22:02Z,08D,QUIT,
"""
FLOWS = "\n".join(
    f"2 123456789010 eni-1 10.0.0.{n} 10.0.0.9 4{n} 443 6 {n} 9 179540772{n} 1795407780 ACCEPT OK"
    for n in range(5)
)
FLOWS_WITH_A_HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    f"log-status\n{FLOWS}"
)


@pytest.mark.parametrize("text", [IIS, CLOUDFRONT], ids=["IIS", "CloudFront"])
def test_the_request_is_the_message_of_an_access_log(text):
    found = events(text)
    assert [event.message for event in found] == ["GET /a 200", "GET /b 500"]
    assert [event.timestamp.isoformat() for event in found] == [
        "2026-11-23T04:22:01+00:00",
        "2026-11-23T04:22:02+00:00",
    ]


def test_what_is_not_there_is_no_field():
    first, second = (dict(event.fields) for event in events(IIS))
    assert first == {
        "s-ip": "10.0.0.1", "cs-method": "GET", "cs-uri-stem": "/a", "sc-status": "200", "time-taken": 7,
    }  # fmt: skip
    assert second["cs-uri-query"] == "x=1"


def test_a_server_that_starts_again_may_write_other_fields():
    again = "#Fields: date time cs-method cs-uri-stem sc-status s-port\n2026-11-23 04:23:00 GET /c 200 80\n"
    last = events(IIS + again)[-1]
    assert (last.message, last.timestamp) == ("GET /c 200", datetime(2026, 11, 23, 4, 23, tzinfo=UTC))
    assert dict(last.fields)["s-port"] == "80"


def test_the_day_of_rows_with_a_time_of_day_is_declared_and_goes_on_after_midnight():
    assert [event.timestamp.isoformat() for event in events(DAY)] == [
        "2026-11-23T23:59:59+00:00",
        "2026-11-24T00:00:01+00:00",
    ]


def test_declared_fields_may_be_separated_by_commas():
    assert [(dict(event.fields)["data"], event.timestamp.second) for event in events(EXCHANGE)] == [
        ("EHLO a", 1),
        ("QUIT", 2),
    ]


@pytest.mark.parametrize("text", [FLOWS, FLOWS_WITH_A_HEADER], ids=["without a header", "with a header"])
def test_flow_logs_are_a_table_of_words(text):
    found = events(text)
    assert [event.timestamp.second for event in found] == [0, 1, 2, 3, 4]
    assert dict(found[1].fields)["srcaddr"] == "10.0.0.1"
    assert dict(found[1].fields)["action"] == "ACCEPT"
