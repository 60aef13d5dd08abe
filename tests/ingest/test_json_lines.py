"""JSON Lines in: what is taken, what is not, and what the record says."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor
from anomalies.ingest import RowError, Stopped, content_id, ingest, store
from anomalies.ingest.json_lines import Summary
from anomalies.ingest.rows import COLUMNS, read_row
from anomalies.models import Anomaly, AuditLog
from anomalies.sources.lines import Line, Pause, ReadError
from tests.support.processes import manage, wait_until

pytestmark = pytest.mark.django_db

ANA = Actor("ana", via="ingest")
ROOT = Path(__file__).resolve().parents[2]
GIVEN = {
    "timestamp": "2026-11-23T12:00:00Z",
    "stream_type": "logs",
    "ncd_score": 0.7,
    "p_value": 0.01,
    "glass_box_explanation": "2 of 10 lines are new",
    "compression_baseline": 0.2,
    "compression_window": 0.5,
    "compression_combined": 0.3,
    "confidence_level": 0.99,
}


def line(**over) -> bytes:
    """One line as a detector writes it; ``...`` leaves a column out."""
    return json.dumps({k: v for k, v in {**GIVEN, **over}.items() if v is not ...}).encode()


def with_raw(key: str, raw: str | bytes) -> bytes:
    """A line in which ``key`` has these very bytes as its value."""
    raw = raw.encode() if isinstance(raw, str) else raw
    return line(**{key: ...})[:-1] + b', "' + key.encode() + b'": ' + raw + b"}"


def feed(*lines: bytes, **options):
    """Ingest these lines; the summary and the rejects."""
    rejects = []
    numbered = [Line(n, data, len(data)) for n, data in enumerate(lines, 1)]
    summary = ingest(numbered, ANA, rejects.append, **{"source": "test", **options})
    return summary, rejects


def a_rule(rule: str) -> None:
    """A constraint that somebody put on the table, and that no check here knows."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE anomalies ADD CONSTRAINT a_rule {rule}")


def counts(summary) -> tuple[int, int, int, int]:
    return summary.read, summary.new, summary.known, summary.rejected


@pytest.fixture
def file(tmp_path):
    def write(*lines: bytes, name: str = "in.jsonl") -> str:
        (tmp_path / name).write_bytes(b"".join(each + b"\n" for each in lines))
        return str(tmp_path / name)

    return write


@pytest.fixture
def run(capsys):
    """The command, in this process: exit status and what it said on standard error."""

    def call(*args, **options) -> tuple[int, str]:
        try:
            call_command("ingest", *args, no_progress=True, stderr=(said := io.StringIO()), **options)
        except SystemExit as end:
            return end.code, said.getvalue()
        except CommandError as error:
            return error.returncode, said.getvalue() + str(error)
        return 0, said.getvalue()

    return call


# --- What is taken ------------------------------------------------------------------------------------


def test_a_line_becomes_a_row():
    assert counts(feed(line(metadata={"host": "db1"}, tags=["a", 'b"\\,{}']))[0]) == (1, 1, 0, 0)
    row = Anomaly.objects.get()
    assert (row.ncd_score, row.metadata, row.tags) == (0.7, {"host": "db1"}, ["a", 'b"\\,{}'])
    assert row.timestamp == datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_every_column_of_the_table_may_be_given():
    assert set(COLUMNS) == {field.column for field in Anomaly._meta.concrete_fields} - {
        "version",
        "search_document",
        "source",
        "pattern",
        *Anomaly.ASSIGNMENT,
        *Anomaly.SNOOZE,
    }
    time = "2026-01-02T03:04:05.678901+02:00"
    values = {name: time for name in COLUMNS if name.endswith("_at")}
    values |= {name: "ana" for name in COLUMNS if name.endswith("_by")}
    values |= {
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "status": "dismissed",
        "notes": "n",
        "novelty": 1.5,
    }
    values |= {
        "dismissal_reason": "duplicate",
        "detailed_explanation": "d",
        "is_statistically_significant": True,
    }
    values |= {"baseline_data": [1], "window_data": "x", "metadata": {"a": None}, "entropy_change": -1e-300}
    assert counts(feed(line(**values))[0]) == (1, 1, 0, 0)
    row = Anomaly.objects.values().get()
    assert {name: row[name] for name in values if not name.endswith("_at") and name != "id"} == {
        name: value for name, value in values.items() if not name.endswith("_at") and name != "id"
    }
    assert row["created_at"] == row["dismissed_at"] == datetime.fromisoformat(time)


@pytest.mark.parametrize("value", [..., None])
def test_a_column_that_is_absent_or_null_takes_the_databases_default(value):
    names = ("status", "is_statistically_significant", "tags", "created_at", "updated_at", "id")
    feed(line(**dict.fromkeys(names, value)))
    row = Anomaly.objects.get()
    assert (row.status, row.is_statistically_significant, row.tags) == ("pending", False, [])
    assert row.created_at == row.updated_at is not None


def test_a_payload_of_null_is_no_payload():
    feed(line(metadata=None))
    assert Anomaly.objects.filter(metadata__isnull=True).count() == 1


def test_a_megabyte_of_explanation_goes_in():
    feed(line(glass_box_explanation="deadlock é " * 100_000))
    assert len(Anomaly.objects.get().glass_box_explanation) == 1_100_000


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "\x1b[31mred\x1b[0m",
        "\x01\x7f\x9b",
        "\u202egnp.exe",
        "\\N \\. \t",
        "a\\u0000",
        "😀",
    ],
)
def test_hostile_text_is_kept_as_it_is(text):
    feed(line(glass_box_explanation=text, tags=[text], window_data=[text], metadata={text: text}))
    row = Anomaly.objects.get()
    assert (row.glass_box_explanation, row.tags, row.window_data) == (text, [text], [text])
    assert row.metadata == {text: text}


@pytest.mark.parametrize(
    "raw",
    [
        "1e22",
        "-0",
        "9" * 4000,
        "[" * 64 + "]" * 64,
        '"\\ud83d\\ude00"',
        '{"a": 1, "a": 2}',
        " [ 1 ,\t2 ] ",
        "0.1e-300",
    ],
)
def test_an_odd_payload_that_postgresql_takes_goes_in_and_can_be_read(raw):
    assert counts(feed(with_raw("window_data", raw))[0]) == (1, 1, 0, 0)
    assert Anomaly.objects.get().window_data == json.loads(raw)


def test_many_brackets_side_by_side_are_not_deep():
    assert counts(feed(line(window_data=[{"line": [n]} for n in range(500)]))[0]) == (1, 1, 0, 0)


def test_blank_lines_are_nothing():
    assert counts(feed(b"", line(), b"  \t", b"\r")[0]) == (1, 1, 0, 0)


# --- What is not --------------------------------------------------------------------------------------

BROKEN = [
    # not JSON
    (b"hello", None, "is no JSON"),
    (b"{", None, "ends in the middle"),
    (line()[:-20], None, "ends in the middle"),
    (line() + b"x", None, "is no JSON: trailing characters"),
    (line() + line(), None, "is no JSON: trailing characters"),
    (b"{'timestamp': 1}", None, "double quotes"),
    (line()[:-1] + b",}", None, "is no JSON: trailing comma"),
    (b"\x00" * 20, None, "is no JSON"),
    (b"\x1b[31m", None, "is no JSON"),
    (with_raw("ncd_score", "NaN"), None, "leave the column out or write null"),
    (with_raw("ncd_score", "-Infinity"), None, "leave the column out or write null"),
    (with_raw("metadata", '{"a": NaN}'), None, "leave the column out or write null"),
    (with_raw("ncd_score", ".5"), None, "is no JSON"),
    (with_raw("ncd_score", "+1"), None, "is no JSON"),
    (with_raw("ncd_score", "01"), None, "is no JSON"),
    (with_raw("metadata", "[1,]"), None, "is no JSON: trailing comma"),
    (with_raw("metadata", "tru"), None, "is no JSON"),
    (with_raw("notes", '"a\tb"'), None, "is no JSON: invalid character"),
    (with_raw("notes", b'"a\x00b"'), None, "is no JSON: invalid character"),
    (with_raw("notes", b'"a\x1b[0m"'), None, "is no JSON: invalid character"),
    (with_raw("notes", '"\\x41"'), None, "is no JSON: invalid escape"),
    (with_raw("window_data", "[" * 100_000), "window_data", "more than 64 levels deep"),
    # not text
    (with_raw("notes", b'"caf\xe9"'), None, "is not UTF-8 at byte 270"),
    (with_raw("metadata", b'"\xed\xa0\x80"'), None, "is not UTF-8"),
    ("\ufeff".encode("utf-16") + "{}".encode("utf-16"), None, "is not UTF-8"),
    (with_raw("notes", '"\\ud800"'), None, "half a character"),
    (with_raw("notes", '"\\udc00 \\ud83d\\ude00"'), None, "half a character"),
    (with_raw("tags", '["\\ud800\\ud800"]'), None, "half a character"),
    (with_raw("metadata", '{"\\udfff": 1}'), None, "half a character"),
    (line(glass_box_explanation="a\0b"), "glass_box_explanation", "NUL"),
    (line(notes="\0"), "notes", "NUL"),
    (line(acknowledged_by="\0"), "acknowledged_by", "NUL"),
    (line(tags=["a", "\0"]), "tags", "NUL"),
    (line(metadata={"a": "\\\0"}), "metadata", "NUL"),
    (line(window_data={"\0": 1}), "window_data", "NUL"),
    # not an anomaly
    (b"[]", None, "must be a JSON object with one anomaly, not []"),
    (b"null", None, "must be a JSON object"),
    (b"3", None, "must be a JSON object"),
    (b'"text"', None, "must be a JSON object"),
    (b"[" + line() + b"]", None, "must be a JSON object"),
    (b"{}", "timestamp", "is missing"),
    (line(ncd_score=...), "ncd_score", "is missing"),
    (line(glass_box_explanation=...), "glass_box_explanation", "is missing"),
    (line(severity=3), "severity", "leave it out, or put it into metadata"),
    (line(ncd_scores=3), "ncd_scores", "did you mean ncd_score?"),
    (line(Timestamp=3), "Timestamp", "did you mean timestamp?"),
    (line(**{"": 1}), "", "is no column"),
    # wrong values
    (line(id="7"), "id", 'must be a UUID or null, not "7"'),
    (line(id=7), "id", "must be a UUID or null, not 7"),
    (line(timestamp=None), "timestamp", "must be a time such as 2026-11-23T12:00:00Z, not null"),
    (line(timestamp=1764072000), "timestamp", "must be a time such as"),
    (line(timestamp="yesterday"), "timestamp", "must be a time such as"),
    (line(timestamp="2026-11-23"), "timestamp", "must be a time such as"),
    (line(timestamp="2026-02-30T00:00:00Z"), "timestamp", "must be a time such as"),
    (line(timestamp="2026-11-23T12:00:00"), "timestamp", "add Z or an offset such as +01:00"),
    (line(timestamp="0001-01-01T00:00:00Z"), "timestamp", "leave it out if there is no such time"),
    (line(timestamp="9999-12-31T23:59:59.999999Z"), "timestamp", "outside the years 1 to 9999"),
    (line(timestamp="0001-01-02T00:00:00+10:00"), "timestamp", "outside the years 1 to 9999"),
    (line(acknowledged_at="0001-01-01T00:00:00Z"), "acknowledged_at", "leave it out"),
    (line(created_at="2026-11-23T12:00:00"), "created_at", "add Z or an offset"),
    (line(stream_type="syslog"), "stream_type", 'must be one of logs, metrics, traces, llm, not "syslog"'),
    (line(stream_type="Logs"), "stream_type", "must be one of"),
    (
        line(status="resolved"),
        "status",
        "must be one of pending, acknowledged, dismissed, investigating or null",
    ),
    (line(dismissal_reason="bored"), "dismissal_reason", "must be one of false_positive"),
    (line(ncd_score=1.01), "ncd_score", "must be a number from 0 to 1, not 1.01"),
    (line(ncd_score=-0.1), "ncd_score", "must be a number from 0 to 1"),
    (line(p_value="0.05"), "p_value", 'must be a number from 0 to 1, not "0.05"'),
    (line(p_value=None), "p_value", "not null"),
    (line(confidence_level=True), "confidence_level", "not true"),
    (
        line(compression_baseline=[]),
        "compression_baseline",
        "must be a number that a double can hold, not []",
    ),
    (
        with_raw("entropy_change", "1e400"),
        "entropy_change",
        "must be a number that a double can hold or null",
    ),
    (with_raw("novelty", "9" * 400), "novelty", "must be a number that a double can hold or null"),
    (
        line(is_statistically_significant=1),
        "is_statistically_significant",
        "must be true or false or null, not 1",
    ),
    (line(is_statistically_significant="yes"), "is_statistically_significant", "must be true or false"),
    (line(glass_box_explanation=None), "glass_box_explanation", "must be a text, not null"),
    (line(glass_box_explanation={"a": 1}), "glass_box_explanation", "must be a text"),
    (line(tags="db"), "tags", 'must be a list of texts or null, not "db"'),
    (line(tags=["db", None]), "tags", "must be a list of texts"),
    (line(tags=[["db"]]), "tags", "must be a list of texts"),
    (line(dismissed_by="x" * 256), "dismissed_by", "must be a text of at most 255 characters or null"),
    (line(notes=["x"]), "notes", "must be a text or null"),
    (with_raw("window_data", "[" * 65 + "]" * 65), "window_data", "more than 64 levels deep"),
    (with_raw("metadata", '{"a":' * 65 + "1" + "}" * 65), "metadata", "more than 64 levels deep"),
    (with_raw("metadata", "1e400"), "metadata", "holds a number too large"),
    (with_raw("metadata", "[" + "9" * 5000 + "]"), "metadata", "holds a number too large"),
    (with_raw("metadata", "1e-20000"), "metadata", "more than 16,383 digits behind the point"),
    (with_raw("baseline_data", "1." + "1" * 20_000), "baseline_data", "more than 16,383 digits"),
]


@pytest.mark.parametrize(("bad", "field", "words"), BROKEN, ids=[str(n) for n in range(len(BROKEN))])
def test_a_bad_line_is_rejected_with_line_field_and_reason_and_nothing_beside_it(bad, field, words):
    summary, [reject] = feed(line(ncd_score=0.1), bad, line(ncd_score=0.2))
    assert counts(summary) == (3, 2, 0, 1)
    assert (reject.line, reject.field, reject.data) == (2, field, bad)
    assert words in reject.reason
    assert Anomaly.objects.count() == 2


def test_a_line_that_was_too_long_to_read_is_rejected():
    rejects = []
    ingest([Line(1, b"{" * 100, 10_000)], ANA, rejects.append, source="test")
    assert "is 10,000 bytes long; the limit is 100" in rejects[0].reason
    assert not rejects[0].whole


def test_only_the_rows_that_postgresql_refuses_are_left_out():
    a_rule("CHECK (ncd_score NOT IN (0.07, 0.5))")
    lines = [line(ncd_score=n / 100) for n in range(100)]
    summary, rejects = feed(*lines)
    assert counts(summary) == (100, 98, 0, 2)
    assert [(reject.line, reject.data) for reject in rejects] == [(8, lines[7]), (51, lines[50])]
    assert "PostgreSQL refuses it: new row for relation" in rejects[0].reason


def test_of_two_rows_that_do_not_go_together_the_first_is_in():
    a_rule("UNIQUE (notes)")
    summary, [reject] = feed(*[line(ncd_score=n / 100, notes=str(min(n, 98))) for n in range(100)])
    assert counts(summary) == (100, 99, 0, 1)
    assert "duplicate key" in reject.reason


def test_a_batch_that_is_refused_as_a_whole_takes_few_statements(django_assert_max_num_queries):
    a_rule("CHECK (ncd_score < 0)")
    lines = [line(ncd_score=n / 1000) for n in range(1000)]
    with django_assert_max_num_queries(40):
        summary, rejects = feed(*lines)
    assert (counts(summary), len(rejects)) == ((1000, 0, 0, 1000), 1000)


def test_a_value_that_only_postgresql_knows_to_refuse_is_named_by_line_and_column(monkeypatch):
    monkeypatch.setattr("anomalies.ingest.database_refusals.look_closer", lambda row: None)
    summary, [reject] = feed(line(ncd_score=0.1), with_raw("metadata", "1e-20000"), line(ncd_score=0.2))
    assert counts(summary) == (3, 2, 0, 1)
    assert (reject.line, reject.field) == (2, "metadata")
    assert reject.reason == "PostgreSQL refuses it: value overflows numeric format"


def test_a_line_with_the_id_of_a_refused_one_is_not_lost():
    one = "550e8400-e29b-41d4-a716-446655440000"
    refused = with_raw("metadata", "1e-20000")[:-1] + f', "id": "{one}"}}'.encode()
    summary, rejects = feed(refused, line(id=one), refused)
    assert (counts(summary), [reject.line for reject in rejects]) == ((3, 1, 1, 1), [1])


def test_rejects_come_in_the_order_of_their_lines():
    refused = with_raw("metadata", "1e-20000")
    assert [reject.line for reject in feed(refused, b"x", refused, b"y")[1]] == [1, 2, 3, 4]


# --- Identity -----------------------------------------------------------------------------------------


def test_a_file_that_is_in_adds_nothing():
    lines = [line(ncd_score=n / 10) for n in range(10)]
    feed(*lines)
    assert counts(feed(*lines)[0]) == (10, 0, 10, 0)


def test_a_batch_is_copied_right_into_the_table():
    with CaptureQueriesContext(connection) as queries:
        feed(line(), line(p_value=0.03))
    assert "ingest_staging" not in "".join(each["sql"] for each in queries)
    assert Anomaly.objects.count() == 2


def test_where_some_lines_leave_a_column_out_they_get_its_default():
    feed(line(p_value=0.01), line(p_value=0.02, status="investigating", created_at="2026-01-01T00:00:00Z"))
    first, second = Anomaly.objects.order_by("p_value")
    assert (first.status, second.status) == ("pending", "investigating")
    assert (first.created_at > second.created_at, second.created_at.year) == (True, 2026)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_row_that_is_written_by_another_ingest_keeps_no_other_out(file):
    waiting = """
        SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'COPY anomalies%'
    """
    with transaction.atomic(), connection.cursor() as cursor:
        feed(line(p_value=0.01))
        process = manage("ingest", file(line(p_value=0.01), line(p_value=0.02)))
        wait_until(lambda: cursor.execute(waiting) or cursor.fetchone())
    said = process.communicate(timeout=600)[1].decode()
    assert "new 1, already there 1, rejected 0" in said
    assert Anomaly.objects.count() == 2


def test_a_line_twice_in_one_batch_is_one_row():
    assert counts(feed(line(), line())[0]) == (2, 1, 1, 0)


def test_a_row_that_is_there_is_left_as_it_is():
    one = "550e8400-e29b-41d4-a716-446655440000"
    feed(line(id=one))
    assert counts(feed(line(id=one.upper(), ncd_score=0))[0]) == (1, 0, 1, 0)
    assert Anomaly.objects.get().ncd_score == 0.7


def test_a_row_that_is_inserted_at_the_same_time_is_no_error(monkeypatch):
    feed(line())
    monkeypatch.setattr("anomalies.ingest.copy._not_there_yet", lambda candidates: candidates)
    assert counts(feed(line())[0]) == (1, 0, 1, 0)


SAME = {
    "the order of keys": json.dumps(dict(reversed({**GIVEN, "metadata": {"b": 1, "a": 2}}.items()))).encode(),
    "white space": json.dumps({**GIVEN, "metadata": {"a": 2, "b": 1}}, indent=1).replace("\n", " ").encode(),
    "the zone": line(metadata={"a": 2, "b": 1}, timestamp="2026-11-23T13:00:00+01:00"),
    "null": line(metadata={"a": 2, "b": 1}, novelty=None, tags=None, window_data=None),
    "defaults": line(metadata={"a": 2, "b": 1}, tags=[], is_statistically_significant=False),
    "a decision": line(metadata={"a": 2, "b": 1}, status="dismissed", dismissed_by="ana", notes="known"),
    "when it was stored": line(metadata={"a": 2, "b": 1}, created_at="2026-11-24T12:00:00Z"),
    "how a character is written": line(metadata={"b": 1, "a": 2}).replace(b"2 of", b"\\u0032 of"),
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME.keys())
def test_the_same_content_has_the_same_id_whatever(data):
    assert read_row(data).id == read_row(line(metadata={"a": 2, "b": 1})).id


@pytest.mark.parametrize(
    "over",
    [
        {"timestamp": "2026-11-23T12:00:00.000001Z"},
        {"tags": ["a"]},
        {"window_data": [1]},
        {"window_data": 10**30},
        {"novelty": 0},
        {"glass_box_explanation": "2 of 10"},
        {"stream_type": "llm"},
        {"metadata": {}},
    ],
)
def test_other_content_has_another_id(over):
    assert read_row(line(**over)).id != read_row(line()).id


def test_an_id_is_a_uuid_of_version_8_that_begins_with_the_time():
    key = content_id(datetime(2026, 11, 23, 12, tzinfo=UTC), b"content")
    assert (key.version, key.variant) == (8, UUID(int=0x8 << 60).variant)
    assert key.int >> 80 == 1_795_435_200_000


def test_an_id_of_a_time_before_1970_begins_with_zeros():
    assert content_id(datetime(1969, 1, 1, tzinfo=UTC), b"").int >> 80 == 0


def test_an_id_made_from_content_never_changes():
    assert str(read_row(line(metadata={"a": [1, 2.5, "é"]})).id) == "01a20846-fe00-8655-a498-972a5a6c1cca"


# --- The record ---------------------------------------------------------------------------------------


def test_each_batch_is_one_entry_in_the_audit_log():
    feed(*[line(ncd_score=n / 10) for n in range(5)], batch_rows=3, source="night.jsonl")
    first, second = AuditLog.objects.order_by("id")
    assert (first.username, first.action, first.metadata["rows"]) == ("ana", "create", 3)
    assert [first.metadata[key] for key in ("via", "source", "first_line", "last_line")] == [
        *("ingest", "night.jsonl", 1, 3)
    ]
    assert (second.metadata["run"], second.metadata["first_line"]) == (first.metadata["run"], 4)


def test_a_batch_with_nothing_new_leaves_no_entry():
    feed(line())
    feed(line(), b"bad")
    assert AuditLog.objects.count() == 1


def test_a_decision_that_comes_with_a_row_is_counted_in_the_record():
    feed(line(status="acknowledged", acknowledged_by="eve"), line(ncd_score=0))
    insert = AuditLog.objects.get(metadata__has_key="decided_on_arrival")
    assert insert.metadata["decided_on_arrival"] == 1


# --- Stopping -----------------------------------------------------------------------------------------


def broken_off(count: int, error: BaseException):
    for n in range(1, count + 1):
        data = line(ncd_score=n / 100)
        yield Line(n, data, len(data))
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk")])
def test_an_interrupt_keeps_whole_batches_and_says_how_far(error):
    with pytest.raises(Stopped) as stopped:
        ingest(broken_off(25, error), ANA, print, source="test", batch_rows=10)
    assert stopped.value.summary.last_line_kept == Anomaly.objects.count() == 20


def test_what_was_read_of_a_damaged_file_goes_in():
    with pytest.raises(Stopped) as stopped:
        ingest(broken_off(25, ReadError("damaged")), ANA, print, source="test", batch_rows=10)
    assert stopped.value.summary.last_line_kept == Anomaly.objects.count() == 25


@pytest.mark.parametrize(("error", "kept"), [(KeyboardInterrupt(), 2), (ReadError("damaged"), 3)])
def test_what_stopped_names_the_cause_the_last_line_and_the_seconds(error, kept, monkeypatch):
    the_clock_shows(100, 101, *[102] * (kept - 2), 107, monkeypatch=monkeypatch)
    with pytest.raises(Stopped, match=f"^stopped after line {kept}$") as stopped:
        ingest(broken_off(3, error), ANA, print, source="test", batch_rows=2)
    assert (stopped.value.__cause__, stopped.value.summary.seconds) == (error, 7)


def test_a_database_that_fails_stops_it(monkeypatch):
    monkeypatch.setattr("anomalies.ingest.copy._DEFAULTS", "SELECT nothing")
    with pytest.raises(Stopped) as stopped:
        feed(line())
    assert stopped.value.summary.last_line_kept == 0


# --- Batches ------------------------------------------------------------------------------------------


def the_clock_shows(*seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of an ingest gives these times, one after the other."""
    clock = SimpleNamespace(monotonic=iter(seconds).__next__)
    monkeypatch.setattr("anomalies.ingest.json_lines.time", clock)


def ends_of_batches(*sizes: int) -> list[int]:
    """The last lines of the batches of blank lines of these sizes."""
    ends: list[int] = []
    lines = [Line(n, b" " * size, size) for n, size in enumerate(sizes, 1)]
    ingest(lines, ANA, print, source="test", progress=lambda summary: ends.append(summary.last_line_kept))
    return ends


def test_a_batch_takes_16_mib():
    most = 16 * 1024**2
    assert ends_of_batches(most - 1, 1, most + 1, 1) == [2, 3, 4]
    assert ends_of_batches(most - 1, 1, most - 1, 1, 1) == [2, 4, 5]


def test_a_batch_takes_5000_lines():
    assert ends_of_batches(*[1] * 5_001) == [5_000, 5_001]


def test_progress_is_reported_after_each_batch_with_the_counts_so_far():
    seen = []
    lines = (line(), b"bad", line(), line(ncd_score=0.2))
    feed(
        *lines, batch_rows=2, progress=lambda summary: seen.append((*counts(summary), summary.last_line_kept))
    )
    assert [*dict.fromkeys(seen)] == [(2, 1, 0, 1, 2), (4, 2, 1, 1, 4)]


def test_an_ingest_of_nothing_counts_nothing_and_has_no_rate():
    summary, rejects = feed()
    assert (counts(summary), summary.last_line_kept, rejects) == ((0, 0, 0, 0), 0, [])
    assert (Summary().seconds, Summary().rate) == (0, 0)


def test_the_rate_is_lines_per_second_of_the_whole_ingest(monkeypatch):
    the_clock_shows(100, 102, 104, monkeypatch=monkeypatch)
    summary, _ = feed(line(), b"bad", batch_rows=2)
    assert (summary.seconds, summary.rate) == (4, 0.5)


def test_a_dry_run_counts_what_it_read_and_rejected_and_no_row():
    summary, [reject] = feed(line(), b"bad", line(), dry_run=True)
    assert (counts(summary), summary.last_line_kept, reject.line) == ((3, 0, 0, 1), 3, 2)
    assert not Anomaly.objects.exists()


def test_when_a_pipe_pauses_the_lines_that_came_are_stored_before_the_batch_is_full():
    pause, stored, ends = Pause(), [], []

    def lines():
        for n, data in enumerate((line(ncd_score=0.1), line(ncd_score=0.2), line(ncd_score=0.3)), 1):
            yield Line(n, data, len(data))
            if n < 3:
                pause.then()
                pause.then()  # with nothing to store it stores nothing
                stored.append(Anomaly.objects.count())

    summary = ingest(
        lines(), ANA, print, source="test", pause=pause, progress=lambda now: ends.append(now.last_line_kept)
    )
    assert (stored, ends, counts(summary)) == ([1, 2], [1, 2, 3], (3, 3, 0, 0))


def test_a_full_disk_during_a_pause_is_no_fault_of_the_reading():
    pause, full = Pause(), OSError("no space left")

    def lines():
        yield Line(1, b"bad", 3)
        try:
            pause.then()
        except OSError as error:  # as readers do
            raise ReadError("could not be read") from error

    def rejected(reject):
        raise full

    with pytest.raises(Stopped) as stopped:
        ingest(lines(), ANA, rejected, source="test", pause=pause)
    assert stopped.value.__cause__ is full
    assert stopped.value.summary.last_line_kept == 0


# --- Rows of a program --------------------------------------------------------------------------------


def values(**over):
    return {
        **GIVEN,
        "timestamp": datetime(2026, 11, 23, 12, tzinfo=UTC),
        "metadata": b'{"host": "a"}',
        **over,
    }


def test_a_programs_rows_go_the_same_way():
    rows = [values(), values(ncd_score=0.1, id=UUID(int=5), tags=["x"])]
    assert store(rows, ANA, "a.log") == (2, 0)
    assert store(rows, ANA, "a.log") == (0, 2)
    about = AuditLog.objects.get().metadata
    assert (about["source"], about["first_row"], about["last_row"]) == ("a.log", 1, 2)


def test_a_program_and_a_file_agree_on_the_id():
    store([values()], ANA, "a.log")
    assert counts(feed(line(metadata={"host": "a"}))[0]) == (1, 0, 1, 0)


@pytest.mark.parametrize("over", [{"ncd_score": 2}, {"p_value": float("nan")}, {"metadata": b"1e-20000"}])
def test_a_programs_bad_row_is_an_error_and_none_is_stored(over):
    with pytest.raises(RowError):
        store([values(), values(**over)], ANA, "a.log")
    assert not Anomaly.objects.exists()


# --- The command --------------------------------------------------------------------------------------


def test_the_last_line_gives_the_counts(file, run):
    status, said = run(file(line(), line()))
    assert status == 0
    assert said.splitlines()[-1].startswith("read 2, new 1, already there 1, rejected 0 (")


def test_rejects_make_the_status_1_and_are_said(file, run):
    status, said = run(file(line(), line(ncd_score=2)))
    assert status == 1
    assert said.splitlines()[0] == "line 2, ncd_score: must be a number from 0 to 1, not 2"


def test_what_a_terminal_would_act_on_is_said_as_text(file, run):
    said = run(file(line(**{"\x1b[2J": "\u202e"}), line(stream_type="\x9b31m\ud83d\ude00")))[1]
    assert not [c for c in said if c != "\n" and not c.isprintable()]
    assert "\\x1b[2J" in said


def test_of_many_rejects_the_first_are_said_and_the_others_counted(file, run):
    said = run(file(*[b"bad"] * 1284))[1].splitlines()
    assert (len(said), said[50]) == (52, "… and 1,234 more; --rejects FILE keeps them")


def test_the_rejects_file_can_be_mended_and_fed_again(file, run, tmp_path):
    kept = tmp_path / "rejects.jsonl"
    bad = line(ncd_score=2).replace(b": ", b" :  ")
    run(file(line(), bad, b"\xff\x00"), rejects=str(kept))
    assert kept.read_bytes() == bad + b"\n\xff\x00\n"
    kept.write_bytes(bad.replace(b"2,", b"0.2,", 1))
    assert run(str(kept))[0] == 0


def test_a_line_too_long_for_the_rejects_file_is_said(file, run, tmp_path, settings):
    settings.INGEST_MAX_LINE_BYTES = 1000
    status, said = run(file(b"x" * 2000, line()), rejects=str(tmp_path / "kept"))
    assert (status, (tmp_path / "kept").read_bytes()) == (1, b"")
    assert "line 1: is 2,000 bytes long; the limit is 1,000" in said
    assert "line 1 is too long for the rejects file" in said


def test_the_rejects_file_is_never_what_is_read(file, run, tmp_path):
    path = file(line())
    (tmp_path / "same").hardlink_to(path)
    assert run(path, rejects=str(tmp_path / "same"), from_line=2)[0] == 2
    assert Path(path).read_bytes() == line() + b"\n"


def test_nobodys_file_is_overwritten_with_rejects(file, run):
    status, said = run(file(line()), rejects=file(b"precious", name="precious"))
    assert status == 2
    assert "exists already; name a new file" in said


def test_an_ingest_can_go_on_from_a_line(file, run):
    said = run(file(b"bad", line(), line(ncd_score=0)), from_line=3)[1]
    assert said.startswith("read 1, new 1,")


def test_a_dry_run_checks_and_changes_nothing(file, run):
    status, said = run(file(line(), b"bad"), dry_run=True)
    assert status == 1
    assert "read 2, valid 1, rejected 1" in said
    assert not Anomaly.objects.exists()


def test_an_archive_is_taken_as_it_is(tmp_path, run):
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + line() + b"\r\n" + line(ncd_score=0)))
    assert run(str(tmp_path / "in.gz"))[1].startswith("read 2, new 2,")


def test_who_fed_it_is_recorded(file, run):
    run(file(line(), name="night \x1b.jsonl"), by="ana")
    entry = AuditLog.objects.get()
    assert (entry.username, entry.metadata["source"]) == ("ana", "night \\x1b.jsonl")


def test_a_file_whose_name_is_no_text_is_taken(file, run):
    assert run(file(line(), name=os.fsdecode(b"caf\xe9.jsonl")))[0] == 0


def test_an_impossible_username_is_refused_before_anything_is_read(file, run):
    assert run(file(line()), by="x" * 256)[0] == 2


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/tmp"])
def test_a_file_that_can_not_be_read_is_said_in_one_line(run, path):
    status, said = run(path)
    assert status == 1
    assert said.startswith(f"can't read {path}: ")
    assert "\n" not in said


def test_an_interrupt_says_how_to_go_on(file, run, monkeypatch):
    monkeypatch.setattr(
        "anomalies.management.commands.ingest.read_lines", lambda *a: broken_off(25, KeyboardInterrupt())
    )
    status, said = run("in file.jsonl", batch_rows=10)
    assert status == 130
    assert said.endswith(
        "lines 1–20 are stored; continue with: manage.py ingest 'in file.jsonl' --from-line 21"
    )


def test_a_lost_connection_says_how_to_go_on(file, run, monkeypatch):
    monkeypatch.setattr(
        "anomalies.management.commands.ingest.read_lines",
        lambda *a: broken_off(25, OperationalError("server closed the connection\nunexpectedly")),
    )
    status, said = run("in.jsonl", batch_rows=10)
    assert status == 1
    assert "the database failed: server closed the connection; lines 1–20 are stored; continue with:" in said


# --- The command as a process of its own --------------------------------------------------------------


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_on_a_slow_pipe_keeps_whole_batches(stop):
    with manage("ingest", "-", "--batch-rows", "10") as process:
        process.stdin.write(b"".join(line(ncd_score=n / 100) + b"\n" for n in range(25)))
        process.stdin.flush()
        wait_until(lambda: Anomaly.objects.count() >= 20)
        process.send_signal(stop)
        said = process.communicate()[1].decode()
    assert process.returncode == 130, said
    kept = Anomaly.objects.count()  # 20, or 25 where a second went by
    assert (
        f"lines 1–{kept} are stored; ingest all of it again, or continue with --from-line {kept + 1}" in said
    )


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_on_a_slow_pipe_no_line_waits_for_a_full_batch():
    with manage("ingest", "-") as process:
        for n in (1, 2):
            process.stdin.write(line(ncd_score=n / 10) + b"\n" + line(ncd_score=0.9)[: n * 20])
            process.stdin.flush()
            wait_until(lambda n=n: Anomaly.objects.count() == n)
            process.stdin.write(b"\n")
        said = process.communicate()[1].decode()
    assert "read 4, new 2, already there 0, rejected 2" in said


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize(
    ("args", "given", "status"),
    [
        (["-"], line(), 0),
        (["-"], b"bad", 1),
        (["/nowhere"], b"", 1),
        ([], b"", 2),
        (["-", "--batch-rows=0"], b"", 2),
    ],
)
def test_the_exit_status_says_what_happened(args, given, status):
    with manage("ingest", *args) as process:
        out, said = process.communicate(given)
    assert process.returncode == status, said
    assert (out, b"Traceback" in said) == (b"", False)
