"""Old anomalies move into an archive: which, into what file, and nothing is lost on the way."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
import zstandard
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from anomalies.atomic_file import AtomicFile
from anomalies.audit import Actor
from anomalies.audit.seals import seal
from anomalies.audit.verification import verify
from anomalies.models import Anomaly, AuditLog, AuditSeal
from anomalies.queries.export import ROW_VERSION
from anomalies.retention import deletion
from anomalies.retention.archive_file import Archive, Row, write
from anomalies.retention.selection import is_sealed_until
from tests.support.factories import make_anomaly
from tests.support.seals import new_key

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)


def old(**over: Any) -> Anomaly:
    values = {"timestamp": LONG_AGO, "status": "dismissed", "dismissed_by": "lead", "dismissed_at": LONG_AGO}
    return make_anomaly(**{**values, "dismissal_reason": "other", "updated_at": LONG_AGO, **over})


def archive(folder: Path, *more: str, days: int = 400, sealed: bool = False) -> str:
    out, err = io.StringIO(), io.StringIO()
    given = ["archive", str(folder), "--older-than", str(days), *([] if sealed else ["--unsealed"]), *more]
    call_command(*given, "--by", "keeper", stdout=out, stderr=err)
    return err.getvalue()


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl.zst"))
        for line in zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().splitlines()
    ]


def left() -> set[Any]:
    return set(Anomaly.objects.values_list("pk", flat=True))


# --- which ------------------------------------------------------------------------------------------------


def test_decided_anomalies_that_are_old_enough_are_moved(tmp_path):
    gone = [old(), old(status="acknowledged", dismissed_by=None, dismissed_at=None, dismissal_reason=None)]
    recent = make_anomaly(status="dismissed", dismissal_reason="other")
    assert archive(tmp_path) == "archived 2, deleted 2\n"
    assert left() == {recent.pk}
    assert {line["id"] for line in lines_of(tmp_path)} == {str(each.pk) for each in gone}


def undecided(**over: Any) -> Anomaly:
    return old(status="pending", dismissed_by=None, dismissed_at=None, dismissal_reason=None, **over)


def test_open_anomalies_stay_unless_their_status_is_asked_for(tmp_path):
    waiting = undecided()
    assert archive(tmp_path) == "archived 0 anomalies: none that matches is old enough and decided\n"
    archive(tmp_path, "--status", "pending")
    assert waiting.pk not in left()


def test_what_was_changed_lately_stays_however_old_its_event_is(tmp_path):
    late = old(updated_at=datetime.now(UTC))
    archive(tmp_path)
    assert left() == {late.pk}


def test_filters_narrow_it_and_the_oldest_go_first(tmp_path):
    kept = [old(tags=["keep"]), old(tags=["go"], timestamp=LONG_AGO.replace(month=5))]
    first = old(tags=["go"])
    archive(tmp_path, "--tags-any", "go", "--most", "1")
    assert left() == {each.pk for each in kept}
    assert [line["id"] for line in lines_of(tmp_path)] == [str(first.pk)]


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    old()
    assert archive(tmp_path, "--dry-run") == "would archive 1 anomalies\n"
    assert (len(left()), list(tmp_path.iterdir())) == (1, [])


def test_a_dry_run_counts_what_a_run_moves(tmp_path):
    old(), undecided(), old(updated_at=datetime.now(UTC)), old(timestamp=datetime.now(UTC))
    assert archive(tmp_path, "--dry-run") == "would archive 1 anomalies\n"
    assert archive(tmp_path) == "archived 1, deleted 1\n"


# --- the archive ------------------------------------------------------------------------------------------


def test_the_manifest_holds_hashes_rows_times_and_what_was_asked_for(tmp_path):
    old(), old(timestamp=LONG_AGO.replace(month=5))
    archive(tmp_path, "--status", "dismissed")
    (path,) = tmp_path.glob("*.manifest.json")
    manifest = json.loads(path.read_text())
    data = (tmp_path / manifest["file"]).read_bytes()
    assert manifest["sha256"] == hashlib.sha256(data).hexdigest()
    assert (manifest["bytes"], manifest["rows"], manifest["made_by"]) == (len(data), 2, "keeper")
    assert (manifest["first"], manifest["last"]) == ("2024-02-03T04:05:06+00:00", "2024-05-03T04:05:06+00:00")
    assert manifest["filter"] == {"status": ["dismissed"]}


def test_the_manifest_is_of_all_bytes_and_times_whatever_the_size_and_order_of_the_rows(tmp_path):
    dice = Random(1)
    rows = [
        Row(
            UUID(int=month), "", LONG_AGO.replace(month=month), dice.randbytes(300_000).hex().encode() + b"\n"
        )
        for month in (5, 3, 7)
    ]
    manifest = json.loads(write(tmp_path, rows).manifest.read_text())
    data = (tmp_path / manifest["file"]).read_bytes()
    assert (manifest["bytes"], manifest["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (manifest["first"][:7], manifest["last"][:7]) == ("2024-03", "2024-07")


def test_ingest_takes_an_archive_back(tmp_path):
    one = old(notes="seen before", tags=["a", "b"])
    rows = Anomaly.objects.filter(pk=one.pk).values("status", "notes", "tags", "window_data", "dismissed_by")
    before = rows.get()
    archive(tmp_path)
    (path,) = tmp_path.glob("*.jsonl.zst")
    call_command("ingest", str(path), "--by", "keeper", stderr=io.StringIO())
    assert rows.get() == before


@pytest.mark.parametrize("time", ["-infinity", "0044-03-15T12:00:00+00:00 BC"])
def test_a_time_that_python_cant_hold_is_archived_as_it_is_stored(tmp_path, time):
    old(timestamp=LONG_AGO, dismissed_at=LONG_AGO)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL driftlock.requires_actor = 'off'")
        cursor.execute("UPDATE anomalies SET timestamp = %s, dismissed_at = 'infinity'", [time])
        cursor.execute("ALTER TABLE anomalies DISABLE TRIGGER USER")
        cursor.execute("UPDATE anomalies SET updated_at = %s", [LONG_AGO])
        cursor.execute("ALTER TABLE anomalies ENABLE TRIGGER USER")
    archive(tmp_path)
    [line] = lines_of(tmp_path)
    assert (line["timestamp"], line["dismissed_at"]) == (time, "infinity")


# --- the audit log ----------------------------------------------------------------------------------------


def test_each_deletion_is_recorded_with_the_archive_and_without_the_evidence(tmp_path):
    one = old()
    archive(tmp_path)
    entry = AuditLog.objects.get(action="delete", resource_id=one.pk)
    (path,) = tmp_path.glob("*.manifest.json")
    assert (entry.username, entry.metadata["via"]) == ("keeper", "archive")
    assert entry.metadata["archive"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry.old_values["dismissal_reason"] == "other"
    assert {"window_data", "baseline_data", "search_document"}.isdisjoint(entry.old_values)


def test_any_other_deletion_is_recorded_with_its_evidence():
    one = old()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM anomalies WHERE id = %s", [one.pk])
    entry = AuditLog.objects.get(action="delete", resource_id=one.pk)
    assert entry.old_values["window_data"] == ["deadlock detected"]


def test_the_audit_log_still_accounts_for_every_row(tmp_path, settings):
    settings.SEAL_KEY = new_key()
    old(), old()
    seal()
    archive(tmp_path, sealed=True)
    seal()
    assert verify(replay=True).problems == ()


def test_it_refuses_while_the_log_is_not_sealed_so_far(tmp_path):
    old()
    with pytest.raises(CommandError, match="audit seal` first, or add --unsealed"):
        archive(tmp_path, sealed=True)
    assert len(left()) == 1


def test_sealed_until_a_time_means_that_the_newest_seal_was_made_after_it(settings):
    settings.SEAL_KEY = new_key()
    old()
    seal()
    first = AuditSeal.objects.get().made_at
    assert not is_sealed_until(first)
    old()
    seal()
    assert is_sealed_until(first)
    assert not is_sealed_until(AuditSeal.objects.latest("number").made_at)


# --- nothing is lost --------------------------------------------------------------------------------------


def test_a_row_that_changes_after_it_was_archived_stays(tmp_path, monkeypatch):
    one, _ = old(), old()
    whole = deletion.delete

    def changed_before(*given: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE anomalies SET tags = '{x}' WHERE id = %s", [one.pk])
        return whole(*given)

    monkeypatch.setattr("anomalies.management.commands.archive.delete", changed_before)
    assert archive(tmp_path) == "archived 2, deleted 1, kept 1 that were changed or locked since\n"
    assert left() == {one.pk}


def test_a_full_disk_leaves_the_table_and_the_folder_as_they_were(tmp_path, monkeypatch):
    old()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AtomicFile, "write", full)
    with pytest.raises(CommandError, match="No space left on device; nothing was deleted"):
        archive(tmp_path)
    assert (len(left()), list(tmp_path.iterdir())) == (1, [])


def test_an_archive_of_which_other_bytes_are_on_the_disk_deletes_nothing(tmp_path, monkeypatch):
    old()
    write = AtomicFile.write

    def packed_otherwise(file: AtomicFile, data: bytes) -> None:
        lines = zstandard.ZstdDecompressor().stream_reader(data).read()
        write(file, zstandard.compress(lines) if data else data)

    monkeypatch.setattr(AtomicFile, "write", packed_otherwise)
    with pytest.raises(CommandError, match="does not hold what was written; nothing was deleted"):
        archive(tmp_path)
    assert len(left()) == 1


def test_an_archive_that_reads_back_otherwise_deletes_nothing(tmp_path, monkeypatch):
    old()
    monkeypatch.setattr("anomalies.retention.archive_file._unpacked", lambda file: [b"other"])
    with pytest.raises(CommandError, match="does not hold what was written; nothing was deleted"):
        archive(tmp_path)
    assert len(left()) == 1


@pytest.mark.parametrize("suffix", [".jsonl.zst", ".manifest.json"])
def test_no_file_is_replaced(tmp_path, suffix):
    there = tmp_path / f"anomalies-20240203T040506-{old().pk.hex}{suffix}"
    there.write_text("of before")
    with pytest.raises(CommandError, match=f"^{there} exists already; move it away first"):
        archive(tmp_path)
    assert (len(left()), there.read_text()) == (1, "of before")


def test_many_are_deleted_part_by_part_and_what_is_kept_is_counted(tmp_path, monkeypatch):
    rows = [old() for _ in range(5)]
    monkeypatch.setattr(deletion, "AT_ONCE", 2)
    versions = [(each.pk, "0" if each is rows[3] else version_of(each)) for each in rows]
    made = Archive(tmp_path, tmp_path, "0" * 64, tuple(versions))
    parts = list(deletion.delete(made, Actor("keeper"), 0))
    assert [(each.deleted, each.kept) for each in parts] == [(2, 0), (3, 1), (4, 1)]
    assert left() == {rows[3].pk}


def version_of(one: Anomaly) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {ROW_VERSION} FROM anomalies WHERE id = %s", [one.pk])
        (version,) = cursor.fetchone()
    return version


def test_a_part_that_fails_says_how_many_are_gone(tmp_path, monkeypatch):
    old(), old()
    monkeypatch.setattr(deletion, "AT_ONCE", 1)
    behind = iter(["", DatabaseError("the connection is gone")])

    def look(most: int) -> str:
        found = next(behind)
        if isinstance(found, DatabaseError):
            raise found
        return found

    monkeypatch.setattr(deletion, "_behind", look)
    with pytest.raises(CommandError, match="gone; 1 of the 2 archived anomalies were deleted"):
        archive(tmp_path)
    assert len(left()) == 1


def test_it_waits_for_a_replica_that_is_behind(tmp_path, monkeypatch):
    old()
    behind = iter(["standby1", "standby1", ""])
    monkeypatch.setattr(deletion, "_behind", lambda most: next(behind))
    monkeypatch.setattr(deletion, "_PAUSE", 0)
    assert archive(tmp_path).count("deleted 0 of 1; waiting for standby1\n") == 2
    assert left() == set()


# --- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["missing", "--older-than", "9"], "is not a folder; create it first"),
        ([".", "--older-than", "0"], "a whole number of days from 1 to 36,500"),
        ([".", "--older-than", "x"], "not a whole number of days"),
        ([".", "--older-than", "9", "--most", "0"], "not a whole number from 1 to 1,000,000"),
    ],
)
def test_wrong_usage_names_what_is_expected(given, said):
    with pytest.raises(CommandError, match=said):
        call_command("archive", *given, "--unsealed")


def test_a_role_that_may_not_delete_is_refused_before_anything_is_written(tmp_path):
    old()
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader_only; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_only")
        cursor.execute("SET LOCAL ROLE reader_only")
        with pytest.raises(CommandError, match="may not delete anomalies; use the role that migrates"):
            archive(tmp_path)
        cursor.execute("RESET ROLE")
    assert list(tmp_path.iterdir()) == []
