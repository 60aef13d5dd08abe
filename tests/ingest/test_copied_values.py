"""Values of a copied row that a new line may not have: times beyond Python's, nested tags."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import cast

import pytest

from anomalies.ingest.binary_copy import encoder
from anomalies.ingest.copied_values import OTHER_TIME, microseconds, shape
from anomalies.ingest.rows import Row, read_row
from anomalies.ingest.validation_errors import Misfit

COPY = (
    '{"id":"00000000-0000-4000-8000-000000000001","timestamp":%s,"stream_type":"logs","ncd_score":0.5,'
    '"p_value":0.5,"glass_box_explanation":"x","compression_baseline":1,"compression_window":1,'
    '"compression_combined":1,"confidence_level":0.5,"created_at":"2026-01-01T00:00:00Z",'
    '"updated_at":"2026-01-01T00:00:00Z","tags":%s}'
)
TIME = '"2026-01-01T00:00:00Z"'


def time_of(text: str) -> int:
    match = OTHER_TIME.fullmatch(f'"{text}"'.encode())
    assert match
    return microseconds(match)


# As PostgreSQL has them: extract(epoch FROM the time) less that of 2000-01-01, in microseconds.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10000-01-01T00:00:00+00:00", 252_455_616_000_000_000),
        ("0001-12-31T00:00:00+00:00 BC", -63_082_368_000_000_000),
        ("4714-11-24T00:00:00+00:00 BC", -211_813_488_000_000_000),
        ("294276-12-31T23:59:59.999999+00:00", 9_223_371_331_199_999_999),
    ],
)
def test_a_time_is_counted_in_microseconds_as_postgresql_does(text, value):
    assert time_of(text) == value


@pytest.mark.parametrize("text", ["2021-02-29T00:00:00+00:00", "294277-01-01T00:00:00+00:00"])
def test_a_time_that_postgresql_cannot_hold_is_refused_by_its_field(text):
    with pytest.raises(Misfit) as refused:
        read_row((COPY % (f'"{text}"', "[]")).encode())
    assert refused.value.field == "timestamp"


@pytest.mark.parametrize("tags", ['[["a"],["b","c"]]', '[["a"],"b"]', "[[]]", "[[1]]", '[{"a":null}]'])
def test_tags_that_are_no_array_of_postgresql_are_refused_by_their_field(tags):
    with pytest.raises(Misfit) as refused:
        read_row((COPY % (TIME, tags)).encode())
    assert str(refused.value.field).startswith("tags")


def test_an_array_has_its_lengths_by_dimension():
    assert shape([["a", None], ["b", "c"]]) == ([2, 2], ["a", None, "b", "c"])
    assert shape([]) == ([], [])


def test_a_new_line_may_not_have_an_infinite_time():
    line = (COPY % ('"infinity"', "[]")).replace('"id":"00000000-0000-4000-8000-000000000001",', "")
    with pytest.raises(Misfit):
        read_row(line.encode())


@pytest.mark.parametrize("tags", [["db"], ["db", "größe", ""]])
def test_a_list_of_texts_is_encoded_as_an_array_of_its_shape_is(tags):
    encode = encoder(["tags"])
    plain, with_null = (encode(cast(Row, SimpleNamespace(tags=each))) for each in (tags, [*tags, None]))
    texts = b"".join(struct.pack(">i", len(tag.encode())) + tag.encode() for tag in tags)
    assert plain[2:] == struct.pack(">iiiiii", 20 + len(texts), 1, 0, 25, len(tags), 1) + texts
    assert (
        with_null[2:]
        == struct.pack(">iiiiii", 24 + len(texts), 1, 1, 25, len(tags) + 1, 1) + texts + b"\xff" * 4
    )
