"""The ids that a seal states at its time, and what the next one makes of that: without a database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.audit import seals
from anomalies.audit.canonical_rows import HASH_BYTES, head_of, statement_of
from anomalies.audit.seal_rows import Seen, seen_by
from anomalies.audit.seals import is_as_sealed
from anomalies.models import AuditSeal
from tests.audit.test_canonical_rows import SEAL
from tests.support.seals import new_key


def seal(settled: int = 0, upper: int = 10, seen: str = "9:5:5") -> AuditSeal:
    return AuditSeal(settled=settled, ids=Multirange([Range(1, upper)]), seen=seen)


def signed(settings, **over) -> AuditSeal:
    """A seal as the sealer signs it, with these fields edited afterwards."""
    settings.SEAL_KEY = new_key()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seals, "fingerprint", lambda: "the guards")
        rows = [b"1\ta", b"2\tb", b"5\tc"]
        made = seals._signed(1, SEAL.former, rows, 0, Seen(5, 7, 7, 5), SEAL.made_at)
    for name, value in over.items():
        setattr(made, name, value)
    return made


# --- what was seen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seen", "text"), [(Seen(3, 1, 2), "3:1:2"), (Seen(3, 1, 2, 0), "3:1:2:0")])
def test_the_state_of_the_ids_is_written_and_read_back(seen, text):
    assert str(seen) == text
    assert seen_by(SimpleNamespace(number=1, seen=text)) == seen


@pytest.mark.parametrize("text", ["1:2", "1:2:3:4:5", "", "a:b:c"])
def test_a_state_that_was_edited_is_an_error(text):
    with pytest.raises(ValueError):
        seen_by(SimpleNamespace(number=1, seen=text))


# --- what is settled --------------------------------------------------------------------------------------


def test_what_the_seals_settled_is_the_most_of_them_within_the_ids_that_they_cover():
    assert seals._settled_by([]) == 0
    assert seals._settled_by([seal(settled=3), seal(settled=7), seal(settled=2)]) == 7
    assert seals._settled_by([seal(settled=9, upper=10)]) == 9
    assert seals._settled_by([seal(settled=10, upper=10), seal(settled=4)]) == 4
    assert seals._settled_by([seal(settled=12, upper=10)]) == 0


@pytest.mark.parametrize(("oldest", "settled"), [(4, 2), (5, 9), (6, 9)])
def test_a_gap_is_settled_once_every_transaction_of_its_time_has_ended(oldest, settled):
    former = [seal(seen="9:3:5")]
    assert seals._settled(former, 2, Seen(20, oldest, 30)) == settled


def test_what_is_settled_never_goes_back():
    assert seals._settled([seal(seen="3:1:1")], 7, Seen(20, 9, 9)) == 7
    assert seals._settled([], 7, Seen(20, 9, 9)) == 7


# --- the seal itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "ranges"),
    [([], []), ([1], [(1, 2)]), ([1, 2, 3], [(1, 4)]), ([1, 3, 4, 9], [(1, 2), (3, 5), (9, 10)])],
)
def test_ids_become_ranges(ids, ranges):
    assert list(seals._ranges(ids)) == [Range(*each) for each in ranges]


def test_a_seal_says_what_it_covers_and_is_as_sealed(settings):
    made = signed(settings)
    assert (made.number, made.rows, list(made.ids)) == (1, 3, [Range(1, 3), Range(5, 6)])
    assert (made.settled, made.seen, made.guard, len(made.row_hashes)) == (0, "5:7:7:5", "the guards", 24)
    assert is_as_sealed(made)


@pytest.mark.parametrize(
    "edited",
    [
        {"rows": 2},
        {"rows": 4},
        {"row_hashes": b"x" * 24},
        {"row_hashes": b""},
        {"ids": Multirange([Range(1, 4)])},
        {"ids": Multirange([Range(1, None)])},
        {"settled": 1},
        {"seen": "5:7:7"},
        {"seen": "5:7"},
        {"seen": "5:7:7:5:5"},
        {"former": "f" * 64},
        {"guard": "others"},
        {"head": "0" * 64},
        {"head": "f" * 64},
        {"signature": "00" * 64},
        {"key": "unknown"},
    ],
    ids=str,
)
def test_a_seal_that_was_edited_is_not_as_sealed(edited, settings):
    assert not is_as_sealed(signed(settings, **edited))


@pytest.mark.parametrize("seen", ["5:7", "5:7:7:5:5"])
def test_a_seal_with_its_own_head_whose_state_cannot_be_read_does_not_count(seen, settings):
    """The head is that of what it says, and its key is not known: only the state speaks against it."""
    edited = signed(settings, seen=seen, key="unknown")
    edited.head = head_of(statement_of(edited))
    assert not is_as_sealed(edited)
    edited.seen = "5:7:7"
    edited.head = head_of(statement_of(edited))
    assert is_as_sealed(edited)


@pytest.mark.parametrize(
    ("ids", "rows", "hashes", "is_whole"),
    [
        (3, 3, 3, True),
        (2, 3, 3, False),
        (4, 3, 3, False),
        (3, 3, 2, False),
        (3, 3, 4, False),
        (3, 2, 3, False),
    ],
)
def test_a_seal_has_a_hash_for_each_id(ids, rows, hashes, is_whole):
    made = AuditSeal(rows=rows, row_hashes=b"x" * HASH_BYTES * hashes)
    assert seals._has_hashes_of(made, [Range(5, 5 + ids)]) is is_whole


def test_sealing_goes_on_while_batches_are_full_and_counts_their_entries(settings, monkeypatch):
    settings.SEAL_KEY = new_key()
    made = [SimpleNamespace(rows=rows) for rows in (seals.BATCH, seals.BATCH, 3, 5)]
    batches, reported = iter(made), []
    monkeypatch.setattr(seals, "_seal_batch", lambda: next(batches))
    assert seals.seal(reported.append) == 2 * seals.BATCH + 3
    assert reported == made[:3]


def test_a_seal_of_a_key_that_is_not_known_counts_by_its_head(settings):
    made = signed(settings)
    settings.SEAL_KEY = new_key()
    assert is_as_sealed(made)
