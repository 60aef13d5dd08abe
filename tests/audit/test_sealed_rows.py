"""Entries against seals, without a database: which entry or seal is named, and which is not."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.audit import canonical_rows
from anomalies.audit.sealed_rows import SealedRows, is_before
from anomalies.models import AuditSeal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(number: int, who: str = "ana", when: datetime = NOON) -> bytes:
    return f"{number}\t{when:%Y-%m-%d %H:%M:%S}+00\t{who}".encode()


def sealed(number: int, *ids: int, made_at: datetime = NOON, drawn: int | None = None, **over) -> AuditSeal:
    """A seal over the entries of these ids."""
    rows = [entry(each) for each in ids]
    values = {
        "number": number,
        "ids": Multirange([Range(each, each + 1) for each in ids]),
        "rows": len(ids),
        "settled": 0,
        "made_at": made_at,
        "seen": "1:1:1" if drawn is None else f"1:1:1:{drawn}",
        "digest": hashlib.sha256(b"".join(row + b"\n" for row in rows)).hexdigest(),
        "row_hashes": b"".join(map(canonical_rows.row_hash, rows)),
    }
    return AuditSeal(**values | over)


def compared(seals: list[AuditSeal], rows: list[bytes]) -> SealedRows:
    hashes = {seal.number: seal.row_hashes for seal in seals}
    return SealedRows(seals, hashes.__getitem__)


def problems(seals: list[AuditSeal], *rows: bytes, drawn: int | None = None) -> list[str]:
    return list(compared(seals, [*rows]).problems(iter(rows), drawn))


def entries(*numbers: int) -> list[bytes]:
    return [entry(number) for number in numbers]


# --- what is sealed ---------------------------------------------------------------------------------------


def test_entries_as_they_were_sealed_are_no_problem_and_later_ones_are_counted():
    seals = [sealed(1, 1, 2, 5), sealed(2, 3, 7)]
    found = compared(seals, [])
    assert list(found.problems(iter(entries(1, 2, 3, 5, 7, 8, 9)), 9)) == []
    assert (found.read, found.unsealed) == (7, 2)


def test_without_a_seal_every_entry_is_unsealed_and_none_an_added_one():
    found = compared([], [])
    assert (list(found.problems(iter(entries(1, 2)), 2)), found.unsealed) == ([], 2)


@pytest.mark.parametrize("gone", [1, 2, 5])
def test_a_removed_entry_is_named_and_none_beside_it(gone):
    rows = entries(*({1, 2, 5} - {gone}))
    assert problems([sealed(1, 1, 2, 5)], *rows) == [f"entry {gone} was removed (seal 1)"]


def test_every_removed_entry_is_named_with_its_seal():
    found = problems([sealed(1, 1, 2), sealed(2, 3, 4)])
    assert found == [f"entry {n} was removed (seal {1 + n // 3})" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("who", "abcdefgh")
def test_an_edited_entry_is_named_and_none_beside_it(who):
    rows = [entry(1), entry(2, who), entry(3)]
    assert problems([sealed(1, 1, 2, 3)], *rows) == ["entry 2 was edited (seal 1)"]


def test_an_entry_in_the_place_of_another_is_one_removed_and_one_unsealed():
    assert problems([sealed(1, 1, 2)], entry(1), entry(3)) == ["entry 2 was removed (seal 1)"]


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_an_edit_that_only_the_digest_shows_is_named(digest):
    words = "an entry of seal 1 was edited: the digest of its entries does not match"
    assert problems([sealed(1, 1, 2, digest=digest)], *entries(1, 2)) == [words]


@pytest.mark.parametrize("says", [1, 3])
def test_a_seal_that_says_another_number_of_entries_is_named(says):
    words = f"seal 1 says {says} entries and covers 2"
    assert problems([sealed(1, 1, 2, rows=says)], *entries(1, 2)) == [words]


def test_an_entry_that_two_seals_cover_is_named():
    both = [sealed(1, 1, 2), sealed(2, 3, ids=Multirange([Range(2, 4)]), rows=2)]
    assert "entry 2 is covered twice, by the seals 1 and 2" in problems(both, *entries(1, 2, 3))


def test_seals_that_touch_or_leave_a_gap_do_not_overlap():
    assert problems([sealed(1, 1, 2), sealed(2, 3), sealed(3, 9)], *entries(1, 2, 3, 9)) == []


def test_a_seal_whose_ids_have_no_end_covers_nothing():
    seals = [sealed(1, 1), sealed(2, 2, ids=Multirange([Range(2, None)]))]
    assert problems(seals, *entries(1, 2)) == []


# --- what was added ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "is_added"), [(3, True), (4, True), (6, False)])
def test_an_entry_up_to_the_settled_id_is_an_added_one(number, is_added):
    seals = [sealed(1, 1, settled=0), sealed(2, 5, settled=4)]
    words = f"entry {number} was added: no seal covers it, and nothing can be committed there"
    found = problems(seals, *sorted(entries(1, number, 5), key=canonical_rows.id_of))
    assert found == ([words] if is_added else [])


@pytest.mark.parametrize(
    ("number", "drawn", "is_drawn"),
    [(-1, 9, False), (0, 9, False), (1, 9, True), (9, 9, True), (10, 9, False), (10, None, True)],
)
def test_an_id_that_the_sequence_never_gave_is_named(number, drawn, is_drawn):
    words = f"entry {number} was added by hand: its id was never drawn from the sequence"
    assert (words in problems([], entry(number), drawn=drawn)) is not is_drawn


# --- times ------------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("number", "when", "is_early"), [(1, -HOUR, False), (2, -HOUR, True), (2, 0 * HOUR, False)]
)
def test_an_entry_numbered_after_a_seal_has_no_earlier_time(number, when, is_early):
    found = problems([sealed(1, drawn=1)], entry(number, when=NOON + when))
    words = f"entry {number} was numbered after seal 1 was made (2026-01-01T12:00:00.000000Z)"
    assert [each.partition(",")[0] for each in found] == ([words] if is_early else [])


def test_the_newest_seal_before_an_entry_is_the_one_that_counts():
    seals = [
        sealed(1, drawn=1),
        sealed(2, drawn=2, made_at=NOON + 2 * HOUR),
        sealed(3, drawn=5, made_at=NOON + 3 * HOUR),
    ]
    rows = [entry(n, when=NOON + HOUR) for n in (1, 2, 3, 6)]
    assert [" ".join(each.split()[:7]) for each in problems(seals, *rows)] == [
        "entry 3 was numbered after seal 2",
        "entry 6 was numbered after seal 3",
    ]


def test_a_seal_that_was_made_when_the_clock_was_set_back_says_nothing_of_times():
    seals = [sealed(1, drawn=1, made_at=NOON), sealed(2, drawn=2, made_at=NOON - 2 * HOUR)]
    assert problems(seals, entry(3, when=NOON - HOUR))[0].startswith("entry 3 was numbered after seal 1")


@pytest.mark.parametrize("seen", ["", "x", "1:2", "1:1:1"])
def test_a_seal_whose_last_drawn_id_is_not_known_says_nothing_of_times(seen):
    assert problems([sealed(1, seen=seen)], entry(2, when=NOON - HOUR)) == []


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("2026-01-01 11:59:59.999999+00", True),
        ("2026-01-01 12:00:00+00", False),
        ("0044-03-15 00:00:00+00 BC", True),
        ("-infinity", True),
        ("infinity", False),
        ("20000-01-01 00:00:00+00", False),
    ],
)
def test_times_are_compared_also_where_python_has_none(text, is_so):
    assert is_before(text.encode(), NOON) is is_so
