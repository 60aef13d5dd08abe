"""Export: exactly what is filtered, in a form that can be read in again."""

from __future__ import annotations

import csv
import io
import json
import math
import resource
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly, AuditLog
from anomalies.queries.bounded.listing import Listing
from anomalies.queries.export import COLUMNS, defused, export
from anomalies.schema.checksums import checksum
from tests.support.factories import NOON, anomaly_values, make_anomaly

pytestmark = pytest.mark.django_db

URL = "/admin/anomalies/anomaly/export/"


def exported(format_name: str = "jsonl", **filters: Any) -> str:
    return b"".join(export(Listing(Anomaly.objects.filter(**filters)), format_name)).decode()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def downloaded(client, path: str) -> str:
    answer = client.get(URL + path)
    assert answer.status_code == 200, answer
    return b"".join(answer.streaming_content).decode()


# --- the files --------------------------------------------------------------------------------------------


def test_what_was_exported_can_be_ingested_again(tmp_path):
    make_anomaly(
        status="dismissed", dismissal_reason="other", notes='a "note",\nof two lines', tags=["a,b", "{}"]
    )
    make_anomaly(metadata={"big": 10**40, "deep": [[[[1.5e-300]]]]}, baseline_data="ünïcode \u2028", tags=[])
    before = checksum("anomalies", COLUMNS)
    file = tmp_path / "a.jsonl"
    file.write_text(exported())
    Anomaly.objects.all().delete()
    call_command("ingest", str(file), by="ana")
    assert checksum("anomalies", COLUMNS) == before


BY_OTHER_PROGRAMS = {
    "NaN": {"compression_baseline": math.nan, "novelty": math.nan},
    "infinite": {"compression_window": math.inf, "entropy_change": -math.inf},
    "300 tags": {"tags": [f"t{number}" for number in range(300)]},
    "a long tag": {"tags": ["x" * 5_000]},
    "10 MB": {"window_data": ["x" * 1000] * 10_000},
    "characters of each kind": {"notes": "\x01\x1f\u2028\ufeff\U0010ffff\x7f", "tags": ["", "\r\n"]},
    "numbers of 3,999 digits": {"metadata": {"n": 10**3998}},
    "the smallest double": {"compression_combined": 5e-324, "p_value": -0.0},
}


@pytest.mark.parametrize("given", BY_OTHER_PROGRAMS)
def test_what_the_table_takes_from_other_programs_is_strict_json_that_ingest_takes_back(given, tmp_path):
    make_anomaly(**BY_OTHER_PROGRAMS[given])
    before, text = checksum("anomalies", COLUMNS), exported()
    json.loads(text, parse_constant=pytest.fail)
    (tmp_path / "a.jsonl").write_text(text)
    Anomaly.objects.all().delete()
    call_command("ingest", str(tmp_path / "a.jsonl"), by="ana")
    assert checksum("anomalies", COLUMNS) == before


OTHER_TIMES = ["infinity", "-infinity", "20000-02-29T00:00:00.5Z", "294276-12-31T23:59:59.999999Z"]
OTHER_TIMES += ["0044-03-15T12:00:00Z BC", "4713-01-01T00:00:00Z BC", "9999-12-31T23:59:59.999999Z"]


@pytest.mark.parametrize("column", ["timestamp", "created_at", "acknowledged_at"])
def test_times_that_python_cannot_hold_are_exported_and_taken_back(column, tmp_path):
    for time in OTHER_TIMES:
        pk = make_anomaly().pk
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL driftlock.requires_actor = off")
            cursor.execute(f"UPDATE anomalies SET {column} = %s WHERE id = %s", [time, pk])
    before, text = checksum("anomalies", COLUMNS), exported()
    (tmp_path / "a.jsonl").write_text(text)
    Anomaly.objects.all().delete()
    call_command("ingest", str(tmp_path / "a.jsonl"), by="ana")
    assert checksum("anomalies", COLUMNS) == before
    assert exported("csv").count("infinity") == 2


@pytest.mark.parametrize("tags", ["{{a,b},{c,d}}", "{a,NULL}", "{NULL}", "{{{a},{NULL}}}"])
def test_tags_of_other_shapes_are_exported_and_taken_back(tags, tmp_path):
    pk = make_anomaly().pk
    with connection.cursor() as cursor:
        cursor.execute("UPDATE anomalies SET tags = %s WHERE id = %s", [tags, pk])
    before, text = checksum("anomalies", COLUMNS), exported()
    (tmp_path / "a.jsonl").write_text(text)
    Anomaly.objects.all().delete()
    call_command("ingest", str(tmp_path / "a.jsonl"), by="ana")
    assert checksum("anomalies", COLUMNS) == before


def test_a_line_too_long_for_ingest_is_named_with_the_setting_that_takes_it(settings, tmp_path, capsys):
    settings.INGEST_MAX_LINE_BYTES = 2_000
    long, _ = make_anomaly(notes="x" * 2_000), make_anomaly()
    call_command("export", out=tmp_path / "a.jsonl")
    size = max(map(len, (tmp_path / "a.jsonl").read_bytes().splitlines()))
    said = capsys.readouterr().err
    assert f"anomaly {long.pk}: a line of {size:,} bytes" in said
    assert f"DRIFTLOCK_INGEST_MAX_LINE_BYTES={size}" in said
    Anomaly.objects.all().delete()
    settings.INGEST_MAX_LINE_BYTES = size
    call_command("ingest", str(tmp_path / "a.jsonl"), by="ana")
    assert Anomaly.objects.count() == 2


def test_csv_names_numbers_that_are_not_finite_as_postgresql_does():
    make_anomaly(novelty=math.nan, compression_window=-math.inf)
    (row,) = rows_of(exported("csv"))
    assert (row["novelty"], row["compression_window"]) == ("NaN", "-Infinity")


def test_the_newest_comes_first():
    old, new = make_anomaly(), make_anomaly(timestamp=NOON.replace(hour=13))
    assert [json.loads(line)["id"] for line in exported().splitlines()] == [str(new.pk), str(old.pk)]


def test_csv_names_every_column():
    make_anomaly()
    assert tuple(rows_of(exported("csv"))[0]) == COLUMNS


def test_csv_keeps_lines_quotes_and_commas_of_a_text():
    text = 'first "line",\nsecond'
    make_anomaly(notes=text)
    assert rows_of(exported("csv"))[0]["notes"] == text


def test_csv_says_nothing_for_null():
    make_anomaly(notes=None)
    assert rows_of(exported("csv"))[0]["notes"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =cmd|' /C calc'!A0",
        '=HYPERLINK("x")',
        "＝1+1",
        "＋1",
        "－1",
        "＠SUM(A1)",
        "﹦1",
        "\u200b=1",
        "\u3000=1",
        "\u202e=1",
        "\U000e0041=1",
        "\u00a0\u2060＝1",
    ],
)
def test_a_formula_is_defused(text):
    make_anomaly(notes=text, glass_box_explanation=text, tags=[text])
    row = rows_of(exported("csv"))[0]
    assert row["notes"] == f"'{text}" and row["glass_box_explanation"] == f"'{text}"
    assert row["tags"].startswith("[")


@pytest.mark.parametrize("text", ["", "plain", "a=b", "1 - 1", "'quoted", "ä"])
def test_any_other_text_is_left_as_it_is(text):
    assert defused(text) == text


def test_a_negative_number_is_no_formula():
    make_anomaly(compression_ratio_change=-12.5)
    assert rows_of(exported("csv"))[0]["compression_ratio_change"] == "-12.5"


def test_json_that_python_cannot_parse_is_exported_as_it_is():
    anomaly = make_anomaly()
    deep = "[" * 1500 + "]" * 1500
    with connection.cursor() as cursor:
        for constraint in constraints_on_json(cursor):
            cursor.execute(f"ALTER TABLE anomalies DROP CONSTRAINT {constraint}")
        cursor.execute("UPDATE anomalies SET window_data = %s WHERE id = %s", [deep, anomaly.pk])
    assert deep in exported() and deep in exported("csv")


def constraints_on_json(cursor) -> list[str]:
    cursor.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'anomalies'::regclass AND contype = 'c' "
        "AND pg_get_constraintdef(oid) LIKE '%window_data%'"
    )
    return [name for (name,) in cursor.fetchall()]


def test_rows_are_fetched_a_chunk_at_a_time():
    Anomaly.objects.bulk_create(Anomaly(**anomaly_values()) for _ in range(500))
    with CaptureQueriesContext(connection) as queries:
        lines = export(Listing(Anomaly.objects.all()), "jsonl")
        next(lines)
        assert len([q for q in queries if "anomalies" in q["sql"]]) <= 1
    assert sum(1 for _ in lines) == 499


# --- the desk ---------------------------------------------------------------------------------------------


def test_the_desk_exports_what_is_filtered(client, viewer):
    client.force_login(viewer)
    make_anomaly(status="dismissed"), make_anomaly()
    (row,) = rows_of(downloaded(client, "csv/?status=dismissed&o=3"))
    assert row["status"] == "dismissed"


def test_the_list_links_to_the_export_of_what_it_shows(client, viewer):
    client.force_login(viewer)
    page = client.get("/admin/anomalies/anomaly/?status=dismissed&o=3&p=1").content.decode()
    assert f'href="{URL}csv/?status=dismissed"' in page


@pytest.mark.parametrize("path", ["csv/?status=open", "csv/?no_such=1", "csv/?ncd_min=2"])
def test_what_is_not_understood_exports_nothing_and_says_so(client, viewer, path):
    client.force_login(viewer)
    answer = client.get(URL + path, follow=True)
    assert "nothing was exported" in answer.content.decode()
    assert not AuditLog.objects.filter(action="export").exists()


def test_an_export_is_on_record(client, viewer):
    client.force_login(viewer)
    downloaded(client, "csv/?status=pending")
    entry = AuditLog.objects.get(action="export")
    assert (entry.username, entry.metadata["filter"]) == ("viewer", "status=pending")


def test_who_may_not_see_anomalies_exports_none(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))
    assert client.get(f"{URL}csv/").status_code == 403


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_writes_a_file(tmp_path, capsys):
    make_anomaly(status="dismissed"), make_anomaly()
    call_command("export", "--status", "dismissed", "--out", str(tmp_path / "a.jsonl"), by="ana")
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "exported 1 anomalies"


def test_the_command_overwrites_nothing(tmp_path):
    (tmp_path / "a.jsonl").write_text("mine")
    with pytest.raises(CommandError, match="exists already"):
        call_command("export", "--out", str(tmp_path / "a.jsonl"), by="ana")
    assert (tmp_path / "a.jsonl").read_text() == "mine"


@pytest.fixture
def room_for_64_bytes() -> Iterator[None]:
    """No file of this process can grow beyond 64 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_reported_and_leaves_no_half_of_an_export(tmp_path, room_for_64_bytes):
    make_anomaly()
    with pytest.raises(CommandError, match=r"a\.jsonl: File too large; nothing was exported"):
        call_command("export", "--out", str(tmp_path / "a.jsonl"), by="ana")
    assert list(tmp_path.iterdir()) == []
