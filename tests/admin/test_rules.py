"""The pages of rules: made from a pattern with a what-if, listed, renewed, stopped, undone and proposed."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from anomalies.audit import Actor
from anomalies.models import Anomaly, RuleHour, TriageRule
from anomalies.triage.decisions import decide
from tests.support.factories import make_anomaly
from tests.support.people import WINDOW

pytestmark = pytest.mark.django_db

RULES, PATTERNS, NEW = (f"/admin/anomalies/{page}/" for page in ("triagerule", "pattern", "triagerule/add"))
DISMISS = {"action": "dismiss", "reason": "known_harmless", "note": "nightly", "days": "30"}


def lost(count: int = 1, **over: Any) -> list[Anomaly]:
    """Anomalies of one pattern that happened now."""
    given = {"timestamp": timezone.now(), "metadata": {"service": "pay"}} | over
    rows = [make_anomaly(glass_box_explanation=f"process {n} lost", **given) for n in range(count)]
    return [Anomaly.objects.get(pk=each.pk) for each in rows]


@pytest.fixture
def desk(client, lead) -> Client:
    client.force_login(lead)
    return client


@pytest.fixture
def form(desk) -> str:
    """The address of the form about the pattern of two anomalies."""
    return f"{NEW}?pattern={lost(2)[0].pattern}"


def words(page: Any) -> str:
    """The text of a page, without its marks and repeated blanks."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.content.decode())))


def test_a_rule_is_made_from_a_pattern_and_listed_with_what_it_did(desk, form):
    assert form.replace("&", "&amp;") in desk.get(PATTERNS).content.decode()
    page = desk.post(form, DISMISS, follow=True)
    assert "Rule created" in words(page) and page.redirect_chain[-1][0] == RULES
    lost(3)
    row = words(desk.get(RULES))
    for part in (
        "process # lost",
        "pay, logs",
        "dismiss: known and harmless",
        "lead",
        "nightly",
        "NCD 0.750, 10 an hour",
    ):
        assert part in row
    assert " 3 " in row and "active Undo what it did" in row
    assert "until" in desk.get(PATTERNS).content.decode()


def test_the_form_shows_the_limits_and_acknowledged_ones_first(desk, form):
    [real] = lost(1, ncd_score=0.9)
    decide("acknowledge", [real.pk], Actor("ana"))
    lost(1, timestamp=timezone.now() - timedelta(days=31))
    page = words(desk.get(form))
    assert "an NCD above 0.750, or when more than 10 happen within an hour" in page
    assert "In the last 30 days of pay, logs: 1 acknowledged, 0 investigating, 2 pending, 0 dismissed" in page
    table = page[page.index("Explanation") :]
    assert table.index("acknowledged") < table.index("pending")


def test_a_form_that_is_not_complete_says_what_is_missing_and_makes_nothing(desk, form):
    assert "give a reason" in words(desk.post(form, DISMISS | {"reason": ""}))
    assert "This field is required" in words(desk.post(form, DISMISS | {"note": ""}))
    assert "less than or equal to 90" in words(desk.post(form, DISMISS | {"days": "91"}))
    assert not TriageRule.objects.exists()


WRONG = [
    ({"source": ""}, "source", "a source, a stream, or both"),
    ({"end": "2020-01-01T00:00"}, "end", "begins before it ends"),
    ({"start": "2020-01-01T00:00"}, "start", "at most 89 days ago"),
    ({"reason": "other"}, "reason", "To dismiss, and for nothing else"),
    ({"action": "assign"}, "assign_to", "name the assignee"),
]


@pytest.mark.parametrize(("wrong", "field", "why"), WRONG)
def test_what_is_wrong_with_a_rule_stands_at_its_field(desk, wrong, field, why):
    sent = {"action": "snooze", "note": "new disks", "source": "pay", **WINDOW}
    form = desk.post(NEW, sent | wrong).context["form"]
    assert list(form.errors) == [field] and why in form.errors[field][0]


@pytest.mark.parametrize("query", ["?pattern=x", "?pattern=00000000-0000-0000-0000-000000000000"])
def test_an_unknown_pattern_leads_back_to_the_patterns(desk, query):
    for page in (desk.get(NEW + query, follow=True), desk.post(NEW + query, DISMISS, follow=True)):
        assert "There is no such pattern" in words(page)


def test_a_maintenance_window_is_previewed_and_made(desk):
    lost(2)
    sent = {"action": "snooze", "note": "new disks", "source": "pay", **WINDOW}
    desk.get(PATTERNS)
    preview = words(desk.post(NEW, sent | {"_preview": "1"}))
    assert "of pay: 0 acknowledged, 0 investigating, 2 pending" in preview
    assert not TriageRule.objects.exists()
    assert "maintenance of pay" in words(desk.post(NEW, sent, follow=True))


def test_a_maintenance_window_is_made_for_several_weeks(desk):
    sent = {"action": "snooze", "note": "backup", "source": "pay", "weeks": "3", **WINDOW}
    assert "3 rules created, one for each week." in words(desk.post(NEW, sent, follow=True))
    starts = sorted(TriageRule.objects.values_list("window_start", flat=True))
    assert [later - starts[0] for later in starts] == [timedelta(weeks=n) for n in range(3)]


def act(desk: Client, action: str) -> str:
    rows = [str(pk) for pk in TriageRule.objects.values_list("pk", flat=True)]
    return words(desk.post(RULES, {"action": action, "_selected_action": rows, "index": "0"}, follow=True))


def test_selected_rules_are_renewed_and_stopped(desk, form):
    desk.post(form, DISMISS)
    assert "Renewed for 90 days: 1." in act(desk, "renew")
    assert TriageRule.objects.get().expires_at > timezone.now() + timedelta(days=89)
    assert "stopped by lead: stopped by hand" in act(desk, "stop")
    assert "Skipped, stopped or a maintenance window: 1." in act(desk, "renew")


def test_what_it_did_is_undone_from_the_list(desk, form):
    desk.post(form, DISMISS)
    lost(3)
    address = unescape(re.search(r'<a href="([^"]*)">Undo what', desk.get(RULES).content.decode())[1])
    assert "3" in words(desk.get(address))
    page = desk.get(address)
    batch = re.search(r'name="batch" value="([^"]*)"', page.content.decode())[1]
    desk.post(address, {"batch": batch, "note": "", "confirmed": "1"})
    assert Anomaly.objects.filter(status="pending").count() == 5


def test_a_rule_that_stopped_by_itself_says_so_on_its_page_and_the_start_page(desk, form):
    desk.post(form, DISMISS)
    lost(1, ncd_score=0.99)
    for page in (RULES + "?state=itself", "/admin/?"):
        assert "stopped by itself: NCD 0.99 of anomaly" in words(desk.get(page))
    desk.post(form, DISMISS)
    assert "stopped by itself" not in words(desk.get("/admin/?"))


@pytest.mark.parametrize(("state", "found"), [("active", "keeps"), ("ended", "ends"), ("itself", "")])
def test_rules_are_filtered_by_state(desk, state, found):
    for note in ("keeps", "ends"):
        [one] = lost(1, metadata={"service": note})
        desk.post(f"{NEW}?pattern={one.pattern}", DISMISS | {"note": f"it {note}"})
    TriageRule.objects.filter(note="it ends").update(
        stopped_at=timezone.now(), stopped_by="x", stop_reason="y"
    )
    assert re.findall(r"it (keeps|ends)", words(desk.get(f"{RULES}?state={state}"))) == [found] * bool(found)


def test_the_list_takes_few_queries_however_many_rules_there_are(desk, django_assert_max_num_queries):
    for word in "abcdef":
        [one] = lost(1, metadata={"service": word})
        desk.post(f"{NEW}?pattern={one.pattern}", DISMISS)
        lost(1, metadata={"service": word})
    assert RuleHour.objects.count() == 6
    with django_assert_max_num_queries(8):
        desk.get(RULES)


# --- proposals --------------------------------------------------------------------------------------------


def dismissed(reasons: list[str], **over: Any) -> list[Anomaly]:
    rows = lost(len(reasons), **over)
    for row, reason in zip(rows, reasons, strict=True):
        decide("dismiss", [row.pk], Actor("ana"), reason=reason)
    return rows


def proposed(desk: Client) -> bool:
    return "Proposed rules" in words(desk.get(PATTERNS))


def test_a_pattern_dismissed_again_and_again_is_proposed_and_nothing_is_decided(desk):
    dismissed(["false_positive"] * 5)
    page = desk.get(PATTERNS)
    assert "process # lost (pay) : 5 dismissed as false positive" in words(page)
    assert "&amp;reason=false_positive" in page.content.decode()
    assert lost(1)[0].status == "pending"
    assert not TriageRule.objects.exists()


@pytest.mark.parametrize("case", ["few", "reasons", "acknowledged", "rule", "stopped", "role"])
def test_it_is_not_proposed_otherwise(desk, analyst, case):
    rows = dismissed(["false_positive"] * (4 if case == "few" else 5))
    if case == "reasons":
        dismissed(["other"])
    elif case == "acknowledged":
        decide("acknowledge", [lost(1)[0].pk], Actor("ana"))
    elif case in ("rule", "stopped"):
        desk.post(f"{NEW}?pattern={rows[0].pattern}", DISMISS)
        if case == "stopped":
            act(desk, "stop")
    elif case == "role":
        desk.force_login(analyst)
    assert not proposed(desk)


def test_an_analyst_sees_rules_and_makes_none(client, analyst, form):
    client.force_login(analyst)
    assert client.get(form).status_code == 403
    assert "New rule" not in words(client.get(PATTERNS))
    assert client.get(RULES).status_code == 200


def test_the_page_of_an_anomaly_leads_to_a_rule_about_its_pattern(desk, form):
    page = desk.get(f"/admin/anomalies/anomaly/{Anomaly.objects.all()[0].pk}/change/").content.decode()
    assert f'<a href="{form}">New rule for its pattern</a>' in page
