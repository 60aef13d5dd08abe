"""Lines of text in an envelope: the message is scored, what stands before it are fields."""

from datetime import UTC, datetime

import pytest

from ..support import events, fresh_clock, made_for

SAID = "cache miss for user 17"
LINES = {
    "syslog": (f"Nov 23 04:22:01 db1 app[812]: {SAID}", {"host": "db1", "service": "app", "pid": "812"}),
    "syslog with a priority": (
        f"<34>Nov 23 04:22:01 db1 app: {SAID}",
        {"host": "db1", "service": "app", "level": "crit", "facility": 4},
    ),
    "syslog with ISO time": (
        f"2026-11-23T04:22:01.5+00:00 db1 app[812]: {SAID}",
        {"host": "db1", "service": "app", "pid": "812"},
    ),
    "RFC 5424": (
        f'<165>1 2026-11-23T04:22:01Z db1 app 812 ID47 [ex@1 eventSource="a\\"b]" n="2"] {SAID}',
        {
            "host": "db1",
            "service": "app",
            "pid": "812",
            "msgid": "ID47",
            "level": "notice",
            "facility": 20,
            "ex@1.eventSource": 'a"b]',
            "ex@1.n": "2",
        },
    ),
    "RFC 5424 without data": (
        f"<165>1 2026-11-23T04:22:01Z db1 app - - - {SAID}",
        {"host": "db1", "service": "app", "level": "notice", "facility": 20},
    ),
    "klog": (
        f"W1123 04:22:01.000000       7 controller.go:15] {SAID}",
        {"level": "warning", "thread": "7", "source": "controller.go:15"},
    ),
    "CRI": (f"2026-11-23T04:22:01.123456789Z stdout F {SAID}", {"stream": "stdout"}),
    "CRI with JSON": (
        f'2026-11-23T04:22:01.1Z stderr F {{"level":"warn","msg":"{SAID}"}}',
        {"stream": "stderr", "level": "warn"},
    ),
    "logcat": (
        f"11-23 04:22:01.811  1702  2395 D WindowManager: {SAID}",
        {"pid": "1702", "thread": "2395", "level": "debug", "service": "WindowManager"},
    ),
    "logcat with an epoch": (
        f"         1795407721.811  1702  2395 D WindowManager: {SAID}",
        {"pid": "1702", "thread": "2395", "level": "debug", "service": "WindowManager"},
    ),
    "logcat in brief": (
        f"I/ActivityManager(  585): {SAID}",
        {"pid": "585", "level": "info", "service": "ActivityManager"},
    ),
    "Heroku": (f"2026-11-23T04:22:01.1+00:00 app[web.1]: {SAID}", {"service": "app", "pid": "web.1"}),
    "compose": (f"web_1  | {SAID}", {"service": "web_1"}),
    "kubectl": (f"[pod/web-7d9/nginx] {SAID}", {"pod": "web-7d9", "service": "nginx"}),
    "logfmt": (f'time=2026-11-23T04:22:01Z level=info msg="{SAID}" dur=3ms', {"level": "info", "dur": "3ms"}),
    "CEF": (
        f"CEF:0|Acme|Wall\\|X|1.0|100|blocked|7|src=10.0.0.1 msg={SAID} dst=10.0.0.2",
        {
            "vendor": "Acme",
            "product": "Wall\\|X",
            "version": "1.0",
            "event_id": "100",
            "level": "7",
            "src": "10.0.0.1",
            "dst": "10.0.0.2",
        },
    ),
    "CEF in syslog": (
        f"<34>Nov 23 04:22:01 fw CEF:0|Acme|Wall|1.0|100|blocked|7|rt=1795407721000 msg={SAID}",
        {"vendor": "Acme", "product": "Wall", "version": "1.0", "event_id": "100", "level": "7"},
    ),
    "LEEF": (
        f"LEEF:1.0|Acme|Wall|1.0|login|src=10.0.0.1\tmsg={SAID}",
        {"vendor": "Acme", "product": "Wall", "version": "1.0", "event_id": "login", "src": "10.0.0.1"},
    ),
    "logcli": (f'2026-11-23T04:22:01Z {{app="web"}} {SAID}', {"labels": 'app="web"'}),
    "nginx": (
        f'2026/11/23 04:22:01 [error] 7#8: *5 {SAID}, client: ::1, server: x, request: "GET /", host: "h"',
        {
            "level": "error",
            "pid": "7",
            "thread": "8",
            "connection": "5",
            "client": "::1",
            "server": "x",
            "request": "GET /",
            "host": "h",
        },
    ),
    "Apache": (
        f"[Mon Nov 23 04:22:01.5 2026] [core:error] [pid 35:tid 46] [client 10.0.0.1:3] {SAID}",
        {"service": "core", "level": "error", "pid": "35", "thread": "46", "client": "10.0.0.1:3"},
    ),
    "PHP": (f"[23-Nov-2026 04:22:01 UTC] PHP Fatal error:  {SAID}", {"level": "Fatal error"}),
    "fluentd": (
        f'2026-11-23T04:22:01+00:00\tapp.web\t{{"message":"{SAID}","user":7}}',
        {"tag": "app.web", "user": 7},
    ),
    "fluentd on standard output": (
        f'2026-11-23 04:22:01.000000000 +0000 app.web: {{"log":"{SAID}"}}',
        {"tag": "app.web"},
    ),
    "fluent-bit on standard output": (
        f'[0] app.web: [[1795407721.5, {{}}], {{"log"=>"{SAID}"}}]',
        {"tag": "app.web"},
    ),
    "JSON after a time": (f'[2026-11-23 04:22:01,5] {{"msg":"{SAID}"}}', {}),
    "Kafka": (f"CreateTime:1795407721000\tkey1\t{SAID}", {"key": "key1"}),
}


@pytest.mark.parametrize("line", [line for line, _ in LINES.values()], ids=LINES)
def test_the_message_is_what_is_in_the_envelope(line):
    event = events("\n".join([line] * 3), "logs")[0]
    assert event.message.removeprefix("blocked ").removeprefix("login ") == SAID
    assert event.text == line


@pytest.mark.parametrize(("line", "fields"), LINES.values(), ids=LINES)
def test_the_rest_of_the_envelope_is_fields_in_one_vocabulary(line, fields):
    assert dict(events("\n".join([line] * 3), "logs")[0].fields) == fields


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-23 04:22:01,123 INFO [main] cache miss",
        "[Sun Dec 04 04:47:44 2005] [notice] cache miss",
        "2026-11-23T04:22:01Z INFO main: cache miss",
        "081109 203518 143 INFO dfs.DataNode: cache miss",
        "cache miss",
    ],
)
def test_a_line_in_no_envelope_is_scored_as_it_stands(line):
    event = events("\n".join([line] * 3))[0]
    assert (event.message, event.fields, event.scored) == ("", (), line)


def test_a_line_without_the_envelope_among_others_is_scored_as_it_stands():
    found = events("\n".join([LINES["syslog"][0]] * 9 + ["    at com.example.Foo"]))
    assert found[-1].scored == "    at com.example.Foo"


def test_the_mark_of_an_idle_syslog_is_a_message():
    found = events("\n".join([LINES["syslog"][0]] * 9 + ["Nov 23 04:23:01 db1 -- MARK --"]))
    assert (found[-1].message, found[-1].fields) == ("-- MARK --", (("host", "db1"),))


def test_the_time_of_an_envelope_with_a_time_of_its_own_is_read():
    event = events("\n".join([LINES["CEF in syslog"][0]] * 3))[0]
    assert event.timestamp == datetime(2026, 11, 23, 4, 22, 1, tzinfo=UTC)


PARTS = [
    "2026-11-23T04:22:01Z stdout P first, ",
    "2026-11-23T04:22:01Z stderr F other",
    "2026-11-23T04:22:02Z stdout P second, ",
    "2026-11-23T04:22:03Z stdout F third",
]


def test_a_line_that_a_containers_runtime_cut_is_put_together():
    other, whole = events("\n".join(PARTS))
    assert (other.message, whole.message) == ("other", "first, second, third")
    assert whole.place == "record 4 (line 1)"


def test_a_cut_line_whose_end_does_not_come_is_not_lost():
    assert [event.message for event in events("\n".join(PARTS[:3]))] == ["other", "first, second, "]


def test_the_parts_of_a_line_are_saved_and_loaded():
    lines = [part.encode() for part in PARTS]
    one, other = made_for(lines, None, fresh_clock()), made_for(lines, None, fresh_clock())
    for number, line in enumerate(lines[:3], 1):
        one.read(number, line, len(line))
    other.restore(one.state())
    assert one.read(4, lines[3], len(lines[3])) == other.read(4, lines[3], len(lines[3]))
