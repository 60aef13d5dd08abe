"""The pattern of an anomaly as the database computes it: the odd text, masked, per stream and source."""

from __future__ import annotations

import json

import pytest
from django.db import connection

from anomalies.models import Anomaly
from tests.support.databases import run
from tests.support.factories import make_anomaly

pytestmark = pytest.mark.django_db

LINES = [
    {"line": 7, "text": "usual", "bits": 1, "odd": False},
    {"line": 8, "text": "first odd 8", "bits": 50, "odd": True},
    {"line": 1234, "text": "second odd 9", "bits": 90, "odd": True},
]


def template(explanation: str | None, window: object = None, metadata: object = None) -> str | None:
    values = [explanation, *(None if each is None else json.dumps(each) for each in (window, metadata))]
    with connection.cursor() as cursor:
        cursor.execute("SELECT anomaly_template(%s, %s, %s)", values)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("process 4711 waits", "process # waits"),
        ("took 12 ms", "took #"),
        ("took 1.5s", "took #"),
        ("user42 on db1", "user# on db#"),
        ("blk_-1608999687919862906 lost", "blk_# lost"),
        ("request 7fGh29Kx failed", "request # failed"),
        ("commit deadbeefcafe done", "commit # done"),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301 gone", "id # gone"),
        ("from 10.0.0.1:5432 refused", "from # refused"),
        ("from fe80::1ff:fe23:4567:890a refused", "from # refused"),
        ("2026-11-28T13:21:10.5Z web: down", "web: down"),
        ("2026-11-28 13:21:10.123 UTC [4711] shop@web LOG: down", "shop@web LOG: down"),
        ("UTCOFFSET is wrong", "UTCOFFSET is wrong"),
        ("Nov 28 13:21:10 combo su[12]: down", "combo su[#]: down"),
        ("[Sun Dec 04 04:47:44 2005] [error] down", "[error] down"),
        ("10.0.0.1 - - [20/Nov/2026:10:19:12 +0000] GET /", "GET /"),
        ("a\tb   c", "a b c"),
        ("17", "#"),
        ("", ""),
        ("facade of a decade", "facade of a decade"),
        ("пользователь 5 вышел", "пользователь # вышел"),
    ],
)
def test_what_varies_is_masked(text, masked):
    assert template(text) == masked


def test_only_the_first_line_of_an_explanation_without_a_quoted_line_counts():
    assert template("cpu 97 % (line 5); usual 3\nNovelty 0.9") == "cpu # %"


def test_a_sentence_about_lines_like_one_keeps_its_words():
    said = "“served 12 requests” and lines like it: 20 of 60 (line 7; lines 1 to 7); usual 14"
    assert template(said, LINES) == "“served # requests” and lines like it: # of #"


@pytest.mark.parametrize(
    ("explanation", "metadata", "found"),
    [
        ("“second…” (line 1,234); nothing like it before.", None, "second odd #"),
        ("“second…” came 3 times; nothing like it.", {"odd_line": 1234}, "second odd #"),
        ("“second…” came 3 times; nothing like it.", None, "first odd #"),
        ("“second…” (line 1); “x” (line ,5)", None, "first odd #"),
        ("“second…” (line 99); nothing like it.", {"odd_line": "99"}, "first odd #"),
        ("For review: “second…” (record 1,234 (line 1)); nothing.", None, "second odd #"),
        ("“x” where “y” is usual: second… (line 1,234, 2 times).", None, "second odd #"),
    ],
)
def test_the_quoted_line_is_read_from_the_evidence(explanation, metadata, found):
    assert template(explanation, LINES, metadata) == found


@pytest.mark.parametrize(
    "window", [None, [], {}, "text", ["a", 1], [{"line": 8}], [{"odd": True, "text": 5}]]
)
def test_a_quote_without_evidence_counts_as_it_is_quoted(window):
    assert template("“lost client 5” (line 8); nothing like it.", window) in ("“lost client #”", "#")


def test_a_long_line_counts_by_its_beginning():
    assert template("x" * 5000) == "x" * 400


@pytest.mark.parametrize(
    ("metadata", "source"),
    [
        ({"service": "web", "file": "a.log", "host": "h"}, "web"),
        ({"service.name": "web", "host": "h"}, "web"),
        ({"file": "a.log", "host": "h"}, "a.log"),
        ({"host": "web1"}, "web1"),
        ({"service": " ", "host": "web1"}, "web1"),
        ({"service": {"name": "x"}, "file": 5, "host": "web1"}, "web1"),
        ({"file": "/var/log/app.log.3.gz"}, "/var/log/app.log"),
        ({"file": "app-2026-11-28.log"}, "app.log"),
        ({"file": "app-20261128.log"}, "app.log"),
        ({"file": ".gz"}, ".gz"),
        ({"service": "x" * 300}, "x" * 255),
        ([], ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_the_source_is_the_service_else_the_file_else_the_host(metadata, source):
    make_anomaly(metadata=metadata)
    assert Anomaly.objects.get().source == source


def key(**values: object) -> object:
    anomaly = make_anomaly(**values)
    return Anomaly.objects.values_list("pattern", flat=True).get(pk=anomaly.pk)


ONE = {"glass_box_explanation": "process 1 lost", "metadata": {"service": "web", "host": "a"}}


def test_a_pattern_has_the_same_key_in_every_database():
    assert (
        str(key(**ONE))
        == str(run("SELECT anomaly_pattern_key('logs', 'web', 'process # lost')")[0][0])
        == "2e6458fa-128f-aa6b-b62c-dafc7629d749"
    )


def test_what_varies_and_the_host_make_no_other_pattern():
    other = {"glass_box_explanation": "process 22 lost", "metadata": {"service": "web", "host": "b"}}
    assert key(**ONE) == key(**other)


@pytest.mark.parametrize(
    "other",
    [
        {"stream_type": "traces"},
        {"metadata": {"service": "shop"}},
        {"glass_box_explanation": "process 1 found"},
    ],
)
def test_another_stream_source_or_text_is_another_pattern(other):
    assert key(**ONE) != key(**ONE | other)


def test_the_pattern_follows_the_explanation_and_nobody_else_can_set_it():
    first, second = key(**ONE), key(**ONE | {"glass_box_explanation": "found"})
    run("UPDATE anomalies SET glass_box_explanation = 'found', pattern = gen_random_uuid(), source = 'x'")
    assert set(Anomaly.objects.values_list("pattern", "source")) == {(second, "web")}
    assert first != second


def test_an_update_that_refuses_a_value_still_names_the_rule():
    with pytest.raises(Exception, match="glass_box_explanation"):
        make_anomaly(glass_box_explanation=None)
