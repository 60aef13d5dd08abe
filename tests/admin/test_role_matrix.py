"""Every address, method and role, as docs/permissions.md has it; and what a form may change for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.urls.exceptions import Resolver404

from anomalies.audit import Actor
from anomalies.models import (
    Anomaly,
    ApiToken,
    DetectionConfig,
    NotificationDelivery,
    NotificationRule,
    OwnershipRule,
    PerformanceMetric,
    Team,
    TriageRule,
)
from anomalies.triage.decisions import decide
from tests.support.forms import carried
from tests.support.people import ROLES, TABLE, body_of, browser_of, outcome, path_of, rows_by_table, table
from tests.support.sizes import variants

pytestmark = pytest.mark.django_db

MATRIX = table()
ADDRESSES = sorted({row.address for row in MATRIX})
PEOPLE = ROLES[1:]
FOR_PROGRAMS = ("api/", "v1/", "(?:api|v1)/", "metrics")
OTHER_METHODS = ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
each_role = pytest.mark.parametrize("role", ROLES)


def ask(browser: Client, method: str, address: str, rows: dict[str, str], **forged: Any) -> Any:
    """The answer; what it did is taken back, from the database and from the browser."""
    with transaction.atomic():
        cookies = copy(browser.cookies)
        try:
            return send(browser, method, address, rows, **forged)
        finally:
            browser.cookies = cookies
            transaction.set_rollback(True)


def send(browser: Client, method: str, address: str, rows: dict[str, str], **forged: Any) -> Any:
    path = path_of(address, rows)
    if method == "POST":
        return browser.post(path, {**forged, **_carried(browser, address, path), **body_of(address)})
    query = "?app_label=auth&model_name=user&field_name=groups" if "autocomplete" in address else ""
    return browser.generic(method, path + query)


def _carried(browser: Client, address: str, path: str) -> dict[str, Any]:
    """The versions that a form was opened with; a batch is no decision of another try."""
    if not address.endswith(("anomaly/ID/change/", "detectionconfig/ID/change/")):
        return {}
    page = browser.get(path)
    return (
        {n: v for n, v in carried(page).items() if n in ("version", "entry", "batch")} if page.content else {}
    )


# --- the table is whole -----------------------------------------------------------------------------------


def routes(patterns: list[Any], before: str = "") -> Iterator[str]:
    """Every route of the URLconf, as ``resolve`` names it."""
    for pattern in patterns:
        route = before + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def route_of(address: str) -> str | None:
    try:
        return resolve(address.replace("/r/ID/", "/r/7/8/").replace("ID", "7")).route
    except Resolver404:
        return None


def test_every_route_of_the_urlconf_is_in_the_table_and_no_other():
    documented = {route_of(row.address) for row in MATRIX if row.address != "/nowhere/"}
    # Those of programs are in a table of their own (tests/api/test_access.py).
    pages = {route for route in routes(get_resolver().url_patterns) if not route.startswith(FOR_PROGRAMS)}
    assert documented == pages


def test_every_address_is_there_with_get_and_with_post_once():
    assert sorted((row.address, row.method) for row in MATRIX) == sorted(
        (address, method) for address in {row.address for row in MATRIX} for method in ("GET", "POST")
    )


# --- the table is true ------------------------------------------------------------------------------------


@each_role
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_role_gets_what_the_table_says(role, method):
    rows, browser = rows_by_table(), browser_of(role)
    lines = [row for row in MATRIX if row.method == method]
    said = {row.address: outcome(ask(browser, method, row.address, rows)) for row in lines}
    assert said == {row.address: row.outcomes[role] for row in lines}


@each_role
def test_head_is_answered_as_get(role):
    rows, browser = rows_by_table(), browser_of(role)
    lines = [row for row in MATRIX if row.method == "GET"]
    said = {row.address: outcome(ask(browser, "HEAD", row.address, rows)) for row in lines}
    # Django's login page leads on where it is opened, and not where it is asked for its head.
    assert said == {row.address: row.outcomes[role] for row in lines} | {"/admin/login/": "shows"}


@pytest.mark.parametrize(("role", "method"), variants(product(ROLES, OTHER_METHODS)))
def test_any_other_method_is_405_everywhere(role, method):
    rows, browser = rows_by_table(), browser_of(role)
    before = snapshot()
    answers = {address: ask(browser, method, address, rows).status_code for address in ADDRESSES}
    assert set(answers.values()) == {405}
    assert snapshot() == before


# --- what a form may change -------------------------------------------------------------------------------

SET_BY_FORMS = {
    f"detectionconfig.{name}"
    for name in (
        "ncd_threshold p_value_threshold baseline_size window_size hop_size stream_overrides notes "
        "updated_at version"
    ).split()
}
DECIDERS, LEADS = {"analyst", "lead", "superuser"}, {"lead", "superuser"}
MAY = {
    "/admin/password_change/": (set(PEOPLE), {"own.password"}),
    "/admin/anomalies/anomaly/ID/change/": (
        DECIDERS,
        {"anomaly.notes", "anomaly.updated_at", "anomaly.version"},
    ),
    "/admin/anomalies/apitoken/add/": (set(PEOPLE), {"apitoken new"}),
    "/admin/anomalies/notificationrule/add/": (LEADS, {"notificationrule new"}),
    "/admin/anomalies/notificationrule/ID/test/": (LEADS, {"notificationdelivery new"}),
    "/admin/anomalies/ownershiprule/add/": (LEADS, {"ownershiprule new"}),
    "/admin/anomalies/ownershiprule/ID/change/": (
        LEADS,
        {"ownershiprule.name", "ownershiprule.assign_to", "ownershiprule.enabled"},
    ),
    "/admin/anomalies/ownershiprule/team/": (LEADS, {"team new"}),
    "/admin/anomalies/triagerule/add/": (LEADS, {"triagerule new"}),
    "/admin/anomalies/apitoken/ID/delete/": ({"superuser"}, {"apitoken gone"}),
    "/admin/anomalies/detectionconfig/add/": (LEADS, {"detectionconfig new"}),
    "/admin/anomalies/detectionconfig/ID/change/": (LEADS, SET_BY_FORMS),
}


def forged() -> dict[str, Any]:
    """Everything that somebody could think of sending with a form."""
    mallory = dict.fromkeys(
        "acknowledged_by dismissed_by investigating_by created_by username".split(), "mallory"
    )
    yes = dict.fromkeys("is_superuser is_staff is_active is_statistically_significant success".split(), "on")
    when = dict.fromkeys(
        "timestamp created_at updated_at acknowledged_at last_login".split(), "2020-01-01 00:00"
    )
    figures = dict.fromkeys("ncd_score p_value novelty confidence_level duration_ms".split(), "0.123")
    rights = {
        "groups": [str(pk) for pk in Group.objects.values_list("pk", flat=True)],
        "permissions": [str(pk) for pk in Permission.objects.values_list("pk", flat=True)[:5]],
        "user_permissions": [str(pk) for pk in Permission.objects.values_list("pk", flat=True)[:5]],
    }
    others = {
        "status": "dismissed",
        "dismissal_reason": "other",
        "tags": "forged",
        "metadata": "{}",
        "id": "7",
    }
    return {
        **mallory,
        **yes,
        **when,
        **figures,
        **rights,
        **others,
        "password": "x",
        "name": "x",
        "_save": "1",
    }


def snapshot() -> dict[tuple[str, Any], dict[str, Any]]:
    """Every row that a form could be after, rights included; sessions and the record aside."""
    rows: dict[tuple[str, Any], dict[str, Any]] = {}
    ours = (Anomaly, ApiToken, DetectionConfig, NotificationDelivery, NotificationRule, PerformanceMetric)
    for model in (*ours, OwnershipRule, Team, TriageRule, User, Group, Authenticator):
        rows |= {
            (model._meta.model_name, row["pk"]): row for row in model.objects.values("pk", *columns(model))
        }
    for number, kind in enumerate((User.groups, User.user_permissions, Group.permissions)):
        for row in kind.through.objects.values():
            rows["rights", (number, row["id"])] = row
    return rows


def columns(model: Any) -> list[str]:
    follows = ("last_login", "search_document")  # from a login, from the notes
    return [field.attname for field in model._meta.concrete_fields if field.attname not in follows]


def changes(before: dict[Any, Any], after: dict[Any, Any], own: Any = None) -> set[str]:
    """The changes of the rows: ``table.column``, ``table new``, ``table gone``."""
    found = {f"{table} gone" for table, pk in before.keys() - after.keys()}
    found |= {f"{table} new" for table, pk in after.keys() - before.keys()}
    for key in before.keys() & after.keys():
        table = "own" if key == ("user", own) else key[0]
        found |= {f"{table}.{name}" for name, value in after[key].items() if before[key][name] != value}
    return found


def changed_by(
    addresses: Iterable[str], browser: Client, rows: dict[str, str], own: Any
) -> dict[str, set[str]]:
    """The changes made by each address's form, sent with every forgeable field; they are rolled back."""
    before, cookies, fields, found = snapshot(), copy(browser.cookies), forged(), {}
    for address in addresses:
        with transaction.atomic():
            send(browser, "POST", address, rows, **fields)
            found[address] = changes(before, snapshot(), own)
            transaction.set_rollback(True)
        browser.cookies = copy(cookies)
    return found


@each_role
def test_a_form_with_more_fields_than_it_has_changes_only_what_the_role_may(role):
    rows, browser = rows_by_table(), browser_of(role)
    own = User.objects.filter(username__in=(f"the {role}", "root")).values_list("pk", flat=True).first()
    addresses = ADDRESSES
    if role == "superuser":  # who may change all of users and groups
        addresses = [address for address in addresses if not address.startswith("/admin/auth/")]
    changed = changed_by(addresses, browser, rows, own)
    may = {address: what for address, (who, what) in MAY.items() if role in who}
    assert {address: what for address, what in changed.items() if what - may.get(address, set())} == {}
    assert {address for address, what in changed.items() if what} == set(may)


@pytest.mark.parametrize("role", sorted(LEADS))
def test_a_new_config_takes_neither_id_nor_maker_nor_being_active_from_the_form(role):
    browser = browser_of(role)
    active = DetectionConfig.objects.get(is_active=True)
    browser.post(
        "/admin/anomalies/detectionconfig/add/", {**forged(), **body_of("/detectionconfig/"), "id": "777"}
    )
    new = DetectionConfig.objects.latest("id")
    assert (new.is_active, new.pk == 777, "mallory" in new.created_by) == (False, False, False)
    assert DetectionConfig.objects.get(is_active=True) == active


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_save_and_make_active_is_refused_to_who_may_not(role):
    rows, browser = rows_by_table(), browser_of(role)
    before = snapshot()
    answer = send(browser, "POST", "/admin/anomalies/detectionconfig/ID/change/", rows, _activate="1")
    assert (answer.status_code, snapshot() == before) == (403, True)


def test_a_decision_by_an_analyst_has_the_analysts_name_whatever_is_sent():
    rows, browser = rows_by_table(), browser_of("analyst")
    path = path_of("/admin/anomalies/anomaly/ID/change/", rows)
    browser.post(path, {**forged(), **carried(browser.get(path)), "action": "acknowledge"})
    anomaly = Anomaly.objects.get()
    assert (anomaly.status, anomaly.acknowledged_by, anomaly.dismissed_by) == (
        "acknowledged",
        "the analyst",
        None,
    )
    assert (anomaly.ncd_score, anomaly.tags, anomaly.dismissal_reason) == (0.7, ["db"], None)


# --- actions ----------------------------------------------------------------------------------------------


def actions() -> list[tuple[str, str, dict[str, str]]]:
    lines = TABLE.read_text().split("## Actions on lists")[1].split("\n## ")[0].splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")
    ][1:]
    return [(name, action, dict(zip(PEOPLE, said, strict=True))) for name, action, *said in cells]


def offered(browser: Client, path: str) -> set[str]:
    """The actions on a list's page."""
    form = browser.get(path).context["action_form"]
    return {value for value, _ in form.fields["action"].choices if value} if form else set()


def list_path(name: str) -> str:
    return f"/admin/{'auth' if name in ('user', 'group') else 'anomalies'}/{name}/"


@pytest.mark.parametrize("role", PEOPLE)
def test_a_list_offers_the_actions_that_the_table_names_and_no_other(role):
    rows_by_table()
    browser = browser_of(role)
    found, said = {}, {}
    for name in {name for name, _, _ in actions()}:
        said[name] = {action for table, action, roles in actions() if table == name and roles[role] == "done"}
        may = browser.get(list_path(name)).status_code != 403
        found[name] = offered(browser, list_path(name)) if may else said[name]
    assert found == said


@pytest.mark.parametrize("role", PEOPLE)
def test_an_action_is_done_for_who_may_and_for_nobody_else(role):
    rows, browser = rows_by_table(), browser_of(role)
    done = {}
    for name, action, _ in actions():
        with transaction.atomic():
            done[name, action] = does_something(browser, rows, name, action)
            transaction.set_rollback(True)
    assert done == {(name, action): roles[role] == "done" for name, action, roles in actions()}


def does_something(browser: Client, rows: dict[str, str], name: str, action: str) -> bool:
    """Take the action on a list; return True if it changed a row."""
    if action == "reopen":
        decide("dismiss", Anomaly.objects.values_list("pk", flat=True), Actor("bob"), reason="other")
    ApiToken.objects.update(owner=browser.session["_auth_user_id"])
    Authenticator.objects.create(user_id=rows["user"], type="totp", data={})
    before = snapshot()
    sent = {"action": action, "_selected_action": rows[name], "index": "0", "post": "yes", "reason": "other"}
    own = User.objects.get(pk=browser.session["_auth_user_id"]).username
    sent |= {"to": own, "span": "24"} | ({} if action == "assign_to_me" else {"confirmed": "on"})
    shown = {"expected": [f"{rows[name]}={2 if action == 'reopen' else 1}"], "batch": [str(uuid4())]}
    page = carried(browser.get(list_path(name)))
    browser.post(list_path(name), {**shown, **page, **sent, "note": ""})
    return snapshot() != before


# --- a role that is taken away ----------------------------------------------------------------------------

DECISION = "/admin/anomalies/anomaly/ID/change/"


def test_who_loses_a_role_is_refused_at_the_next_click():
    rows, browser = rows_by_table(), browser_of("analyst")
    User.objects.get(username="the analyst").groups.clear()
    before = snapshot()
    assert send(browser, "GET", DECISION, rows).status_code == 403
    assert send(browser, "POST", DECISION, rows).status_code == 403
    assert snapshot() == before


def test_an_analyst_who_becomes_a_viewer_may_look_and_not_decide():
    rows, browser = rows_by_table(), browser_of("analyst")
    User.objects.get(username="the analyst").groups.set(Group.objects.filter(name="viewer"))
    assert ask(browser, "GET", DECISION, rows).status_code == 200
    assert ask(browser, "POST", DECISION, rows).status_code == 403


@pytest.mark.parametrize(("role", "gone"), variants(product(PEOPLE, ["is_active", "is_staff"])))
def test_who_is_deactivated_is_sent_to_the_login_page_whatever_cookies_there_are(role, gone):
    rows, browser, fields = rows_by_table(), browser_of(role), forged()
    User.objects.exclude(username="somebody").update(**{gone: False})
    anonymous = {(row.address, row.method): row.outcomes["anonymous"] for row in MATRIX}
    said = {key: outcome(ask(browser, key[1], key[0], rows)) for key in anonymous}
    # Django's login page leads on, and its logout page shows, for whoever has a session.
    differs = {address for (address, method), what in said.items() if what != anonymous[address, method]}
    assert differs <= {"/admin/login/", "/admin/logout/"}
    before = snapshot()
    for address in sorted(ADDRESSES, key="/admin/logout/".__eq__):  # what ends the session comes last
        send(browser, "POST", address, rows, **fields)
    assert snapshot() == before


def test_a_changed_password_ends_the_other_sessions():
    rows, one = rows_by_table(), browser_of("viewer")
    other = Client()
    other.post("/admin/login/", {"username": "the viewer", "password": "password"})
    send(one, "POST", "/admin/password_change/", rows)
    assert [outcome(ask(browser, "GET", "/admin/", rows)) for browser in (one, other)] == ["shows", "login"]


def test_staff_without_a_role_sees_an_empty_desk():
    User.objects.create_user("new", password="password", is_staff=True)
    rows, browser = rows_by_table(), Client()
    browser.post("/admin/login/", {"username": "new", "password": "password"})
    ours = [row for row in MATRIX if row.address.startswith(("/admin/anomalies/", "/admin/auth/"))]
    seen = {row.address for row in ours if outcome(ask(browser, row.method, row.address, rows)) == "shows"}
    assert seen == set()
    assert outcome(ask(browser, "GET", "/admin/", rows)) == "shows"


def test_who_is_not_staff_does_not_come_in():
    User.objects.create_user("visitor", password="password")
    browser = Client()
    answer = browser.post("/admin/login/", {"username": "visitor", "password": "password"})
    assert (answer.status_code, browser.get("/admin/").status_code) == (200, 302)
