"""The start page: what waits, what comes in, how it is decided; whatever the table's size."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from anomalies.admin.ui.charts import columns
from anomalies.audit import Actor
from anomalies.models import DetectionConfig, PerformanceMetric
from anomalies.queries import hourly_rollup
from anomalies.queries.overview import BINS, HOUR, Share, overview
from anomalies.thresholds import activate
from anomalies.triage.comments import add
from anomalies.triage.decisions import decide
from tests.support.factories import NOON, make_anomaly, make_user, other_program
from tests.support.sizes import amount

pytestmark = pytest.mark.django_db

ANA = Actor("ana")
ROWS = amount("DRIFTLOCK_TEST_ROWS")


@pytest.fixture(autouse=True)
def as_another_program(db):
    with other_program():
        yield


def decided(status: str = "dismissed", after: timedelta = timedelta(minutes=3), **over):
    stamp = {f"{status}_at": NOON + after, "status": status}
    return make_anomaly(**{"created_at": NOON, **stamp, **over})


def run_of_a_detector(start, hours: int, tested: int) -> None:
    about = {
        "run": str(start),
        "stream_type": "logs",
        "windows_tested": tested,
        "windows_flagged": 1,
        "p_value_threshold": 0.05,
        "first_timestamp": start.isoformat(),
        "last_timestamp": (start + timedelta(hours=hours)).isoformat(),
    }
    PerformanceMetric.objects.create(metric_type="detection", duration_ms=1, metadata=about)


def page(client, user) -> str:
    client.force_login(user)
    return client.get("/admin/").content.decode()


# --- the answers ------------------------------------------------------------------------------------------


def test_what_waits_is_shown_by_stream_and_status():
    make_anomaly()
    make_anomaly(stream_type="llm", status="investigating")
    assert overview(NOON).waiting == {"logs": {"pending": 1}, "llm": {"investigating": 1}}


def test_what_is_found_is_counted_in_its_hour():
    make_anomaly(timestamp=NOON - timedelta(hours=2, minutes=1))
    assert [hour.start for hour in overview(NOON).hours if hour.found] == [NOON - timedelta(hours=3)]


def test_chance_is_spread_over_the_hours_of_a_run():
    run_of_a_detector(NOON - timedelta(hours=4), 4, 800)
    assert [hour.expected for hour in overview(NOON).hours if hour.expected] == pytest.approx([10] * 4)


def test_where_nothing_was_found_for_weeks_it_ends_with_the_last_that_was():
    make_anomaly(timestamp=NOON - timedelta(days=365))
    assert overview(NOON).hours[-1].found == 1


def test_moments_that_never_come_keep_the_page_standing():
    make_anomaly()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE anomalies SET timestamp = 'infinity', created_at = '-infinity', dismissed_at = now()"
        )
    assert overview(NOON).decisions.median is None


def test_the_week_is_that_of_the_desk_s_zone():
    make_anomaly(timestamp=NOON - timedelta(hours=13))  # Sunday 23:00 in UTC
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert overview(NOON).week[0][0] == 1


def test_the_time_to_decision_is_shown_by_median_and_bins():
    for minutes in (2, 3, 4, 600):
        decided(after=timedelta(minutes=minutes))
    found = overview(NOON).decisions
    named = {name: count for (_, name), count in zip(BINS, found.waits, strict=True) if count}
    assert (found.median, named) == (210.0, {"1–5 min": 3, "8–24 h": 1})


def test_the_share_acknowledged_is_shown_by_stream_and_tag():
    decided("acknowledged", tags=["db", "eu"])
    decided(tags=["db"])
    found = overview(NOON).decisions
    assert found.by_stream == [Share("logs", 1, 2)]
    assert found.by_tag == [Share("db", 1, 2), Share("eu", 1, 1)]


def test_the_share_per_config_is_of_what_came_in_while_it_was_active():
    former = DetectionConfig.objects.get(is_active=True)
    latter = DetectionConfig.objects.create()
    activate(latter.pk, ANA)
    decided(created_at=timezone.now() - timedelta(1))
    decided("acknowledged", created_at=timezone.now() + timedelta(1))
    shares = set(overview(NOON).decisions.by_config)
    assert shares == {Share(f"config {former.pk}", 0, 1), Share(f"config {latter.pk}", 1, 1)}


def test_without_a_switch_all_came_in_under_the_active_config():
    decided()
    config = DetectionConfig.objects.get()
    assert overview(NOON).decisions.by_config == [Share(f"config {config.pk}", 0, 1)]


def test_the_backlog_is_counted_back_from_what_is_open_and_what_was_decided_since():
    make_anomaly(timestamp=NOON - timedelta(days=2))
    decided(timestamp=NOON - timedelta(days=3), after=-timedelta(days=1))
    decided(timestamp=NOON - timedelta(hours=1), after=timedelta(minutes=-1))
    found = {NOON + HOUR - each.at: each.count for each in overview(NOON).trend}
    assert [found[timedelta(days=back)] for back in (0, 1, 2, 3, 4)] == [1, 1, 2, 1, 0]


def test_the_backlog_goes_back_as_far_as_the_decisions_that_are_read(monkeypatch):
    monkeypatch.setattr("anomalies.queries.overview.NEWEST", 1)
    decided(timestamp=NOON - timedelta(days=3), after=-timedelta(hours=10))
    assert [NOON + HOUR - each.at for each in overview(NOON).trend] == [timedelta(hours=6), timedelta()]


# --- the page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "analyst", "lead"])
def test_every_role_begins_with_the_overview(client, request, role):
    make_anomaly()
    assert '<h2 id="waiting-heading">Waiting</h2>' in page(client, request.getfixturevalue(role))


def test_other_staff_begin_with_django_s_index(client):
    make_anomaly()
    clerk = User.objects.create_user("clerk", is_staff=True)
    assert '<h2 id="waiting-heading">Waiting</h2>' not in page(client, clerk)


def test_the_apps_and_recent_actions_stay_below(client, lead):
    make_anomaly()
    shown = page(client, lead)
    assert (
        shown.index('<h2 id="waiting-heading">Waiting</h2>')
        < shown.index('id="content-main"')
        < shown.index("Recent actions")
    )


def test_it_begins_with_start_triage_then_what_waits_then_detectors_then_charts(client, analyst):
    make_anomaly(timestamp=timezone.now(), glass_box_explanation="disk full")
    shown = page(client, analyst)
    headings = ("Mine", "Oldest waiting", "New patterns", "Backlog", "Detectors", "Waiting")
    order = [shown.index("Start triage"), *(shown.index(f">{each}</h2>") for each in headings)]
    assert order == sorted(order)
    assert shown.count("disk full") == 2  # the oldest one, and its pattern


def test_a_comment_that_names_me_is_shown_as_text_with_a_link(client):
    ana, anomaly = make_user("analyst", "ana"), make_anomaly()
    make_user("lead", "lena")
    assert ">Named in comments</h2>" not in page(client, ana)
    add(anomaly.pk, "@ana <script>x</script>?\nplease", Actor("lena"))
    panel = page(client, ana).split(">Named in comments</h2>")[1].split("</section>")[0]
    assert f'href="/admin/anomalies/anomaly/{anomaly.pk}/change/#comments"' in panel
    assert "@ana &lt;script&gt;x&lt;/script&gt;?" in panel
    assert "by lena, " in panel


def test_a_viewer_sees_who_named_them(client, viewer):
    make_user("lead", "lena")
    viewer.username = "vic"
    viewer.save()
    add(make_anomaly().pk, "@vic, for your report", Actor("lena"))
    assert "@vic, for your report" in page(client, viewer).split(">Named in comments</h2>")[1]


def test_mine_is_for_those_who_decide(client, viewer):
    make_anomaly()
    assert ">Mine</h2>" not in page(client, viewer)


def test_recent_actions_are_those_of_the_audit_log(client, viewer):
    decide("dismiss", [make_anomaly().pk for _ in range(3)], ANA, reason="other")
    assert re.search(r"3 anomalies dismissed <span[^>]*>by ana", page(client, viewer))


def test_the_shift_page_is_linked_for_leads_only(client, lead, analyst):
    make_anomaly()
    assert "/auditlog/shift/" in page(client, lead)
    assert "/auditlog/shift/" not in page(client, analyst)


def test_a_headline_of_an_anomaly_is_shown_as_text(client, viewer):
    make_anomaly(glass_box_explanation="<script>alert(2)</script>", timestamp=timezone.now())
    assert "<script>alert(2)" not in page(client, viewer)


def test_an_empty_desk_says_what_to_do_first(client, viewer):
    shown = page(client, viewer)
    assert "manage.py detect" in shown
    assert 'class="chart"' not in shown


def test_a_desk_whose_old_rows_are_not_counted_yet_says_so(client, viewer):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO anomaly_hour_deltas VALUES (DEFAULT, NULL, '', '', false, 0, 0, 0)")
    assert "are being counted" in page(client, viewer)


def test_every_chart_has_words_a_link_and_a_table(client, viewer):
    decided("acknowledged", timestamp=timezone.now())
    shown = page(client, viewer)
    charts = re.findall(r'<section class="overview-chart".*?</section>', shown, re.DOTALL)
    assert len(charts) == 8
    for chart in charts:
        assert re.search(r'role="img" aria-labelledby="(\w+)-title \1-summary"', chart)
        assert all(part in chart for part in ("<title ", "<desc ", "<details>", "<table>", 'href="/admin/'))


def test_every_link_of_the_overview_leads_to_a_page(client, viewer):
    decided("acknowledged", tags=["a b", "x&y", "<i>"], timestamp=timezone.now())
    links = set(re.findall(r'href="(/admin/anomalies/[^"]+)"', page(client, viewer)))
    for link in links:
        answer = client.get(link.replace("&amp;", "&"), follow=True)
        assert (answer.status_code, b"errorlist" in answer.content) == (200, False), link


def test_a_tag_is_shown_as_text(client, viewer):
    decided(tags=["<script>alert(1)</script>"])
    shown = page(client, viewer)
    assert "<script>alert(1)" not in shown
    assert "&lt;script&gt;" in shown


def test_the_zone_is_named(client, viewer):
    make_anomaly()
    assert "Times in UTC" in page(client, viewer)


def test_who_may_not_fold_sees_the_page_all_the_same(client, viewer, monkeypatch):
    monkeypatch.setattr(hourly_rollup, "WORTH_FOLDING", 0)
    make_anomaly()
    client.force_login(viewer)
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION fold_anomaly_hours()")
    assert client.get("/admin/").status_code == 200


def test_reading_folds_what_has_piled_up(client, viewer, monkeypatch):
    monkeypatch.setattr(hourly_rollup, "WORTH_FOLDING", 2)
    for _ in range(3):
        make_anomaly()
    page(client, viewer)
    assert hourly_rollup.fold() == 0


# --- what it costs ----------------------------------------------------------------------------------------


def test_the_number_of_queries_does_not_grow(client, viewer, django_assert_max_num_queries):
    for number in range(30):
        decided(tags=[f"tag {number}"], timestamp=NOON - timedelta(hours=number))
    client.force_login(viewer)
    with django_assert_max_num_queries(11):  # three of them are the test's savepoints
        client.get("/admin/")


def test_nothing_on_it_reads_the_table(client, viewer):
    """Each query's plan: anomalies are read by the index of decisions, or of what waits, or not at all."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO anomalies (timestamp, stream_type, ncd_score, p_value, status, glass_box_explanation,
                compression_baseline, compression_window, compression_combined, confidence_level,
                dismissed_at)
            SELECT now() - n * interval '1 minute', 'logs', 0.7, 0.01, 'dismissed', 'x', 0, 0, 0, 0.9, now()
            FROM generate_series(1, %s) AS n
            """,
            [ROWS],
        )
        cursor.execute("ANALYZE anomalies")
    client.force_login(viewer)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/admin/")
    plans = [plan_of(query["sql"]) for query in queries if query["sql"].lstrip().startswith("SELECT")]
    assert any("idx_anomalies_decided" in plan for plan in plans)
    assert not [plan for plan in plans if re.search(r"Seq Scan on anomalies\b", plan)]
    indexes = {name for plan in plans for name in re.findall(r"using (\w+) on anomalies\b", plan)}
    assert indexes <= {"idx_anomalies_decided", "idx_anomalies_walk_status", "anomalies_pkey"}


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.mark.parametrize("most", [3, 999, 9_999, 12_345_678])
def test_the_number_beside_the_columns_is_within_the_chart(most):
    [top, *_] = columns([most], [""], [""]).words
    assert float(top.x) > 7 * len(top.text)
