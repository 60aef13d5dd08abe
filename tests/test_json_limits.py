"""The limits of JSON and tags: the rule, the inputs that apply it, and the settings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from anomalies.admin.config import BoundedJSONField
from anomalies.ingest.rows import look_closer, read_row
from anomalies.ingest.validation_errors import Misfit
from anomalies.json_limits import LimitError, deeper_than, key_deeper_than, loads
from anomalies.queries.search.fields import ContainmentField
from tests.ingest.test_json_lines import with_raw

# --- Depth, before any parser ---------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [63, 64, 65, 1500, 100_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"a":', "}"), ("[", ""), ('[{"]":', "}]")])
def test_depth_is_counted_in_brackets(levels, opened, closed):
    each = opened.count("[") + opened.count("{")
    text = (opened * (levels // each) + "[" * (levels % each) + closed * (levels // each)).encode()
    assert deeper_than(text, 64) == (levels > 64)


@pytest.mark.parametrize(
    "text", ['"' + "[" * 100 + '"', '["' + '\\"[' * 100 + '"]', '["\\\\", "' + "{" * 100 + '"]', "[]" * 1000]
)
def test_brackets_in_strings_and_side_by_side_are_not_deep(text):
    assert not deeper_than(text.encode(), 64)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


text_with_signs = st.text(alphabet='[]{}"\\:,a é')
any_json = st.recursive(
    st.none() | st.integers() | text_with_signs,
    lambda inner: st.lists(inner) | st.dictionaries(text_with_signs, inner),
)


@given(any_json, st.booleans(), st.integers(0, 6))
def test_the_depth_of_json_is_that_of_its_value(value, ascii_only, levels):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert deeper_than(text.encode(), levels) == (depth_of(value) > levels)


@given(st.text(alphabet='[{]}"\\ a', max_size=60), st.integers(0, 6))
def test_no_parser_gets_deeper_than_the_scan_whatever_it_is_given(text, levels):
    inside = escaped = False
    depth = deepest = 0
    for sign in text:
        if inside:
            inside, escaped = (sign != '"' or escaped), (sign == "\\" and not escaped)
        elif sign == "\\":
            break  # no JSON from here on
        elif sign == '"':
            inside, escaped = True, False
        else:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0)
            deepest = max(deepest, depth)
    assert deepest <= levels or deeper_than(text.encode(), levels)


@pytest.mark.parametrize("key", ["a", "metadata", 'with \\" [ quote', ""])
def test_the_key_under_which_it_is_too_deep_is_named(key):
    text = f'{{"x": ["y"], "z": {{"w": 1}}, "{key}" : {"[" * 70}'
    assert key_deeper_than(text.encode(), 65) == key


def test_outside_of_an_object_no_key_is_named():
    assert key_deeper_than(b"[" * 70, 65) is None


# --- One rule for every input ---------------------------------------------------------------------------

TAKEN = [
    "9" * 4000,
    "-" + "9" * 3999,
    "1.7976931348623157e308",
    "1e-16383",
    "5e-324",
    "1e22",
    "-0",
    "0e5",
    "[" * 63 + "1" + "]" * 63,
    '"\\ud83d\\ude00"',
    '"\\\\u0000"',
    '"\\\\ud800"',
    '{"a": 1, "a": 2}',
    "null",
]
REFUSED = {
    "1e400": "too large",
    "-1e400": "too large",
    "9" * 4001: "4,000 digits",
    "-" + "9" * 5000: "4,000 digits",
    "1" * 400 + ".5": "too large",
    "1e-16384": "16,383 digits",
    "1e-99999999999": "16,383 digits",
    "1." + "1" * 16_384: "16,383 digits",
    "[" * 64 + "]" * 64: "64 levels",
    '{"a":' * 1500 + "1" + "}" * 1500: "64 levels",
    "[" * 100_000: "64 levels",
    '"\\ud800"': "half a character",
    '"\\ude00\\ud83d"': "half a character",
    '{"\\udfff": 1}': "half a character",
    '"\\u0000"': "NUL",
    '"\\\\\\u0000"': "NUL",
    '{"\\u0000": 1}': "NUL",
    "NaN": "NaN",
    "-Infinity": "Infinity",
    "[1,]": "is no JSON",
    "'a'": "is no JSON",
    '"\0"': "is no JSON",
    "": "is no JSON",
}


def by_the_rule(text: str) -> None:
    loads(text, 200_000)


def by_a_line(text: str) -> None:
    look_closer(read_row(with_raw("metadata", text)))


def by_the_filter(text: str) -> None:
    ContainmentField().clean(text)


def by_the_form(text: str) -> None:
    BoundedJSONField().clean(text)


INPUTS = [by_the_rule, by_a_line, by_the_filter, by_the_form]


@pytest.mark.parametrize("take", INPUTS)
@pytest.mark.parametrize("raw", TAKEN, ids=lambda raw: raw[:20])
def test_what_is_within_the_limits_is_accepted_by_every_input(take, raw):
    take(f'{{"a": {raw}}}')


@pytest.mark.parametrize("take", INPUTS)
@pytest.mark.parametrize("raw", REFUSED, ids=lambda raw: raw[:20])
def test_what_is_beyond_them_is_refused_by_every_input(take, raw):
    with pytest.raises((LimitError, Misfit, ValidationError)):
        take(f'{{"a": {raw}}}')


@pytest.mark.parametrize(("raw", "words"), REFUSED.items(), ids=[raw[:20] for raw in REFUSED])
def test_the_reason_is_said(raw, words):
    with pytest.raises(LimitError, match=words):
        by_the_rule(f'{{"a": {raw}}}')


def test_half_a_character_is_refused_however_it_comes():
    with pytest.raises(LimitError, match="half a character"):
        loads('{"a": "\ud800"}')


@pytest.mark.django_db
@pytest.mark.parametrize("raw", TAKEN, ids=lambda raw: raw[:20])
def test_postgresql_keeps_what_is_within_the_limits_and_it_comes_back_within_them(raw):
    with connection.cursor() as cursor:
        cursor.execute("SELECT (%s::jsonb)::text", [raw])
        kept, given = loads(cursor.fetchone()[0]), json.loads(raw)
    assert kept == given or float(kept) == given  # 1e22 comes back as a whole number


# --- Sizes, by setting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"metadata": '"' + "x" * 99 + '"'}, "metadata has 101 bytes of JSON; the limit is 100"),
        ({"tags": '["a", "b", "c"]'}, "tags are 3; the limit is 2"),
        ({"tags": '["é", "€€€€€€"]'}, "tags hold one of 6 characters; the limit is 5"),
    ],
)
def test_the_settings_bound_what_a_line_holds(settings, over, said):
    settings.INGEST_MAX_JSON_BYTES, settings.INGEST_MAX_TAGS, settings.INGEST_MAX_TAG_LENGTH = 100, 2, 5
    [(key, raw)] = over.items()
    with pytest.raises(Misfit) as misfit:
        read_row(with_raw(key, raw))
    assert said in f"{misfit.value.field} {misfit.value.reason}"


def test_what_is_just_as_large_as_allowed_is_taken(settings):
    settings.INGEST_MAX_JSON_BYTES, settings.INGEST_MAX_TAGS, settings.INGEST_MAX_TAG_LENGTH = 100, 2, 5
    read_row(with_raw("metadata", '"' + "x" * 98 + '"'))
    read_row(with_raw("tags", '["aaaaa", "€é"]'))
