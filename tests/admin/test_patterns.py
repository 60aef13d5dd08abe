"""The page of patterns: what is listed, where its counts lead, and how a whole pattern is decided."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog, PatternDelta
from anomalies.triage.undo import undo
from tests.support.factories import NOON, make_anomaly

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
PAGE = "/admin/anomalies/pattern/"


@pytest.fixture
def desk(client, analyst, monkeypatch) -> Client:
    """An analyst's browser, over three anomalies of one pattern and one of another."""
    for number in range(3):
        make_anomaly(glass_box_explanation=f"process {number} lost", metadata={"service": "pay"})
    make_anomaly(glass_box_explanation="disk <full>", status="dismissed", stream_type="metrics")
    monkeypatch.setattr("anomalies.admin.decide.selected.FORM_LIMIT", 2)  # more are frozen in the database
    client.force_login(analyst)
    return client


def listed(desk: Client, query: str = "") -> list[str]:
    """Template, source with stream and hosts, open anomalies and decided share of each row of the list."""
    page = desk.get(PAGE + query).content.decode()
    rows = re.findall(r"<tr>(<td class=\"field-what.*?)</tr>", page, re.DOTALL)
    shown = r'class="template">(.*?)</span>|field-(?:where|open_count|decided)">(.*?)</td>'
    cells = [["".join(found) for found in re.findall(shown, row)] for row in rows]
    return [" ".join(unescape(re.sub(r"<[^>]*>", " ", " ".join(row))).split()) for row in cells]


def link(desk: Client, text: str) -> str:
    """The address behind the first link with this text."""
    return unescape(re.search(rf'<a href="([^"]*)">{text}</a>', desk.get(PAGE).content.decode())[1])


def test_what_has_most_pending_anomalies_comes_first(desk):
    assert listed(desk) == ["process # lost pay logs 3 0%", "disk <full> db1 metrics 0 100%"]


def test_the_list_holds_what_was_stored_a_moment_ago(desk):
    listed(desk)
    make_anomaly(glass_box_explanation="new")
    assert "new db1 logs 1 0%" in listed(desk)
    assert not PatternDelta.objects.exists()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?open=yes", ["process"]),
        ("?open=no", ["disk"]),
        ("?stream_type=metrics", ["disk"]),
        ("?q=LOST", ["process"]),
    ],
)
def test_a_filter_or_a_word_selects_patterns(desk, query, found):
    assert [row.split()[0] for row in listed(desk, query)] == found


def test_a_pattern_whose_anomalies_are_deleted_is_left_out(desk):
    Anomaly.objects.filter(stream_type="metrics").delete()
    assert len(listed(desk)) == 1


def test_a_count_leads_to_these_anomalies(desk):
    page = desk.get(link(desk, "3")).content.decode()
    assert "Pending anomalies of pattern" in page and "3 anomalies" in page


def test_an_opened_pattern_shows_its_newest_anomalies_with_time_ncd_and_host(desk):
    make_anomaly(glass_box_explanation="process 9 lost", metadata={"service": "pay", "host": "<web1>"})
    page = desk.get(PAGE).content.decode()
    assert page.count("NCD 0.700") == 5 and "&lt;web1&gt; – process 9 lost" in page
    assert "pay logs, <web1>" in listed(desk)[0]


def test_the_activity_is_drawn_and_said_in_words(desk):
    make_anomaly(glass_box_explanation="process 9 lost", metadata={"service": "pay"}, timestamp=NOON - DAY)
    page = desk.get(PAGE).content.decode()
    assert re.search(r"Anomalies by day, up to 2026-11-23 12:00:00 UTC: (0, ){22}1, 3</title>", page)
    assert '<rect x="92" y="11" width="3" height="13">' in page


def test_the_page_takes_few_queries_however_many_patterns_there_are(desk):
    for word in "abcdefghij":
        make_anomaly(glass_box_explanation=word)
    with CaptureQueriesContext(connection) as asked:
        desk.get(PAGE)
    assert len([each for each in asked if "SAVEPOINT" not in each["sql"]]) <= 8  # of the test's transaction


def test_a_whole_pattern_is_decided_at_once_after_a_preview_and_undone(desk):
    some = str(Anomaly.objects.filter(status="pending")[0].pk)
    sent = {"action": "dismiss", "index": "0", "select_across": "1", "_selected_action": some}
    preview = desk.post(link(desk, "3"), sent, follow=True)
    assert "Dismiss 3 anomalies" in preview.content.decode()
    desk.post(preview.redirect_chain[-1][0], {"reason": "known_harmless"}, follow=True)
    assert listed(desk)[0].endswith("0 100%")
    batch = AuditLog.objects.filter(action="dismiss").latest("id").metadata["batch"]
    undo(batch, Actor("analyst"), uuid4())
    assert listed(desk)[0].endswith("3 0%")


def test_start_triage_on_the_start_page_opens_the_undecided_patterns(desk):
    page = desk.get("/admin/?overview").content.decode()
    address = unescape(re.search(r'href="([^"]*)">Start triage<', page)[1])
    assert address == f"{PAGE}?open=yes" and len(listed(desk, "?open=yes")) == 1


def test_who_may_see_no_anomalies_sees_no_patterns(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("guest", is_staff=True))
    assert client.get(PAGE).status_code == 403
