"""Concurrent writers: processes, threads, connections and HTTP. DRIFTLOCK_CONCURRENCY sets how many."""

from __future__ import annotations

import http.client
import io
import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, connections
from django.test import Client

from anomalies.audit import Actor, acting
from anomalies.models import Anomaly, AuditLog, DetectionConfig
from anomalies.thresholds import activate
from tests.support.concurrency import at_once, in_processes, share
from tests.support.factories import anomaly_values, make_user
from tests.support.forms import CONFIG, CONFIGS, carried, page_of, send

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

TOKEN = "t" * 32  # a browser's CSRF cookie, and the form's


def make_anomalies(count: int) -> list[UUID]:
    rows = [Anomaly(id=uuid4(), **anomaly_values()) for _ in range(count)]
    return [row.pk for row in Anomaly.objects.bulk_create(rows)]


def decisions() -> list[AuditLog]:
    """The recorded decisions, in the order in which they were made."""
    actions = ("acknowledge", "dismiss", "investigate", "reopen")
    return list(AuditLog.objects.filter(resource_type="anomaly", action__in=actions).order_by("id"))


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


# --- one winner -----------------------------------------------------------------------------------------


def test_of_eight_analysts_in_eight_processes_one_wins_each_and_the_others_are_shown_who():
    ids = [str(pk) for pk in make_anomalies(share(200))]
    names = [f"analyst{number}" for number in range(8)]
    said = in_processes([{"work": "decide_each", "name": name, "ids": ids} for name in names])
    winner = {pk: name for name, each in zip(names, said, strict=True) for pk in each["won"]}
    assert Counter(pk for each in said for pk in each["won"]) == Counter(ids)
    assert {str(e.resource_id): e.username for e in decisions()} == winner
    assert len(decisions()) == len(ids)
    for each in said:
        assert set(each["won"]) | set(each["refused"]) == set(ids)
        for pk, why in each["refused"].items():
            assert why.startswith(f"changed since you saw it: acknowledged by {winner[pk]} at ")


def test_of_eight_analysts_at_their_desks_one_wins_each_and_the_others_see_who():
    ids = make_anomalies(share(25))
    people = [make_user("analyst", f"analyst{number}") for number in range(8)]

    def at_the_desk(person: User) -> Callable[[], dict[UUID, Any]]:
        client = Client()
        client.force_login(person)
        form = {"action": "acknowledge", "version": "1", "note": f"seen by {person}"}
        mine = random.sample(ids, len(ids))
        return lambda: {pk: client.post(page_of(pk), {**form, "batch": str(uuid4())}) for pk in mine}

    answers = at_once([at_the_desk(person) for person in people])
    for pk in ids:
        said = Counter(answer[pk].status_code for answer in answers)
        (entry,) = (entry for entry in decisions() if entry.resource_id == pk)
        assert said == {302: 1, 409: 7}
        for person, answer in zip(people, answers, strict=True):
            page = answer[pk].content.decode()
            assert (answer[pk].status_code == 302) == (person.username == entry.username)
            assert person.username == entry.username or f"acknowledged by {entry.username} at" in page
            assert person.username == entry.username or f"seen by {person}</textarea>" in page.replace(
                "\n", ""
            )


# --- bulks ----------------------------------------------------------------------------------------------


def test_overlapping_bulks_of_six_processes_never_deadlock_and_every_change_is_on_record():
    ids, before = make_anomalies(200), deadlocks()
    task = {"work": "decide_many", "ids": [str(pk) for pk in ids], "goes": share(60), "at_a_time": 50}
    said = in_processes([{**task, "name": f"analyst{number}"} for number in range(6)])
    assert deadlocks() == before
    entries = decisions()
    assert Counter(e.username for e in entries) == {f"analyst{n}": s["decided"] for n, s in enumerate(said)}
    assert all(each["asked"] == each["decided"] + each["refused"] == task["goes"] * 50 for each in said)
    for pk, status, version in Anomaly.objects.values_list("pk", "status", "version"):
        mine = [entry for entry in entries if entry.resource_id == pk]
        steps = ["pending", *[entry.new_values["status"] for entry in mine]]
        assert [entry.old_values["status"] for entry in mine] == steps[:-1]
        assert (status, version) == (steps[-1], len(steps))


# --- the same form, more than once ----------------------------------------------------------------------


def post(address: str, path: str, user_session: str, form: dict[str, Any]) -> http.client.HTTPResponse:
    """As a browser posts a form, over a connection of its own."""
    connected = http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)
    cookies = f"{settings.SESSION_COOKIE_NAME}={user_session}; csrftoken={TOKEN}"
    headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({**form, "csrfmiddlewaretoken": TOKEN}, doseq=True)
    connected.request("POST", path, body, headers)
    answer = connected.getresponse()
    answer.read()
    connected.close()
    return answer


def test_a_form_submitted_four_times_at_once_is_one_change_and_one_record(live_server):
    session = session_of(make_user("analyst", "ana"))
    for pk in make_anomalies(share(20)):
        form = {"action": "dismiss", "reason": "other", "note": "no", "version": "1", "batch": str(uuid4())}
        answers = at_once([lambda pk=pk, f=form: post(live_server.url, page_of(pk), session, f)] * 4)
        assert [answer.status for answer in answers] == [302] * 4
        assert Anomaly.objects.values_list("version", "notes").get(pk=pk) == (2, "no")
        assert AuditLog.objects.filter(resource_id=pk, username="ana").count() == 1


def test_a_list_submitted_four_times_at_once_is_one_change_and_one_record_each(live_server):
    analyst = make_user("analyst", "ana")
    client, session, ids = Client(), session_of(analyst), make_anomalies(50)
    client.force_login(analyst)
    form = carried(client.get("/admin/anomalies/anomaly/"))
    form |= {"action": ["acknowledge"], "index": ["0"], "_selected_action": [str(pk) for pk in ids]}
    job = lambda: post(live_server.url, "/admin/anomalies/anomaly/", session, form)  # noqa: E731
    assert [answer.status for answer in at_once([job] * 4)] == [302] * 4
    assert Counter(entry.resource_id for entry in decisions()) == Counter(ids)
    assert set(Anomaly.objects.values_list("status", "version")) == {("acknowledged", 2)}


def test_a_config_added_four_times_at_once_is_one(live_server):
    lead = make_user("lead", "lea")
    client, session, before = Client(), session_of(lead), DetectionConfig.objects.count()
    client.force_login(lead)
    form = carried(client.get(f"{CONFIGS}add/")) | CONFIG
    answers = at_once([lambda: post(live_server.url, f"{CONFIGS}add/", session, form)] * 4)
    assert [answer.status for answer in answers] == [302] * 4
    assert DetectionConfig.objects.count() == before + 1


# --- configs --------------------------------------------------------------------------------------------


def switching(lead: User, configs: list[int]) -> Callable[[], None]:
    """Switch to one config after another: every second time by saving its form, whatever others did since."""
    client = Client()
    client.force_login(lead)

    def switch() -> None:
        for number in range(share(20)):
            chosen = random.choice(configs)
            if number % 2:
                activate(chosen, Actor(lead.username))
                continue
            form = {**CONFIG, "notes": f"{lead} {number}", "_activate": "Save and make active"}
            assert send(client, f"{CONFIGS}{chosen}/change/", **form).status_code in (302, 409)

    return switch


def watching(stop: threading.Event) -> Callable[[], Counter[int]]:
    """Count active configs repeatedly until stopped; return how often each count occurred."""

    def watch() -> Counter[int]:
        seen: Counter[int] = Counter()
        while not stop.is_set():
            seen[DetectionConfig.objects.filter(is_active=True).count()] += 1
        return seen

    return watch


def test_while_six_switch_configs_there_is_always_exactly_one_active():
    configs = [DetectionConfig.objects.create().pk for _ in range(5)]
    leads = [make_user("lead", f"lead{number}") for number in range(6)]
    before, stop, working = deadlocks(), threading.Event(), itertools.count(1)

    def until_the_last(job: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                job()
            finally:
                if next(working) == len(leads):
                    stop.set()

        return run

    jobs = [until_the_last(switching(lead, configs)) for lead in leads]
    *_, seen = at_once([*jobs, watching(stop)])
    assert set(seen) == {1}
    assert seen[1] > 20
    assert deadlocks() == before
    switches = AuditLog.objects.filter(resource_type="detection_config")
    turned = Counter(switches.filter(action__in=("activate", "deactivate")).values_list("action", flat=True))
    assert turned["activate"] == turned["deactivate"] > 0


# --- a pool of connections ------------------------------------------------------------------------------


@pytest.fixture
def pool() -> Iterator[None]:
    """Every thread but this one has its connections out of a pool of four."""
    options = connections.settings["default"]["OPTIONS"]
    connection.ensure_connection()
    options["pool"] = {"min_size": 4, "max_size": 4, "timeout": 60}
    yield
    connection.close_pool()
    del options["pool"]


def request(handler: WSGIHandler, user_session: str, address: str, pk: UUID, form: dict[str, str]) -> str:
    """One request through the whole stack, as a server makes it; the answer's status."""
    body = urlencode({**form, "csrfmiddlewaretoken": TOKEN}).encode()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": page_of(pk),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": address,
        "HTTP_COOKIE": f"{settings.SESSION_COOKIE_NAME}={user_session}; csrftoken={TOKEN}",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    said: list[str] = []
    answer = handler(environ, lambda status, headers: said.append(status))
    b"".join(answer)
    answer.close()
    return said[0][:3]


def test_over_a_pool_of_four_no_change_has_another_ones_name_address_or_batch(pool):
    people = [make_user("analyst", f"analyst{number}") for number in range(8)]
    sessions = [session_of(person) for person in people]
    total, whole = share(10_000), share(1_000)
    ids, handler = [make_anomalies(50) for _ in people], WSGIHandler()

    def work(me: int) -> Callable[[], dict[str, tuple[str, str | None]]]:
        """The expected user and address by batch."""
        said: dict[str, tuple[str, str | None]] = {}
        versions = dict.fromkeys(ids[me], 1)

        def through_the_stack(number: int, pk: UUID, batch: UUID) -> None:
            address = f"10.{me}.{number // 250}.{number % 250 + 1}"
            form = {
                "action": "note",
                "note": f"{me} {number}",
                "version": str(versions[pk]),
                "batch": str(batch),
            }
            assert request(handler, sessions[me], address, pk, form) == "302"
            said[str(batch)] = (people[me].username, address)

        def by_the_rules(number: int, pk: UUID, batch: UUID) -> None:
            name = f"{people[me]} {number}"
            with acting(Actor(name, f"10.{me}.0.9"), batch=str(batch)):
                Anomaly.objects.filter(pk=pk).update(notes=f"{me} {number}")
            said[str(batch)] = (name, f"10.{me}.0.9")
            connection.close()

        def by_nobody(number: int, pk: UUID, batch: UUID) -> None:
            Anomaly.objects.filter(pk=pk).update(notes=f"nobody {me} {number}")
            connection.close()

        def run() -> dict[str, tuple[str, str | None]]:
            for number in range(total // len(people)):
                pk = random.choice(ids[me])
                way = by_nobody if number % 5 == 4 else by_the_rules
                if number < whole // len(people):
                    way = through_the_stack
                way(number, pk, uuid4())
                versions[pk] += 1
            return said

        return run

    should_be = {batch: who for each in at_once([work(me) for me in range(8)]) for batch, who in each.items()}
    pooled = connection.pool.get_stats()
    assert pooled["pool_max"] == 4
    assert pooled["requests_num"] >= total // len(people) * len(people)
    notes = AuditLog.objects.filter(resource_type="anomaly", action="update")
    found = {
        e.metadata["batch"]: (e.username, e.ip_address) for e in notes if e.metadata["batch"] in should_be
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        (nobody,) = cursor.fetchone()
    assert found == should_be
    others = [e.username for e in notes if e.metadata["batch"] not in should_be]
    assert set(others) == {nobody}
    assert len(found) + len(others) == notes.count() == total // len(people) * len(people)
