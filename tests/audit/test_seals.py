"""Seals: what is edited, removed, added, reordered or re-sealed is found, and nothing else is said."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.audit import Actor, acting, canonical_rows, guards, seal_rows, seals, verification
from anomalies.audit.keys import KeyProblem
from anomalies.audit.seals import seal
from anomalies.audit.verification import Verdict, verify
from anomalies.models import Anomaly, AuditLog, AuditSeal
from tests.support.databases import run
from tests.support.factories import make_anomaly
from tests.support.processes import manage
from tests.support.seals import new_key, tampering
from tests.support.servers import database
from tests.support.sizes import amount

TAMPERINGS = amount("DRIFTLOCK_TAMPERINGS")
ANA = Actor("ana", "10.0.0.7", via="/admin/")


@pytest.fixture(autouse=True)
def key(settings) -> str:
    settings.SEAL_KEY = new_key()
    return settings.SEAL_KEY


def owner(statement: str, *values: Any) -> None:
    """Change the audit log as its owner can, with its triggers disabled."""
    with tampering():
        run(statement, *values)


def decisions(count: int) -> None:
    for number in range(count):
        with acting(ANA, note=f"note {number}"):
            make_anomaly(notes=f"{number}")
            Anomaly.objects.filter(notes=f"{number}").update(status="dismissed", notes=f"done {number}")


@pytest.fixture
def sealed(db) -> None:
    """Twelve entries or more under three seals."""
    for count in (2, 1, 3):
        decisions(count)
        seal()


# --- sealing ----------------------------------------------------------------------------------------------


def test_every_entry_is_sealed_and_the_seals_are_a_chain(sealed):
    seals = list(AuditSeal.objects.order_by("number"))
    covered = sum(each.rows for each in seals)
    assert covered == AuditLog.objects.count()
    assert [each.former for each in seals] == [canonical_rows.NOTHING, *[each.head for each in seals[:-1]]]


def test_the_next_seal_follows_the_last_and_names_its_head(sealed):
    newest = AuditSeal.objects.latest("number")
    with connection.cursor() as cursor:
        assert seal_rows.place_of_next(cursor, 1) == (newest.number + 1, newest.head)


def test_the_next_seal_takes_the_first_free_number(sealed):
    first, second, _ = AuditSeal.objects.order_by("number")
    owner("DELETE FROM audit_seals WHERE number = %s", second.number)
    with connection.cursor() as cursor:
        assert seal_rows.place_of_next(cursor, 1) == (second.number, first.head)


def test_what_is_sealed_is_sound(sealed):
    verdict = verify()
    assert (verdict.problems, verdict.seals, verdict.unsealed) == ((), 3, 0)


def test_what_came_since_is_counted_and_no_problem(sealed):
    decisions(1)
    assert (verify().is_sound, verify().unsealed) == (True, 2)


def test_without_new_entries_there_is_no_new_seal(sealed):
    assert seal() == 0
    assert AuditSeal.objects.count() == 3


def test_many_entries_take_several_seals(db, monkeypatch):
    monkeypatch.setattr("anomalies.audit.seals.BATCH", 4)
    decisions(5)
    entries = AuditLog.objects.count()
    assert seal() == entries
    assert AuditSeal.objects.count() == -(-entries // 4) and verify().is_sound


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_who_commits_late_is_sealed_next_and_a_gap_is_no_problem():
    late = connections.create_connection("default")
    decisions(1)
    with closing(late), late.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO performance_metrics (metric_type, duration_ms) VALUES ('x', 1)")
        cursor.execute("SELECT audit_event('export', 'anomaly', NULL, '{}')")
        decisions(2)
        with transaction.atomic(), pytest.raises(ZeroDivisionError), transaction.atomic():
            decisions(1)
            raise ZeroDivisionError
        seal()
        assert verify().is_sound
        cursor.execute("COMMIT")
    assert seal() == 1
    verdict = verify()
    assert (verdict.problems, verdict.unsealed) == ((), 0)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_nothing_is_settled_while_a_writer_has_an_id_and_no_number_yet():
    late = connections.create_connection("default")
    with closing(late), late.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE audit_log IN ROW EXCLUSIVE MODE")  # as an INSERT does first
        cursor.execute("SELECT nextval('audit_log_id_seq')")
        for _ in range(3):
            decisions(1)
            seal()
        cursor.execute("INSERT INTO performance_metrics (metric_type, duration_ms) VALUES ('x', 1)")
        cursor.execute("COMMIT")
    assert {each.settled for each in AuditSeal.objects.all()} == {0}


def test_verifying_holds_a_few_entries_and_seals_at_once(sealed, monkeypatch):
    monkeypatch.setattr("anomalies.audit.sealed_rows._AT_ONCE", 3)
    monkeypatch.setattr("anomalies.audit.sealed_rows._SEALS_AT_ONCE", 1)
    entry = AuditLog.objects.order_by("-id")[4].pk
    assert verify().is_sound
    owner("UPDATE audit_log SET username = 'eve' WHERE id = %s", entry)
    assert verify().problems[0].startswith(f"entry {entry} was edited")


@pytest.mark.parametrize("number", [-7, 2**63 - 1])
def test_an_added_entry_of_any_id_is_looked_at(sealed, number):
    run("INSERT INTO audit_log (id, username, action, resource_type) VALUES (%s, 'x', 'y', 'z')", number)
    found = verify()
    assert f"entry {number} was added by hand: its id was never drawn" in found.problems[0]
    assert not found.is_sound


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_an_entry_in_a_gap_whose_time_is_over_is_an_added_one():
    decisions(1)
    run("SELECT nextval('audit_log_id_seq')")
    (gap,) = run("SELECT last_value FROM audit_log_id_seq")[0]
    for _ in range(3):
        decisions(1)
        seal()
    owner(
        "INSERT INTO audit_log (id, username, action, resource_type) VALUES (%s, 'x', 'dismiss', 'anomaly')",
        gap,
    )
    assert f"entry {gap} was added" in verify().problems[0]
    seal()
    assert f"entry {gap} was added" in verify().problems[0]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_sealers_at_once_one_says_that_the_other_works():
    decisions(1)
    other = connections.create_connection("default")
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [0x5EA1])
        with pytest.raises(CommandError, match="another sealer"):
            call_command("audit", "seal")
    other.close()


def test_nothing_is_taken_as_seen_while_a_writer_has_no_transaction_number(db, monkeypatch):
    decisions(1)
    newest = AuditLog.objects.latest("id").pk
    with connection.cursor() as cursor:
        assert seals._seen(cursor).newest == newest
        monkeypatch.setattr(seals, "_BETWEEN", "SELECT %s IS NOT NULL")
        assert seals._seen(cursor).newest == 0


def test_gaps_are_settled_by_a_seal_that_covers_all_entries_there_are(db, monkeypatch):
    monkeypatch.setattr(seals, "_settled", lambda recent, settled, seen: 1)
    monkeypatch.setattr(seals, "BATCH", 1)
    decisions(1)
    entries = seal()
    monkeypatch.setattr(seals, "BATCH", 10)
    decisions(1)
    seal()
    settled = list(AuditSeal.objects.order_by("number").values_list("settled", flat=True))
    assert settled == [0] * entries + [1]


@pytest.mark.parametrize(("number", "covered"), [(seals.LARGEST, 1), (seals.LARGEST + 1, 0), (0, 0)])
def test_an_entry_of_the_largest_id_that_a_range_holds_is_sealed(db, number, covered):
    run("INSERT INTO audit_log (id, username, action, resource_type) VALUES (%s, 'x', 'y', 'z')", number)
    assert seal() == covered
    assert AuditSeal.objects.filter(ids__contains=number).count() == covered


def test_a_disabled_trigger_is_not_sealed_over(db):
    decisions(1)
    run("ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_update")
    with pytest.raises(CommandError, match="audit_anomalies_update on anomalies is changed or disabled"):
        call_command("audit", "seal")


def test_the_guards_are_those_that_the_migrations_make(db):
    """scripts/guards.py writes them again after a migration that changes one."""
    assert guards.guards() == guards.expected()


def test_the_same_row_is_the_same_bytes_in_every_session(db):
    decisions(1)
    before = list(canonical_rows.rows("true", []))
    run("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET extra_float_digits = -3")
    assert list(canonical_rows.rows("true", [])) == before


# --- tampering --------------------------------------------------------------------------------------------


def any_id(chance: random.Random) -> int:
    return chance.choice(list(AuditLog.objects.values_list("id", flat=True)))


def edit(chance: random.Random) -> None:
    column, value = chance.choice(
        [
            ("username", "'bob'"),
            ("timestamp", "timestamp + interval '1 microsecond'"),
            ("ip_address", "'10.0.0.8'"),
            ("ip_address", "CASE WHEN ip_address IS NULL THEN '::1'::inet END"),
            ("action", "action || ' '"),
            ("resource_type", "'anomalie'"),
            ("resource_id", "gen_random_uuid()"),
            ("old_values", """coalesce(old_values, '{}') || '{"status": "investigating"}'"""),
            ("new_values", """coalesce(new_values, '{}') || '{"x": null}'"""),
            ("metadata", "metadata - 'database_user'"),
        ]
    )
    owner(f"UPDATE audit_log SET {column} = {value} WHERE id = %s", any_id(chance))


def remove(chance: random.Random) -> None:
    owner("DELETE FROM audit_log WHERE id = %s", any_id(chance))


def remove_all(chance: random.Random) -> None:
    owner("DELETE FROM audit_log")


def exchange(chance: random.Random) -> None:
    one, other = chance.sample(list(AuditLog.objects.values_list("id", flat=True)), 2)
    owner("UPDATE audit_log SET id = -id WHERE id = ANY (%s)", [one, other])
    owner(f"UPDATE audit_log SET id = CASE id WHEN -{one} THEN {other} ELSE {one} END WHERE id < 0")


def move(chance: random.Random) -> None:
    owner("UPDATE audit_log SET id = id + 1000000 WHERE id = %s", any_id(chance))


def edit_seal(chance: random.Random) -> None:
    column, value = chance.choice(
        [
            ("made_at", "made_at - interval '1 second'"),
            ("rows", "rows + 1"),
            ("settled", "settled + 1"),
            ("seen", "seen || '0'"),
            ("digest", "md5(digest) || md5(digest)"),
            ("row_hashes", "row_hashes || row_hashes"),
            ("guard", "md5(guard) || md5(guard)"),
            ("former", "md5(former) || md5(former)"),
            ("key", "left(md5(key), 16)"),
            ("signature", "repeat(md5(signature), 4)"),
            ("head", "md5(head) || md5(head)"),
            ("ids", "ids + '{[5000000,5000001)}'"),
            ("number", "number + 100"),
        ]
    )
    owner(f"UPDATE audit_seals SET {column} = {value} WHERE number = %s", chance.randint(1, 3))


def remove_seal(chance: random.Random) -> None:
    owner("DELETE FROM audit_seals WHERE number = %s", chance.randint(1, 2))


def exchange_seals(chance: random.Random) -> None:
    one, other = chance.sample([1, 2, 3], 2)
    owner("UPDATE audit_seals SET number = -number WHERE number = ANY (%s)", [one, other])
    number = f"CASE number WHEN -{one} THEN {other} ELSE {one} END"
    owner(f"UPDATE audit_seals SET number = {number} WHERE number < 0")


def reseal(chance: random.Random) -> None:
    """Edit a row and seal it again, with a key of one's own."""
    edit(chance)
    number = chance.randint(1, 3)
    each = AuditSeal.objects.get(number=number)
    entries = list(
        canonical_rows.rows(
            "id = ANY (%s)", [[n for part in each.ids for n in range(part.lower, part.upper)]]
        )
    )
    each.row_hashes = b"".join(map(canonical_rows.row_hash, entries))
    stranger = Ed25519PrivateKey.generate()
    statement = canonical_rows.statement_of(each)
    owner(
        "UPDATE audit_seals SET row_hashes = %s, signature = %s, head = %s WHERE number = %s",
        each.row_hashes,
        stranger.sign(statement).hex(),
        canonical_rows.head_of(statement),
        number,
    )


def unguard(chance: random.Random) -> None:
    run(
        chance.choice(
            [
                "ALTER TABLE anomalies DISABLE TRIGGER audit_anomalies_update",
                "ALTER TABLE anomalies ENABLE REPLICA TRIGGER audit_anomalies_delete",
                "ALTER TABLE audit_log DISABLE TRIGGER ALL",
                "DROP TRIGGER audit_anomalies_insert ON anomalies",
                "DROP TRIGGER audit_auth_user ON auth_user",
                "ALTER FUNCTION audit_anomaly_update() SECURITY INVOKER",
                "ALTER FUNCTION audit_anomaly_update() SET search_path = x",
                "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql "
                "SECURITY DEFINER "
                "SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN RETURN NULL; END $$",
                "CREATE TRIGGER aaa BEFORE UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION next_version()",
                "CREATE RULE quiet AS ON INSERT TO audit_log DO INSTEAD NOTHING",
            ]
        )
    )


def cut_the_tail(chance: random.Random) -> None:
    """The newest seal and its rows: only a head that is kept elsewhere tells."""
    owner("DELETE FROM audit_log WHERE id <@ (SELECT ids FROM audit_seals WHERE number = 3)")
    owner("DELETE FROM audit_seals WHERE number = 3")


KINDS: list[Callable[[random.Random], None]] = [
    edit,
    edit,
    edit,
    remove,
    remove_all,
    exchange,
    move,
    edit_seal,
    edit_seal,
    remove_seal,
    exchange_seals,
    reseal,
    unguard,
    cut_the_tail,
]


def tampered(kind: Callable[[random.Random], None], chance: random.Random, head: str) -> Verdict:
    with transaction.atomic():
        kind(chance)
        verdict = verify([head])
        transaction.set_rollback(True)
    return verdict


def test_a_thousand_random_tamperings_are_all_found(sealed):
    chance = random.Random(20261123)
    head = verify().head
    missed = []
    for number in range(TAMPERINGS):
        kind = chance.choice(KINDS)
        if tampered(kind, chance, head).is_sound:
            missed.append((number, kind.__name__))
    assert missed == []
    assert verify([head]).is_sound


def test_an_edited_row_is_named(sealed):
    victim = any_id(random.Random(1))
    owner("UPDATE audit_log SET username = 'bob' WHERE id = %s", victim)
    assert verify().problems[0].startswith(f"entry {victim} was edited (seal ")


def test_the_first_row_that_is_gone_is_named_first(sealed):
    first = AuditLog.objects.earliest("id").pk
    owner("DELETE FROM audit_log WHERE id <= %s", first + 2)
    assert verify().problems[0] == f"entry {first} was removed (seal 1)"


def test_a_seal_that_is_gone_is_named(sealed):
    owner("DELETE FROM audit_seals WHERE number = 2")
    assert verify().problems[0] == "seal 2 is missing: the next one there is 3"


def test_a_seal_of_a_number_below_the_first_is_named(sealed):
    owner("UPDATE audit_seals SET number = 0 WHERE number = 1")
    assert verify().problems[0] == "seal 1 is missing: the next one there is 0"


@pytest.mark.parametrize("digit", ["0", "f"])
def test_a_seal_whose_head_or_place_was_edited_is_named(sealed, digit):
    owner("UPDATE audit_seals SET former = %s WHERE number = 2", digit * 64)
    edited = "seal 2 was edited: its head is not the hash of what it says"
    assert verify().problems[:2] == (
        "seal 2 does not follow seal 1: one stands in another's place",
        edited,
    )
    owner("UPDATE audit_seals SET head = %s WHERE number = 2", digit * 64)
    assert edited in verify().problems


def test_a_seal_that_settles_less_than_the_one_before_it_is_named(sealed):
    owner("UPDATE audit_seals SET settled = 1000000000 WHERE number = 2")
    said = [each for each in verify().problems if "settles" in each]
    assert said == ["seal 3 settles less than the seal before it"]
    owner("UPDATE audit_seals SET settled = 2000000000 WHERE number = 3")
    assert not any("settles" in each for each in verify().problems)


def test_a_kept_head_is_looked_for_in_either_case():
    there = [SimpleNamespace(head="ab"), SimpleNamespace(head="cd")]
    assert list(verification._head_problems(there, ["AB", "cd"])) == []
    (said,) = verification._head_problems(there, ["AB", "ef"])
    assert said.startswith("the kept head ef is not in the chain")


@pytest.mark.parametrize(
    ("sealed_guards", "problems"), [([], 0), (["old", "new"], 0), (["new", "old"], 1), (["a"], 1)]
)
def test_the_guards_are_compared_with_those_of_the_last_seal(sealed_guards, problems, monkeypatch):
    monkeypatch.setattr(verification, "differences", list)
    monkeypatch.setattr(verification, "fingerprint", lambda: "new")
    seals = [SimpleNamespace(guard=each) for each in sealed_guards]
    assert len(list(verification._guard_problems(seals))) == problems


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_is_committed_during_a_verification_is_not_looked_at(monkeypatch):
    decisions(1)
    seal()
    statement = "INSERT INTO audit_log (username, action, resource_type) VALUES ('x', 'y', 'z')"

    def all_seals(cursor):
        yield from seal_rows.all_seals(cursor)
        other.cursor().execute(statement)

    with closing(connections.create_connection("default")) as other:
        monkeypatch.setattr(verification, "all_seals", all_seals)
        assert [verify().unsealed, verify().unsealed] == [0, 1]


def test_a_key_that_is_not_known_is_said_to_be(sealed, settings):
    settings.SEAL_KEY = new_key()
    assert "is signed with the unknown key" in verify().problems[0]


def test_a_tail_that_was_cut_is_found_by_a_head_that_was_kept(sealed):
    head = verify().head
    cut_the_tail(random.Random(1))
    assert verify().is_sound  # this is what a head is kept for
    assert "is not in the chain" in verify([head]).problems[0]


def test_any_former_head_is_in_the_chain(sealed):
    heads = list(AuditSeal.objects.values_list("head", flat=True))
    assert verify(heads).is_sound


def test_keys_can_be_exchanged(sealed, settings):
    former = load_pem_private_key(settings.SEAL_KEY.encode(), None).public_key()
    settings.SEAL_KEY = new_key()
    settings.SEAL_PUBLIC_KEYS = former.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    decisions(1)
    seal()
    assert verify().is_sound


# --- the command ------------------------------------------------------------------------------------------


def test_the_command_seals_tells_the_head_and_verifies(db, capsys, tmp_path):
    decisions(2)
    call_command("audit", "seal")
    call_command("audit", "head")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == printed[1] and printed[0].startswith("1 ")
    (tmp_path / "heads").write_text(printed[0])
    call_command("audit", "verify", "--head", str(tmp_path / "heads"))
    assert capsys.readouterr().out == ""


def test_the_command_names_what_is_wrong_and_ends_with_1(sealed, capsys):
    owner("DELETE FROM audit_log WHERE id = %s", any_id(random.Random(1)))
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "verify")
    assert ended.value.code == 1 and "was removed" in capsys.readouterr().out


def test_a_head_that_is_none_is_refused(db):
    with pytest.raises(CommandError, match="holds no head"):
        call_command("audit", "verify", "--head", "abc")


def test_without_a_key_it_is_said_how_to_have_one(db, settings):
    settings.SEAL_KEY = ""
    for verb in ("seal", "verify"):
        with pytest.raises(CommandError, match="no key to"):
            call_command("audit", verb)


@pytest.mark.parametrize("text", ["x", "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----"])
def test_a_key_that_is_none_is_said_to_be(db, settings, text):
    settings.SEAL_KEY = text
    with pytest.raises(KeyProblem, match="holds no private key"):
        seal()


def test_a_key_is_for_its_owner_only_and_never_overwritten(tmp_path):
    call_command("audit", "keygen", str(tmp_path / "key"))
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="never overwritten"):
        call_command("audit", "keygen", str(tmp_path / "key"))


def test_ids_are_written_as_ranges():
    ids = Multirange([Range(1, 5), Range(7, 8)])
    assert canonical_rows.ids_as_text(ids) == "1-4,7-7"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True, databases=["default"])
def test_the_chain_goes_on_after_a_backup_and_a_restore(key, tmp_path, monkeypatch, django_db_blocker):
    monkeypatch.setenv("DRIFTLOCK_SEAL_KEY", key)
    decisions(2)
    seal()
    head = verify().head
    call_command("backup", str(tmp_path / "dump"), stderr=io.StringIO())
    with django_db_blocker.unblock(), database("restored") as restored:
        call_command("restore", str(tmp_path / "dump"), database="restored", stderr=io.StringIO())
        name = restored.settings_dict["NAME"]
        for verb in (["verify", "--head", head], ["seal"], ["verify"]):
            process = manage("audit", *verb, database=name)
            printed, said = process.communicate(timeout=600)
            assert process.returncode == 0, (printed, said)
