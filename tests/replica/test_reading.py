"""Requests that read from a replica and those that don't: a real one, whose replay is paused to see it."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from anomalies.models import Anomaly
from anomalies.replica import fitness, reading, state
from anomalies.replica.state import ALIAS, Standing, replica
from anomalies.web.middleware import DeadlineMiddleware
from anomalies.web.replica_reads import from_replica
from tests.admin.test_queries_of_a_page import CONTROL, MOST, PAGES, ids  # noqa: F401
from tests.api.programs import program
from tests.support.factories import make_anomaly
from tests.support.forms import LIST, page_of, send

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)
FROM_THE_REPLICA = [
    "/admin/?overview",
    LIST,
    f"{LIST}arrivals/?age=1000",
    f"{LIST}export/csv/",
    f"{LIST}export/jsonl/",
    "/admin/anomalies/auditlog/",
    "/admin/anomalies/auditlog/shift/",
    "/admin/anomalies/streamstatistics/",
    "/admin/anomalies/recentsignificantanomaly/",
    "/admin/anomalies/performancemetric/",
]
FROM_THE_PRIMARY = [
    "/admin/anomalies/pattern/",
    f"{LIST}queue/",
    f"{LIST}filters/",
    "/admin/anomalies/triagerule/",
    "/admin/anomalies/detectionconfig/",
    "/admin/anomalies/apitoken/",
]
API = [
    "/api/v1/anomalies",
    "/api/v1/stats",
    "/api/v1/audit",
    "/v1/anomalies",
    "/v1/analytics/summary",
    "/v1/analytics/compression-timeline",
    "/v1/analytics/ncd-heatmap",
]


@pytest.fixture(autouse=True)
def patient(settings):
    """A replica whose replay is paused for a test is still fresh enough, unless the test says otherwise."""
    settings.REPLICA_MAX_LAG = 600


@pytest.fixture
def desk(server, lead) -> Client:
    """The desk of a lead, with an anomaly that the replica has, at a replica that was asked before."""
    make_anomaly(glass_box_explanation="before the pause")
    client = Client()
    client.force_login(lead)
    client.get("/admin/anomalies/streamstatistics/")
    server.catch_up()
    return client


def reads_of(client: Client, path: str) -> tuple[Any, list[str], list[str]]:
    """The answer, and the statements that the replica and the primary got for it."""
    with CaptureQueriesContext(connections[ALIAS]) as there, CaptureQueriesContext(connection) as here:
        answer = client.get(path)
        b"".join(answer)
    return answer, [each["sql"] for each in there], [each["sql"] for each in here]


# --- which requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FROM_THE_REPLICA)
def test_a_page_that_lists_or_counts_is_read_from_the_replica(desk, path):
    answer, there, here = reads_of(desk, path)
    assert (answer.status_code, bool(there)) == (200, True)
    ours = [each for each in here if "django_session" not in each and "auth_user" not in each]
    assert [each for each in ours if "export" not in path] == []


@pytest.mark.parametrize("path", FROM_THE_PRIMARY)
def test_a_page_from_which_is_decided_or_that_writes_is_read_from_the_primary(desk, path):
    answer, there, _ = reads_of(desk, path)
    assert (answer.status_code in (200, 302), there) == (True, [])


def test_a_card_is_read_from_the_primary(desk):
    assert reads_of(desk, page_of(Anomaly.objects.get()))[1] == []


@pytest.mark.parametrize("path", API)
def test_a_list_of_the_api_is_read_from_the_replica_by_a_token_that_can_only_read(desk, path):
    reader = program("lead", "read")
    answer, there, here = reads_of(reader.client, path)
    assert (answer.status_code, bool(there)) == (200, True)
    assert [each for each in here if '"anomalies"' in each or "anomaly_" in each] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_takes_eight_queries_at_most_over_both_servers(desk, server, ids, page):  # noqa: F811
    for name, value in ids.items():
        page = page.replace(name, value)
    server.catch_up()
    desk.get(page)  # a process asks once which schema is its own
    answer, there, here = reads_of(desk, page)
    sent = [each for each in there + here if not each.startswith((*CONTROL, "BEGIN", "COMMIT", "ROLLBACK"))]
    assert answer.status_code in (200, 302)
    assert len(sent) <= MOST, "\n".join(each[:200] for each in sent)


def test_without_a_replica_no_cookie_and_no_statement_is_added(client, analyst):
    anomaly = make_anomaly()
    client.force_login(analyst)
    answer = send(client, page_of(anomaly), action="acknowledge")
    assert (answer.status_code, list(answer.cookies)) == (302, ["messages"])
    with CaptureQueriesContext(connection) as asked:
        client.get(LIST)
    assert not any("lsn" in each["sql"] for each in asked)


# --- read your writes ------------------------------------------------------------------------------------


def test_who_decided_sees_it_at_once_and_others_when_the_replica_has_it(desk, server, analyst):
    anomaly = make_anomaly(glass_box_explanation="one to decide")
    server.catch_up()
    decider = Client()
    decider.force_login(analyst)
    server.pause()
    assert send(decider, page_of(anomaly), action="acknowledge").status_code == 302
    decider.get("/admin/password_change/")  # shows the message, which names the anomaly
    pending = f"{LIST}?status=pending&q=decide"
    seen = [str(anomaly.pk) in text(client, pending) for client in (decider, desk)]
    assert seen == [False, True]
    server.resume()
    server.catch_up()
    assert str(anomaly.pk) not in text(desk, pending)
    assert reads_of(decider, pending)[1] != [], "who decided reads from the replica again"


def text(client: Client, path: str) -> str:
    return str(client.get(path).content.decode())


def test_an_export_is_in_the_audit_log_for_who_made_it(desk, server):
    server.pause()
    b"".join(desk.get(f"{LIST}export/csv/"))
    assert "export" in text(desk, "/admin/anomalies/auditlog/")


def test_a_position_is_signed_and_lasts_as_long_as_a_replica_may_be_behind(desk, settings):
    settings.REPLICA_MAX_LAG = 7
    answer = send(desk, page_of(Anomaly.objects.get()), action="acknowledge")
    cookie = answer.cookies["driftlock-position"]
    assert (cookie["max-age"], cookie["httponly"], cookie["samesite"]) == (17, True, "Lax")
    desk.cookies["driftlock-position"] = "FFFFFFFF/FFFFFFFF"
    assert reads_of(desk, LIST)[1] != [], "what nobody signed counts for nothing"


def listed(reader: Any, **headers: str) -> int:
    return len(reader.get("/api/v1/anomalies", **headers).json()["anomalies"])


def test_a_program_that_sends_the_position_of_its_write_reads_it(server, desk):
    writer, reader = program("analyst", "read", "decide"), program("lead", "read")
    server.catch_up()
    server.pause()
    anomaly = Anomaly.objects.get()
    answer = writer.post(
        f"/api/v1/anomalies/{anomaly.pk}/decision", {"action": "acknowledge"}, **{"If-Match": "*"}
    )
    position = answer["Driftlock-Position"]

    def status(program_: Any, **headers: str) -> str:
        return str(program_.get("/api/v1/anomalies", **headers).json()["anomalies"][0]["status"])

    assert status(writer) == "acknowledged", "its token can write, so it reads from the primary"
    assert status(reader) == "pending"
    assert status(reader, **{"Driftlock-Position": position}) == "acknowledged"
    server.resume()
    server.catch_up()
    writer.get("/api/v1/anomalies", **{"Driftlock-Position": position})
    assert replica.last.standing == Standing.USED and status(reader) == "acknowledged"


def test_a_header_that_is_no_position_is_named(server, desk):
    answer = program("lead", "read").get("/api/v1/anomalies", **{"Driftlock-Position": "soon"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Driftlock-Position")


def test_arrivals_count_what_the_replica_did_not_show_yet(desk, server):
    server.pause()
    make_anomaly(glass_box_explanation="after the pause")
    opened = time.monotonic()
    page = text(desk, LIST)
    behind = int(page.split('data-behind="')[1].split('"')[0])
    assert "after the pause" not in page
    server.resume()
    server.catch_up()
    age = behind + round((time.monotonic() - opened) * 1000)
    assert desk.get(f"{LIST}arrivals/", {"age": age}).json()["count"] == 1


# --- limits ----------------------------------------------------------------------------------------------


def test_the_time_limit_of_a_page_holds_on_the_replica_and_is_not_left_there(desk, server, settings):
    settings.PAGE_SECONDS = 0.25
    found = []

    def answer() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            found.append((connection.alias, cursor.fetchone()[0]))
        return None

    DeadlineMiddleware(lambda request: from_replica(request, answer))(RequestFactory().get("/"))
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert (found, cursor.fetchone()[0]) == ([("replica", "250ms")], "0")


def test_nothing_can_be_written_on_the_replica_even_where_it_was_promoted(mortal):
    mortal.promote()
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SHOW default_transaction_read_only")
        assert cursor.fetchone()[0] == "on"


def test_a_fold_within_a_block_that_reads_goes_to_the_primary(desk, server):
    seen = []

    def answer() -> None:
        with reading.on_primary():
            seen.append(connection.alias)
        seen.append(connection.alias)

    reading.read(answer, nullcontext, lambda: None)
    assert seen == ["default", "replica"] and connection.alias == "default"


# --- a replica that is not fit ---------------------------------------------------------------------------


def test_a_replica_too_far_behind_is_not_read_from(desk, server, settings):
    settings.REPLICA_MAX_LAG = 1
    server.pause()
    make_anomaly(glass_box_explanation="after the pause")
    time.sleep(1.2)
    assert "after the pause" in text(desk, LIST)
    assert replica.last.standing == Standing.BEHIND and "too far behind" in text(Client(), "/readyz")


def test_an_idle_primary_leaves_the_replica_fresh(desk, server, settings):
    settings.REPLICA_MAX_LAG = 1
    desk.get(LIST)
    time.sleep(2.5)  # nothing is written, so the last transaction that was replayed is older than is allowed
    server.catch_up()
    assert reads_of(desk, LIST)[1] != []
    assert replica.last.standing == Standing.USED


def test_a_replica_without_a_migration_of_this_version_is_not_read_from(desk, server, monkeypatch):
    monkeypatch.setattr(fitness, "_all", lambda: {("anomalies", "9999_to_come")})
    replica.__init__()
    desk.get(LIST)
    assert replica.last.standing == Standing.OTHER_SCHEMA
    assert reads_of(desk, LIST)[1] == []


def test_a_standby_of_another_server_is_not_read_from(desk, server, monkeypatch):
    monkeypatch.setattr(fitness, "_identifier", lambda one: hash(one.alias))
    replica.__init__()
    desk.get(LIST)
    assert (replica.last.standing, reads_of(desk, LIST)[1]) == (Standing.OTHER_SERVER, [])


def test_a_replica_that_nobody_runs_costs_one_request_and_is_not_asked_again(desk, server, monkeypatch):
    connections[ALIAS].close()
    monkeypatch.setitem(connections[ALIAS].settings_dict, "HOST", "/nowhere")
    replica.__init__()
    assert desk.get(LIST).status_code == 200
    asked = []
    monkeypatch.setattr(state, "_row", lambda *given: asked.append(given))
    assert (desk.get(LIST).status_code, asked, replica.last.standing) == (200, [], Standing.UNREACHABLE)


def test_while_it_is_not_asked_a_thread_that_asked_before_does_not_bring_it_back(desk, server):
    asked_before = replica.ask()
    replica.failed(DatabaseError("gone"))
    replica.last = asked_before
    assert asked_before.standing == Standing.USED and reading.usable(None) is None
    assert reads_of(desk, LIST)[1] == []


# --- what operators read - -----------------------------------------------------------------------------


def test_the_probe_and_the_metrics_say_how_the_replica_stands(desk, server, settings):
    settings.METRICS = True
    assert text(Client(), "/readyz").startswith("ready\nreplica: in use, at most 0.")
    desk.get(LIST)
    found = program("lead", "read").get("/metrics").content.decode()
    assert 'driftlock_replica_standing{standing="used"} 1.0' in found
    assert "driftlock_replica_lag_seconds 0." in found or "driftlock_replica_lag_seconds 1" in found
    assert 'driftlock_replica_reads_total{server="replica"}' in found


def test_check_says_what_is_wrong_with_the_replica(server, capsys, monkeypatch):
    call_command("check", "--deploy", "--tag", "deployment")
    assert "hot_standby_feedback is off" in capsys.readouterr().err
    monkeypatch.setattr(fitness, "_all", lambda: {("anomalies", "9999_to_come")})
    call_command("check", "--deploy", "--tag", "deployment")
    assert "lacks 1 migrations" in capsys.readouterr().err
    connections[ALIAS].close()
    monkeypatch.setitem(connections[ALIAS].settings_dict, "HOST", "/nowhere")
    call_command("check", "--deploy", "--tag", "deployment")
    assert "The replica does not answer" in capsys.readouterr().err


def test_exports_of_both_servers_are_the_same_file(desk, server):
    for number in range(20):
        make_anomaly(glass_box_explanation=f"number {number}")
    server.catch_up()
    path = f"{LIST}export/jsonl/"
    first = b"".join(desk.get(path)).decode().splitlines()
    second = b"".join(desk.get(path)).decode().splitlines()  # by who exported just now: the primary
    assert first == second and len(first) == 21
    assert {json.loads(line)["glass_box_explanation"] for line in first} >= {"number 0", "number 19"}
