"""The bytes under every hash and signature: what was sealed by a former version must verify for ever."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

from anomalies.audit import canonical_rows
from anomalies.models import AuditSeal

SEAL = AuditSeal(
    number=1,
    made_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    ids=Multirange([Range(1, 5), Range(7, 8)]),
    rows=5,
    settled=0,
    seen="7:1:2:7",
    digest="d",
    row_hashes=b"12345678" * 5,
    guard="é",
    former=canonical_rows.NOTHING,
    key="k",
)
STATEMENT = (
    '{"digest":"d",'
    '"former":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"guard":"\\u00e9","ids":"1-4,7-7","key":"k","made_at":"2026-01-02T03:04:05.000678Z","number":1,'
    '"row_hashes":"'
    + hashlib.sha256(b"12345678" * 5).hexdigest()
    + '","rows":5,"seen":"7:1:2:7","settled":0}'
)


def test_a_statement_is_these_bytes():
    assert canonical_rows.statement_of(SEAL).decode() == STATEMENT


def test_a_head_is_the_sha_256_of_the_statement():
    # FIPS 180-2, appendix B.1.
    assert canonical_rows.head_of(b"abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_of_a_row_the_first_eight_bytes_of_its_sha_256_are_kept():
    assert canonical_rows.row_hash(b"abc").hex() == "ba7816bf8f01cfea"


def test_a_moment_is_written_in_utc_to_the_microsecond():
    there = timezone(timedelta(hours=1))
    assert canonical_rows.moment(datetime(2026, 1, 1, 0, 30, tzinfo=there)) == "2025-12-31T23:30:00.000000Z"


@pytest.mark.parametrize(("ids", "text"), [(Range(None, 5), "-4"), (Range(5, None), "5-")])
def test_a_set_without_an_end_is_none_and_written_without_it(ids, text):
    seal = AuditSeal(ids=Multirange([ids]))
    assert (canonical_rows.parts(seal), canonical_rows.ids_as_text(seal.ids)) == (None, text)
