"""A replica that lags, dies, freezes, is in conflict with replay or is promoted, under requests: 0 errors."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import nullcontext
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import OperationalError, connection, connections, transaction
from django.test import Client

from anomalies.admin.list import changelist
from anomalies.replica import reading
from anomalies.replica.state import ALIAS, Standing, replica
from anomalies.replica.timeout import socket_closed_after
from tests.replica.traffic import Traffic
from tests.support.databases import run
from tests.support.factories import make_anomaly
from tests.support.forms import LIST
from tests.support.processes import wait_until
from tests.support.programs.standby import Standby, read_from

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture(autouse=True)
def impatient(settings):
    settings.REPLICA_MAX_LAG, settings.PAGE_SECONDS = 1, 5


def stands(standing: Standing) -> None:
    """Wait until requests have found the replica so."""
    wait_until(lambda: replica.last.standing == standing, 60)


# --- under requests --------------------------------------------------------------------------------------


def test_requests_go_on_while_the_replica_is_killed_and_comes_back(mortal):
    with Traffic().running() as traffic:
        stands(Standing.USED)
        traffic.go_on()
        for _ in range(2):
            mortal.kill()
            stands(Standing.UNREACHABLE)
            traffic.go_on()
            mortal.start()
            stands(Standing.USED)
            traffic.go_on()
    assert traffic.wrong == []


def test_requests_go_on_while_the_replica_lags_and_catches_up(mortal):
    with Traffic().running() as traffic:
        stands(Standing.USED)
        mortal.pause()
        stands(Standing.BEHIND)
        traffic.go_on()
        mortal.resume()
        stands(Standing.USED)
        traffic.go_on()
    assert traffic.wrong == []


def test_requests_go_on_while_the_replica_is_frozen(mortal):
    with Traffic().running() as traffic:
        stands(Standing.USED)
        mortal.signal(signal.SIGSTOP)
        try:
            stands(Standing.UNREACHABLE)
            traffic.go_on()
        finally:
            mortal.signal(signal.SIGCONT)
        stands(Standing.USED)
        traffic.go_on()
    assert traffic.wrong == []


def test_requests_go_on_when_the_replica_is_promoted_and_nothing_of_it_is_shown(mortal):
    with Traffic().running() as traffic:
        stands(Standing.USED)
        mortal.promote()
        mortal.run("SET session_replication_role = replica; DELETE FROM anomalies")
        traffic.go_on()
        stands(Standing.NO_STANDBY)
        traffic.go_on()
    assert traffic.wrong == []
    assert mortal.run("SELECT count(*) FROM anomalies") == 0


# --- in the middle of an answer --------------------------------------------------------------------------


def counted_while(happens: Any) -> tuple[int, list[str]]:
    """A count that takes its time on the replica while something happens; where it was asked."""
    asked, thread = [], threading.Timer(0.3, happens)

    def answer() -> int:
        asked.append(connection.alias)
        with connection.cursor() as cursor:
            if connection.alias == ALIAS:
                thread.start()
            cursor.execute("SELECT count(*) FROM anomalies, pg_sleep(%s)", [30 if len(asked) == 1 else 0])
            return int(cursor.fetchone()[0])

    assert reading.usable(None) is not None
    count = reading.read(answer, nullcontext, lambda: None)
    thread.join()
    return count, asked


def test_a_statement_that_is_in_conflict_with_replay_is_repeated_and_the_replica_stays_in_use(
    transactional_db,
):
    make_anomaly()
    with Standby(max_standby_streaming_delay="0") as server, read_from(server):
        assert counted_while(lock_for_a_moment) == (1, ["replica", "default"])
        server.catch_up()
        assert reading.usable(None) is not None


def lock_for_a_moment() -> None:
    """Lock the table as a migration does; replay waits for nobody here, and so ends who reads it there."""
    try:
        with transaction.atomic():
            run("LOCK TABLE anomalies IN ACCESS EXCLUSIVE MODE")
    finally:
        connections.close_all()


def test_a_statement_that_the_replicas_death_ends_is_repeated(mortal):
    make_anomaly()
    mortal.catch_up()
    assert counted_while(mortal.kill) == (1, ["replica", "default"])
    assert replica.last.standing == Standing.UNREACHABLE


def test_a_statement_on_a_replica_that_freezes_is_cut_off_and_repeated(mortal, settings):
    settings.PAGE_SECONDS = 1
    make_anomaly()
    mortal.catch_up()
    began = time.monotonic()
    try:
        assert counted_while(lambda: mortal.signal(signal.SIGSTOP)) == (1, ["replica", "default"])
    finally:
        mortal.signal(signal.SIGCONT)
    assert time.monotonic() - began < 20


def test_a_silent_connection_is_cut_off_after_its_time(transactional_db):
    [(pid,)] = run("SELECT pg_backend_pid()")
    began = time.monotonic()
    with pytest.raises(OperationalError), socket_closed_after(0.3, connection_of_this_thread()):
        run("SELECT pg_sleep(60)")
    connection.close()
    assert time.monotonic() - began < 20
    run("SELECT pg_terminate_backend(%s)", pid)  # the server has not noticed
    with socket_closed_after(60, connection_of_this_thread()):
        assert run("SELECT 1") == [(1,)]


def connection_of_this_thread() -> Any:
    """A function that gives it to another thread."""
    wrapper = connections["default"]
    return lambda: wrapper.connection


def test_a_page_that_fails_on_the_replica_is_answered_once_with_its_messages_once(mortal, lead, monkeypatch):
    client, figures, failed = Client(), changelist.facets.figures, []
    client.force_login(lead)

    def fails_there(*given: Any, **named: Any) -> Any:
        if connection.alias == ALIAS:
            failed.append(connection.alias)
            run("SELECT pg_terminate_backend(pg_backend_pid())")
        return figures(*given, **named)

    mortal.catch_up()
    monkeypatch.setattr(changelist.facets, "figures", fails_there)
    answer = client.get(f"{LIST}?nonsense=1")
    assert (answer.status_code, failed) == (200, [ALIAS])
    assert len(list(get_messages(answer.wsgi_request))) == 1
    assert answer.content.decode().count("Unknown filter") == 1


def test_an_error_that_a_view_suppresses_on_the_replica_is_no_answer(mortal):
    asked = []

    def answer() -> str:
        asked.append(connection.alias)
        try:
            run("SELECT 1 / (CASE WHEN pg_is_in_recovery() THEN 0 ELSE 1 END)")
        except Exception:
            return "nothing"
        return "something"

    assert reading.read(answer, nullcontext, lambda: None) == "something"
    assert asked == ["replica", "default"]


def test_an_error_that_is_not_the_databases_is_raised_once(mortal):
    asked = []

    def answer() -> None:
        asked.append(connection.alias)
        raise LookupError

    with pytest.raises(LookupError):
        reading.read(answer, nullcontext, lambda: None)
    assert (asked, connection.alias) == (["replica"], "default")


# --- an export -------------------------------------------------------------------------------------------


def test_an_export_whose_replica_dies_goes_on_with_the_next_row(mortal, lead):
    for number in range(450):
        make_anomaly(glass_box_explanation=f"number {number}")
    run("UPDATE anomalies SET timestamp = 'infinity' WHERE glass_box_explanation LIKE '%7'")
    mortal.catch_up()
    client = Client()
    client.force_login(lead)
    reader = iter(client.get(f"{LIST}export/csv/").streaming_content)
    head = [next(reader) for _ in range(30)]
    assert connection.alias == "default", "between two pieces the connection is the thread's own"
    mortal.kill()
    interrupted = b"".join([*head, *reader])
    assert interrupted == b"".join(client.get(f"{LIST}export/csv/"))
    assert interrupted.count(b"number ") == 450
    assert replica.last.standing == Standing.UNREACHABLE


def test_an_export_that_its_reader_leaves_frees_the_replica(mortal, lead):
    for _ in range(3):
        make_anomaly()
    mortal.catch_up()
    client = Client()
    client.force_login(lead)
    answer = client.get(f"{LIST}export/csv/")
    next(iter(answer.streaming_content))
    answer.close()
    assert connections[ALIAS].in_atomic_block is False
    assert connection.alias == "default"
