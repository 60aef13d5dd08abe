"""Masks: what is personal or secret is replaced, and nothing beside it."""

import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from anomalies.detection.events import Event
from anomalies.ingest.acknowledged_events import acknowledged_of
from anomalies.ingest.rows import read_row
from anomalies.privacy.masks import BUILT_IN, compiled, masked, masked_json
from tests.support.factories import anomaly_values, make_anomaly

ALL = compiled(BUILT_IN, "customer = KD-\\d{6}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mail from jane.doe+x@mail.example.org.", "mail from [masked email]."),
        ("<jürgen@müller.de> ok", "<[masked email]> ok"),
        ("10.0.0.5:8080 connected", "[masked ip]:8080 connected"),
        ("for 10.1.2.3, 10.1.2.4.", "for [masked ip], [masked ip]."),
        ("[2001:db8::ff00:42:8329]:443", "[[masked ip]]:443"),
        ("::ffff:10.0.0.1 and fe80::1%eth0", "[masked ip] and [masked ip]%eth0"),
        ("paid with 4111 1111 1111 1111", "paid with [masked card]"),
        ("to DE89 3704 0044 0532 0130 00 and GB29NWBK60161331926819", "to [masked iban] and [masked iban]"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [masked secret]"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt [masked secret]"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [masked secret]"),
        ("order of KD-123456", "order of [masked customer]"),
    ],
)
def test_what_a_mask_is_for_is_replaced_by_its_name(text, shown):
    assert masked(text, ALL) == shown


@pytest.mark.parametrize(
    "text",
    [
        "at 12:30:05 in 00:11:22:33:44:55",
        "std::string a::b Foo::bar ::",
        "version 1.2.3.4.5 or v10.0.0.1",
        "300.1.2.3 is no address",
        "card 4111 1111 1111 1112, order 1234567890123, 0000000000000000",
        "DE00 3704 0044 0532 0130 00",
        "user@host and @mention",
        "KD-12345",
    ],
)
def test_what_only_looks_like_it_stays(text):
    assert masked(text, ALL) == text


def test_json_keeps_everything_but_its_strings_as_it_is_written():
    text = b'{"a\\u0040b.example": ["\\"10.0.0.1\\"", 1e400, 1.10, -0, null], "k":  "\xc3\xa9"}'
    assert masked_json(text, ALL) == (
        b'{"[masked email]": ["\\"[masked ip]\\"", 1e400, 1.10, -0, null], "k":  "\xc3\xa9"}'
    )


@pytest.mark.parametrize(
    ("names", "own", "why"),
    [
        (
            ["mail"],
            "",
            "DRIFTLOCK_MASK has the unknown mask 'mail'; it can have email, ip, card, iban, secret.",
        ),
        ([], "customer", "DRIFTLOCK_MASK_PATTERNS has 'customer'; write a name"),
        ([], "Kunde = x", "DRIFTLOCK_MASK_PATTERNS has 'Kunde = x'; write a name"),
        ([], "customer = (", "DRIFTLOCK_MASK_PATTERNS, customer: missing )"),
        ([], "customer = x*", "customer: the expression matches an empty text"),
    ],
)
def test_a_wrong_mask_is_named(names, own, why):
    with pytest.raises(ImproperlyConfigured) as error:
        compiled(names, own)
    assert why in str(error.value)


# --- rows -------------------------------------------------------------------------------------------------


def line(**columns):
    return json.dumps(anomaly_values(timestamp="2026-11-23T12:00:00Z", **columns)).encode()


@pytest.fixture
def masks(settings):
    settings.MASK, settings.MASK_PATTERNS = ["email", "ip"], ""


def test_every_text_of_a_row_is_masked_but_the_names_of_machines(masks):
    said = "jane@example.org from 10.0.0.5"
    row = read_row(
        line(
            glass_box_explanation=said,
            detailed_explanation=said,
            notes=said,
            tags=["ok", said],
            window_data=[{"line": 1, "text": said}],
            baseline_data=[said],
            metadata={"host": "10.0.0.1", "client": "10.0.0.5", "at": [said]},
        )
    )
    shown = "[masked email] from [masked ip]"
    assert (row.glass_box_explanation, row.detailed_explanation, row.notes) == (shown, shown, shown)
    assert row.tags == ["ok", shown]
    assert json.loads(bytes(row.window_data)) == [{"line": 1, "text": shown}]
    assert json.loads(bytes(row.baseline_data)) == [shown]
    assert json.loads(bytes(row.metadata)) == {"host": "10.0.0.1", "client": "[masked ip]", "at": [shown]}


def test_a_row_has_the_same_id_with_masks_and_without(settings):
    text = line(glass_box_explanation="jane@example.org")
    before = read_row(text).id
    settings.MASK = ["email"]
    assert read_row(text).id == before


def test_columns_that_are_not_given_stay_so(masks):
    row = read_row(line(tags=None, window_data=None, metadata=None))
    assert (row.tags, bytes(row.window_data), bytes(row.metadata)) == (None, b"", b"")


@pytest.mark.django_db
def test_an_acknowledged_line_that_was_masked_is_known_by_its_number_alone():
    make_anomaly(
        status="acknowledged",
        metadata={"detector": "driftlock", "file": "a.log", "first_line": 3, "last_line": 4},
        window_data=[{"line": 3, "text": "from [masked ip]"}, {"line": 4, "text": "plain"}],
    )
    known = acknowledged_of("logs", "a.log", None)
    assert known.holds(Event(3, "from 10.0.0.5", None))
    assert not known.holds(Event(4, "another log's line", None))
