"""Analysts at the desk: finding, deciding, taking back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog
from anomalies.triage.decisions import decide
from tests.support.factories import make_anomaly, make_user

from .conftest import LIST, act, follow, page_of, rows, tick

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \x1b[31mred \x07 \u202egnp.exe"


def statuses() -> list[str]:
    return sorted(Anomaly.objects.values_list("status", flat=True))


# --- finding --------------------------------------------------------------------------------------------


def test_an_analyst_logs_in_and_comes_to_the_list(desk, analyst):
    page = desk.open("/")
    page.get_by_label("Username:").fill("analyst")
    page.get_by_label("Password:").fill("password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Anomalies", exact=True).click()
    expect(page.get_by_role("heading", name="Anomalies", level=1)).to_be_visible()


def test_status_tags_time_and_text_narrow_the_list_together(desk, analyst):
    wanted = {"timestamp": timezone.now(), "tags": ["db", "eu"], "glass_box_explanation": "deadlock detected"}
    make_anomaly(**wanted)
    for other in ({"status": "dismissed"}, {"tags": ["web"]}, {"glass_box_explanation": "disk full"}):
        make_anomaly(**{**wanted, **other})
    make_anomaly(**{**wanted, "timestamp": timezone.now() - timedelta(days=2)})
    page = desk.open(user=analyst)
    page.get_by_label("pending").check()
    page.get_by_label("Any of the tags").fill("db, mail")
    page.get_by_label("When").select_option("24h")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("searchbox").or_(page.locator("#searchbar")).fill("deadlock")
    page.get_by_role("button", name="Search").click()
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_label("Any of the tags")).to_have_value("db, mail")


def test_the_way_back_from_an_anomaly_keeps_the_filter(desk, analyst):
    make_anomaly()
    make_anomaly(stream_type="traces")
    page = desk.open(f"{LIST}?stream=traces", user=analyst)
    rows(page).get_by_role("link").first.click()
    page.locator(".breadcrumbs").get_by_role("link", name="Anomalies").click()
    expect(rows(page)).to_have_count(1)


# --- deciding about one ---------------------------------------------------------------------------------


def test_a_dismissal_stands_in_the_history_with_reason_and_note(desk, analyst):
    page = desk.open(page_of(make_anomaly()), analyst)
    page.get_by_label("Note").fill("a load test")
    page.get_by_label("Reason").select_option(label="known and harmless")
    page.get_by_role("button", name="Dismiss").click()
    entry = page.locator(".history li").first
    expect(entry).to_contain_text("analyst (127.0.0.1): dismiss pending → dismissed, known and harmless")
    expect(entry).to_contain_text("a load test")
    expect(page.get_by_text("1 anomaly dismissed.")).to_be_visible()


def test_a_dismissal_without_a_reason_says_so_and_keeps_the_note(desk, analyst):
    page = desk.open(page_of(make_anomaly()), analyst)
    page.get_by_label("Note").fill("typed with care")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Choose a reason: a dismissal needs one.")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("typed with care")
    assert statuses() == ["pending"]


def test_a_decision_is_taken_back_by_reopening(desk, analyst):
    page = desk.open(page_of(make_anomaly(status="acknowledged")), analyst)
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".history li").first).to_contain_text("reopen acknowledged → pending")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()


def test_a_note_goes_in_without_a_decision(desk, analyst):
    page = desk.open(page_of(make_anomaly()), analyst)
    page.get_by_label("Note").fill("asked the database people")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("blockquote")).to_have_text("asked the database people")
    assert statuses() == ["pending"]


# --- deciding at the same time --------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_of_two_with_one_page_open_the_second_sees_both_versions_and_decides_again(desk, analyst, scripts):
    path = page_of(make_anomaly())
    hers = desk.open(path, analyst, java_script_enabled=scripts)
    his = desk.open(path, make_user("analyst", "bob"))
    follow(his.get_by_role("button", name="Investigate"))
    hers.get_by_label("Note").fill("typed with care")
    hers.get_by_label("Reason").select_option("duplicate")
    follow(hers.get_by_role("button", name="Dismiss"))
    expect(
        hers.get_by_text("This has changed since you opened it: taken into investigation by bob")
    ).to_be_visible()
    expect(hers.get_by_role("row", name="Status")).to_contain_text("pendinginvestigating")
    assert desk.answered(409)
    assert statuses() == ["investigating"]
    follow(hers.get_by_role("button", name="Dismiss current version"))
    entry = hers.locator(".history li").first
    expect(entry).to_contain_text("analyst (127.0.0.1): dismiss investigating → dismissed, duplicate")
    expect(entry).to_contain_text("typed with care")


def test_a_double_click_is_one_decision_and_one_record(desk, analyst):
    page = desk.open(page_of(make_anomaly()), analyst)
    with page.expect_navigation():
        page.get_by_role("button", name="Acknowledge").dblclick()
    page.wait_for_load_state("networkidle")  # the second click may have sent the form again
    page.goto(LIST)
    page.go_back()
    assert AuditLog.objects.filter(action="acknowledge").count() == 1
    assert statuses() == ["acknowledged"]


def test_rows_that_another_changed_since_the_list_was_opened_are_skipped(desk, analyst):
    anomalies = [make_anomaly() for _ in range(3)]
    page = desk.open(user=analyst)
    decide("dismiss", [anomalies[0].pk], Actor("bob"), reason="other")
    tick(page, 3)
    act(page, "acknowledge")
    expect(page.get_by_text("2 anomalies acknowledged.")).to_be_visible()
    expect(page.get_by_text("Skipped: 1 anomaly, changed since")).to_be_visible()
    expect(page.get_by_text("changed since you saw it: dismissed by bob at")).to_be_visible()


def test_a_confirmation_keeps_what_was_typed_for_the_rows_that_changed(desk, analyst):
    anomalies = [make_anomaly() for _ in range(2)]
    page = desk.open(user=analyst)
    tick(page, 2)
    act(page, "dismiss")
    decide("investigate", [anomalies[0].pk], Actor("bob"))
    page.get_by_label("Reason").select_option("duplicate")
    page.get_by_label("Note").fill("typed with care")
    follow(page.get_by_role("button", name="Dismiss"))
    expect(page.get_by_text("1 anomaly dismissed.")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("typed with care")
    assert desk.answered(409)
    follow(page.get_by_role("button", name="Dismiss current version"))
    assert statuses() == ["dismissed"] * 2


# --- deciding about many --------------------------------------------------------------------------------


def test_three_ticked_rows_are_acknowledged_at_once(desk, analyst):
    for _ in range(4):
        make_anomaly()
    page = desk.open(f"{LIST}?single=1", analyst)
    tick(page, 3)
    act(page, "acknowledge")
    expect(page.get_by_text("3 anomalies acknowledged.")).to_be_visible()
    assert statuses() == ["acknowledged"] * 3 + ["pending"]


def test_an_episode_is_opened_and_decided_as_one(desk, analyst):
    for number in range(3):
        make_anomaly(glass_box_explanation=f"part {number}")
    page = desk.open(user=analyst)
    expect(rows(page)).to_have_count(1)
    page.get_by_text("3 anomalies").first.click()
    expect(page.get_by_text("part 2").last).to_be_visible()
    tick(page, 1)
    act(page, "acknowledge")
    assert statuses() == ["acknowledged"] * 3


def test_a_bulk_dismissal_asks_for_a_reason_before_it_is_done(desk, analyst):
    for _ in range(2):
        make_anomaly()
    page = desk.open(user=analyst)
    tick(page, 2)
    act(page, "dismiss")
    expect(page.get_by_text("Dismiss 2 anomalies.")).to_be_visible()
    page.get_by_label("Reason").select_option("duplicate")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("2 anomalies dismissed.")).to_be_visible()
    assert statuses() == ["dismissed"] * 2


def test_a_bulk_dismissal_without_a_reason_keeps_the_note_and_does_nothing(desk, analyst):
    make_anomaly()
    page = desk.open(user=analyst)
    tick(page, 1)
    act(page, "dismiss")
    page.get_by_label("Note").fill("typed with care")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Choose a reason: a dismissal needs one.")).to_be_visible()
    expect(page.get_by_label("Note")).to_have_value("typed with care")
    assert statuses() == ["pending"]


def test_a_bulk_dismissal_can_be_called_off(desk, analyst):
    make_anomaly()
    page = desk.open(f"{LIST}?status=pending", user=analyst)
    tick(page, 1)
    act(page, "dismiss")
    page.get_by_role("link", name="Cancel").click()
    expect(rows(page)).to_have_count(1)
    assert statuses() == ["pending"]


def test_all_that_match_are_decided_only_after_a_question(desk, analyst):
    for number in range(60):
        make_anomaly(tags=["db"] if number else ["web"])
    page = desk.open(f"{LIST}?tags_any=db&single=1", user=analyst)
    page.locator("#action-toggle").check()
    page.get_by_role("button", name="Select all 59").click()
    act(page, "acknowledge")
    expect(page.get_by_text("Acknowledge 59 anomalies: anomalies tagged db.")).to_be_visible()
    assert statuses() == ["pending"] * 60
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("59 anomalies acknowledged.")).to_be_visible()
    assert statuses() == ["acknowledged"] * 59 + ["pending"]


# --- without scripts, and against them ------------------------------------------------------------------


def test_without_javascript_an_anomaly_is_decided_on_its_page(desk, analyst):
    page = desk.open(page_of(make_anomaly()), analyst, java_script_enabled=False)
    page.get_by_label("Note").fill("real")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".history li").first).to_contain_text("acknowledge pending → acknowledged")


def test_without_javascript_ticked_rows_are_acknowledged(desk, analyst):
    for _ in range(3):
        make_anomaly()
    page = desk.open(f"{LIST}?single=1", analyst, java_script_enabled=False)
    tick(page, 2)
    act(page, "acknowledge")
    expect(page.get_by_text("2 anomalies acknowledged.")).to_be_visible()
    assert statuses() == ["acknowledged"] * 2 + ["pending"]


def test_without_javascript_the_filter_narrows_the_list(desk, analyst):
    make_anomaly()
    make_anomaly(stream_type="llm")
    page = desk.open(user=analyst, java_script_enabled=False)
    page.get_by_label("LLM", exact=True).check()
    page.get_by_role("button", name="Apply").click()
    expect(rows(page)).to_have_count(1)


@pytest.mark.parametrize("where", ["list", "page", "confirmation", "audit"])
def test_hostile_text_is_shown_as_text_and_runs_nothing(desk, analyst, where):
    texts = ("glass_box_explanation", "detailed_explanation", "notes")
    data = ("baseline_data", "window_data", "metadata")
    anomaly = make_anomaly(
        tags=[HOSTILE], **dict.fromkeys(texts, HOSTILE), **{name: {HOSTILE: [HOSTILE]} for name in data}
    )
    Anomaly.objects.update(notes="</pre>" + HOSTILE)
    page = desk.open(page_of(anomaly) if where == "page" else LIST, analyst)
    if where == "confirmation":
        tick(page, 1)
        act(page, "dismiss")
    if where == "audit":
        page.goto("/admin/anomalies/auditlog/")
        rows(page).filter(has_text="notes").get_by_role("link").first.click()
    content = page.locator("#content").inner_text()
    assert "<script>alert(1)</script>" in content
    assert not set(content) & set("\x1b\x07\u202e")
