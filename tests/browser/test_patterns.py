"""Fifty thousand look-alikes and ten odd ones are cleared by keys alone, with a decision for each pattern."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from anomalies.audit import Actor
from anomalies.models import Anomaly, AuditLog
from anomalies.triage.undo import undo
from tests.support.sizes import amount

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

PAGE = "/admin/anomalies/pattern/"
ODD = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet")
FILL = """
    INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, glass_box_explanation,
        compression_baseline, compression_window, compression_combined, confidence_level, metadata)
    SELECT '2026-11-23 12:00Z'::timestamptz - no * interval '1 s', 'logs', 0.6, 0.01, words,
        0.2, 0.5, 0.3, 0.99, '{"service": "pay", "host": "web1"}'
    FROM (
        SELECT no, words[1 + no %% 5] || ' ' || no || ' is slow'
        FROM generate_series(1, %s) AS no,
            (VALUES ('{queue,cache,disk,socket,worker}'::text[])) AS few (words)
        UNION ALL SELECT 0, word || ' was lost' FROM unnest(%s::text[]) AS word
    ) AS made (no, words)
"""


def fill(rows: int) -> None:
    """Store look-alikes of five templates, and the odd ones."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, [rows, list(ODD)])


def current(page: Page) -> str:
    """The text of the row that has the focus."""
    return page.evaluate("document.activeElement.closest('tr')?.innerText ?? ''")


def dismiss(page: Page) -> str:
    """Dismiss the pattern of the current row as known harmless, by keys; returns the text of the preview."""
    page.keyboard.press("d")
    expect(page.locator(".confirm select[name=reason]")).to_be_focused()
    shown = page.locator(".confirm").inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PAGE}*")
    return shown


def test_five_and_ten_decisions_by_keys_alone_clear_the_desk_and_their_undo_restores_it(desk, analyst):
    rows = amount("DRIFTLOCK_LOOK_ALIKES")
    fill(rows)
    page = desk.open(PAGE, analyst)
    page.keyboard.press("j")
    shown = []
    for _ in range(15):
        expect(page.locator("#result_list tbody tr").first.locator("summary")).to_be_focused()
        shown.append(dismiss(page))
    assert not Anomaly.objects.exclude(status="dismissed").exists()
    assert [f"Dismiss {rows // 5:,} anomalies" in each for each in shown] == [True] * 5 + [False] * 10
    singly = [[word for word in ODD if f"{word} was lost" in each] for each in shown[5:]]
    assert sorted(singly) == [[word] for word in ODD]
    page.keyboard.press("u")
    expect(page.get_by_text("Undone")).to_be_visible()
    batches = AuditLog.objects.filter(action="dismiss").values_list("metadata__batch", flat=True).distinct()
    for batch in batches:
        undo(batch, Actor("analyst"), uuid4())
    assert not Anomaly.objects.exclude(status="pending").exists()


def test_keys_move_open_exclude_and_show_the_help(desk, analyst):
    fill(20)
    page = desk.open(PAGE, analyst)
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = current(page)
    page.keyboard.press("k")
    assert current(page) != second
    page.keyboard.press("Enter")
    expect(page.locator("tr:has(:focus) .examples li")).to_have_count(4)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Acknowledge all 4")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_role("button", name="Acknowledge all 4").press("Enter")
    expect(page.get_by_text("3 anomalies acknowledged.")).to_be_visible()


def test_without_javascript_a_pattern_is_opened_and_decided(desk, analyst):
    fill(20)
    page = desk.open(PAGE, analyst, java_script_enabled=False)
    page.locator("summary").first.click()
    page.get_by_role("button", name="Investigate").first.click()
    page.get_by_role("button", name="Investigate all 4").click()
    expect(page.get_by_text("4 anomalies taken into investigation")).to_be_visible()
