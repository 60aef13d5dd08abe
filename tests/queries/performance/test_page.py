"""The page "Performance": what it shows of requests, jobs and runs."""

from __future__ import annotations

import pytest

from anomalies.queries.performance.timings import Timings, store_run

pytestmark = pytest.mark.django_db
PAGE = "/admin/anomalies/performancemetric/performance/"


@pytest.fixture
def desk(client, viewer):
    client.force_login(viewer)
    return client


def store(*given, failed=""):
    one = Timings(in_background=False)
    for kind, name, seconds in given:
        one.add(kind, name, seconds, failed)
    one.store()


def test_a_request_is_shown_with_its_rate_percentiles_and_failures(desk):
    store(*[("request", "GET /admin/", 0.02)] * 118)
    store(*[("request", "GET /admin/", 3.0)] * 2, failed="status 503")
    page = desk.get(PAGE).content.decode()
    row = page[page.index("GET /admin/</th>") :].partition("</tr>")[0]
    cells = [cell.partition("</td>")[0].rpartition(">")[2] for cell in row.split("<td ")[1:]]
    assert cells == ["120", "2.0", "20 ms", "20 ms", "3.0 s", "2 (1.7%)", "status 503"]


def test_jobs_and_runs_have_tables_of_their_own(desk):
    store(("job", "otlp", 0.5))
    store_run("ingest", "a.jsonl", 2.0, events=1_234)
    page = desk.get(PAGE).content.decode()
    jobs, ingests = page.index('id="jobs"'), page.index('id="ingests"')
    assert jobs < page.index(">otlp</th>") < ingests < page.index(">a.jsonl</th>") < page.index("1,234")


@pytest.mark.parametrize(
    ("hours", "chosen"), [("24", "Last 24 hours"), ("x", "Last hour"), ("", "Last hour")]
)
def test_the_time_is_chosen_by_a_link(desk, hours, chosen):
    page = desk.get(f"{PAGE}?hours={hours}").content.decode()
    assert page.count(f'aria-current="true">{chosen}</a>') == page.count('aria-current="true"') == 1


def test_names_and_errors_are_untrusted_text(desk):
    store(("request", "GET /<b>\u202e", 0.1), failed="<script>")
    page = desk.get(PAGE).content.decode()
    assert "<script>" not in page.partition("<main")[2] and "GET /&lt;b&gt;\\u202e" in page


def test_a_page_without_durations_says_why(desk, settings):
    settings.TIMINGS = False
    assert "DRIFTLOCK_TIMINGS is off" in desk.get(PAGE).content.decode()
    settings.TIMINGS = True
    page = desk.get(PAGE).content.decode()
    assert "DRIFTLOCK_TIMINGS" not in page and page.count("<p>None.</p>") == 4
