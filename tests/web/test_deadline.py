"""The time limit of a page's database work: real locks and sleeps, and limits far below five seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, ProgrammingError, connection, transaction
from django.test import Client, RequestFactory, override_settings

from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.web.error_pages import database_error_page
from anomalies.web.middleware import Deadline
from tests.support.factories import make_anomaly
from tests.support.forms import send

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

LIST = "/admin/anomalies/anomaly/"
STREAMS = "/admin/anomalies/streamstatistics/"
CONFIGS = "/admin/anomalies/detectionconfig/"


@pytest.fixture
def desk(analyst) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(analyst)
    return client


@contextmanager
def somebody(statement: str, seconds: float = 0.3) -> Iterator[None]:
    """Somebody else's transaction, which did this and stays open; a page gets so many seconds while it does.

    Before and after it is the tests' usual limit, which no busy machine reaches.
    """
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(statement)
        with override_settings(PAGE_SECONDS=seconds):
            yield
    finally:
        other.rollback()
        other.close()


@contextmanager
def bounded(deadline: Deadline) -> Iterator[None]:
    """Inside, the deadline limits the work; afterwards the connection is reset."""
    try:
        with connection.execute_wrapper(deadline):
            yield
    finally:
        deadline.end()


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def setting(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


def limit() -> str:
    return setting("statement_timeout")


def status_of(anomaly: Anomaly) -> str:
    return Anomaly.objects.values_list("status", flat=True).get(pk=anomaly.pk)


def goes_on_waiting(work: Callable[[], Any], seconds: float = 0.3) -> bool:
    """Return True if the work still runs after twice the limit while the table is locked; it then ends."""

    def run() -> None:
        work()
        connection.close()

    with somebody(LOCKED, seconds):
        waiting = threading.Thread(target=run)
        waiting.start()
        waiting.join(0.6)
        at_it = waiting.is_alive()
    waiting.join(600)
    return at_it and not waiting.is_alive()


LOCKED = "LOCK TABLE anomalies IN ACCESS EXCLUSIVE MODE"
ROWS_LOCKED = "SELECT 1 FROM anomalies FOR UPDATE"


# --- the page that says so --------------------------------------------------------------------------------


def test_a_list_that_takes_too_long_answers_503_in_words(desk):
    with somebody(LOCKED):
        answer = desk.get(f"{LIST}?q=deadlock")
    assert (answer.status_code, answer["Cache-Control"]) == (503, "no-store")
    assert "The query took longer than 0.3 s and was cancelled" in answer.content.decode()


def test_a_count_that_takes_too_long_while_the_rows_are_rendered_answers_503_and_the_connection_goes_on(desk):
    make_anomaly()
    with somebody("LOCK TABLE performance_metrics IN ACCESS EXCLUSIVE MODE"):  # read by the count alone
        assert desk.get(LIST).status_code == 503
    assert (desk.get(LIST).status_code, limit()) == (200, "0")


def test_its_page_leads_to_the_list_without_filters(desk):
    with somebody(LOCKED):
        page = desk.get(f"{LIST}?q=deadlock&status=pending").content.decode()
    assert f'<a href="{LIST}">Open the page without filters</a>' in page
    assert f'<a href="{LIST}?q=deadlock&amp;status=pending">try again</a>' in page


def test_its_page_takes_no_query(desk):
    with somebody(LOCKED):
        answer = desk.get(LIST)
    assert "user-tools" not in answer.content.decode()


def test_it_is_logged_with_the_path_made_printable(desk, caplog):
    with somebody(LOCKED):
        desk.get(f"{STREAMS}%1B%5B2J/change/")
    assert [
        record.getMessage() for record in caplog.records if record.name == "anomalies.web.error_pages"
    ] == [f"took longer than 0.3 s: GET {STREAMS}\\x1b[2J/change/"]


def test_the_session_that_cannot_be_saved_in_time_answers_503_too(desk, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    with somebody("LOCK TABLE django_session IN SHARE MODE"):
        assert desk.get(LIST).status_code == 503


def test_a_page_within_the_limit_is_shown(desk):
    make_anomaly()
    assert desk.get(LIST).status_code == 200


def test_nought_means_no_limit(desk):
    assert goes_on_waiting(lambda: desk.get(LIST), seconds=0)


# --- decisions --------------------------------------------------------------------------------------------


def test_a_decision_that_takes_too_long_changes_nothing_and_says_so(desk):
    anomaly = make_anomaly()
    page = f"{LIST}{anomaly.pk}/change/"
    opened, recorded = desk.get(page), AuditLog.objects.count()
    with somebody(ROWS_LOCKED):
        answer = send(desk, page, opened, action="acknowledge", note="real")
    assert (answer.status_code, "Nothing was changed" in answer.content.decode()) == (503, True)
    assert (status_of(anomaly), AuditLog.objects.count()) == ("pending", recorded)


def test_a_bulk_decision_that_takes_too_long_changes_no_row(desk):
    free, held = make_anomaly(), make_anomaly()
    ticked = {"action": "investigate", "index": "0", "_selected_action": [str(free.pk), str(held.pk)]}
    opened = desk.get(LIST)
    with somebody(f"{ROWS_LOCKED.removesuffix('FOR UPDATE')} WHERE id = '{held.pk}' FOR UPDATE"):
        answer = send(desk, LIST, opened, **ticked)
    assert (answer.status_code, "Nothing was changed" in answer.content.decode()) == (503, True)
    assert (status_of(free), status_of(held)) == ("pending", "pending")


def test_a_switch_of_configs_that_takes_too_long_leaves_the_old_one_active(lead):
    client, old = Client(raise_request_exception=False), DetectionConfig.objects.get(is_active=True)
    client.force_login(lead)
    new = DetectionConfig.objects.create()
    opened = client.get(CONFIGS)
    with somebody("SELECT 1 FROM detection_config FOR UPDATE"):
        answer = send(client, CONFIGS, opened, action="make_active", _selected_action=new.pk, index="0")
    assert answer.status_code == 503
    assert DetectionConfig.objects.get(is_active=True) == old


def failure_after(deadline: Deadline) -> Any:
    """The page for a statement that was cancelled, in a POST with this deadline."""
    request = RequestFactory().post(LIST)
    request.deadline = deadline
    with bounded(deadline), pytest.raises(OperationalError) as error:
        sleep(600)
    return database_error_page(request, error.value)


def test_where_something_was_committed_before_the_page_does_not_say_nothing_was_changed():
    deadline = Deadline(0.3)
    with bounded(deadline), transaction.atomic():
        make_anomaly()
    page = failure_after(deadline).content.decode()
    assert ("Nothing was changed" in page, "Some of your changes were saved" in page) == (False, True)


def test_what_was_taken_back_does_not_count_as_done():
    deadline = Deadline(0.3)
    with bounded(deadline), transaction.atomic():
        make_anomaly()
        transaction.set_rollback(True)
    assert "Nothing was changed" in failure_after(deadline).content.decode()


# --- the budget -------------------------------------------------------------------------------------------


def test_many_statements_share_one_budget():
    done = 0
    with bounded(Deadline(0.6)), pytest.raises(OperationalError):
        for _ in range(10):
            sleep(0.2)
            done += 1
    assert done <= 4


def test_a_limit_set_in_a_transaction_that_is_taken_back_is_set_again():
    with bounded(Deadline(0.3)):
        with transaction.atomic():
            Anomaly.objects.exists()
            transaction.set_rollback(True)
        with pytest.raises(OperationalError):
            sleep(600)


def test_a_limit_set_before_a_savepoint_that_is_taken_back_holds():
    with bounded(Deadline(0.3)), pytest.raises(OperationalError), transaction.atomic():
        with transaction.atomic():
            Anomaly.objects.exists()
            transaction.set_rollback(True)
        sleep(600)


def test_a_statement_that_fails_in_a_savepoint_late_in_the_budget_is_rolled_back_alone():
    with bounded(Deadline(60)), transaction.atomic():
        with pytest.raises(ProgrammingError), transaction.atomic():
            sleep(0.5)  # enough that the remaining time is due to be set again
            Anomaly.objects.raw("SELECT nowhere")[0]
        assert Anomaly.objects.count() == 0


# --- nobody else's ----------------------------------------------------------------------------------------


PLANNED = ("jit", "max_parallel_workers_per_gather", "random_page_cost", "work_mem")


@pytest.mark.parametrize("path", [LIST, f"{LIST}?o=%00", "/admin/nowhere/", "/admin/login/"])
def test_the_connection_is_given_back_without_the_limit(desk, path):
    former = [setting(name) for name in PLANNED]
    desk.get(path)
    assert (limit(), [setting(name) for name in PLANNED]) == ("0", former)


@pytest.mark.parametrize(("given", "used"), [("4MB", "16MB"), ("64MB", "64MB")])
def test_a_request_is_planned_for_few_rows_uncompiled_with_memory_for_what_an_index_finds(given, used):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, false), set_config('jit', 'on', false)", [given])
    with bounded(Deadline(1)):
        assert [setting(name) for name in PLANNED] == ["off", "0", "1.1", used]
    connection.close()


def test_after_a_page_that_took_too_long_the_connection_has_no_limit(desk):
    with somebody(LOCKED):
        desk.get(LIST)
    assert limit() == "0"


def test_a_limit_that_the_operator_gave_the_connection_is_there_again(desk):
    with connection.cursor() as cursor:
        cursor.execute("SELECT format('ALTER ROLE %I SET statement_timeout = ''77s''', current_user)")
        cursor.execute(cursor.fetchone()[0])
    connection.close()
    try:
        desk.get(LIST)
        assert limit() == "77s"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT format('ALTER ROLE %I RESET statement_timeout', current_user)")
            cursor.execute(cursor.fetchone()[0])
        connection.close()


def test_a_command_is_not_bound(capsys):
    make_anomaly()
    assert goes_on_waiting(lambda: call_command("stats"))
