"""API tokens: made by their owner, shown once, stored as a hash, recorded, revoked and expired."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from anomalies.api_tokens import OPENS, TokenError, find, make, may, note_use, revoke
from anomalies.audit import Actor, acting
from anomalies.audit.verification import verify
from anomalies.models import ApiToken, AuditLog, Scope
from tests.support.databases import run
from tests.support.factories import make_user
from tests.support.seals import new_key, tampering

ANA = Actor("analyst", "10.0.0.7", via="/admin/")
ADD = "/admin/anomalies/apitoken/add/"
LIST = "/admin/anomalies/apitoken/"
DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def made(analyst) -> tuple[ApiToken, str]:
    return make(analyst, "router", ["read", "decide"], 30, ANA)


def entries() -> list[AuditLog]:
    return list(AuditLog.objects.filter(resource_type="API token").order_by("id"))


def test_a_token_is_found_by_its_secret_in_one_query_with_what_its_owner_may(made, django_assert_num_queries):
    with django_assert_num_queries(1):
        token = find(made[1])
        assert token is not None and token.owner.username == "analyst"
        allowed = {scope: may(token, scope) for scope in ("read", "decide", "ingest", "configure")}
    assert allowed == {"read": True, "decide": True, "ingest": False, "configure": False}


def test_the_secret_is_stored_nowhere(made):
    row = str(ApiToken.objects.values().get())
    assert made[1] not in row and made[1] not in str([vars(entry) for entry in entries()])


@pytest.mark.parametrize("text", ["", "driftlock_", "driftlock_\ud800", "x" * 10_000, "driftlock_\0"])
def test_any_other_text_finds_nothing(made, text):
    assert find(text) is None


def test_a_revoked_token_is_not_found(made):
    assert revoke(ApiToken.objects.all(), ANA) == 1
    assert find(made[1]) is None


def test_an_expired_token_is_not_found(made):
    ApiToken.objects.update(expires_at=timezone.now())
    assert find(made[1]) is None


@pytest.mark.parametrize("gone", [{"is_active": False}, {"is_staff": False}])
def test_a_token_of_an_owner_who_may_not_log_in_is_not_found(made, analyst, gone):
    type(analyst).objects.update(**gone)
    assert find(made[1]) is None


def test_a_token_does_no_more_than_its_owners_role_at_that_moment(made, analyst):
    analyst.groups.clear()
    token = find(made[1])
    assert token is not None and not may(token, "decide") and not may(token, "read")


def test_a_token_does_no_more_than_its_scopes_whatever_its_owner_may(lead):
    token = find(make(lead, "reader", ["read"], 1, ANA)[1])
    assert token is not None and [scope for scope in Scope.values if may(token, scope)] == ["read"]


def test_the_last_use_is_written_at_most_once_a_minute(made, django_assert_num_queries):
    note_use(made[0])
    token = ApiToken.objects.get()
    with django_assert_num_queries(0):
        note_use(token)
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(minutes=2))
    note_use(ApiToken.objects.get())
    assert ApiToken.objects.get().last_used_at > timezone.now() - timedelta(minutes=1)


def test_of_two_processes_that_see_a_use_in_one_minute_the_first_writes_it(made):
    both = ApiToken.objects.get(), ApiToken.objects.get()
    note_use(both[0])
    first = ApiToken.objects.get().last_used_at
    note_use(both[1])
    assert ApiToken.objects.get().last_used_at == first


def test_a_revoked_token_keeps_the_time_of_its_revocation(made):
    revoke(ApiToken.objects.all(), ANA)
    first = ApiToken.objects.get().revoked_at
    assert (revoke(ApiToken.objects.all(), ANA), ApiToken.objects.get().revoked_at) == (0, first)


def test_names_and_the_number_of_tokens_are_bounded_among_the_valid_ones_of_an_owner(
    made, analyst, lead, monkeypatch
):
    monkeypatch.setattr("anomalies.api_tokens.MOST_TOKENS", 1)
    with pytest.raises(TokenError, match="You have 1 valid tokens; revoke one first"):
        make(analyst, "other", ["read"], 1, ANA)
    make(lead, "router", ["read"], 1, Actor("lead"))
    revoke(ApiToken.objects.filter(owner=analyst), ANA)
    make(analyst, "router", ["read"], 1, ANA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, "name of 1 to 80"),
        ({"name": "a\nb\0"}, "name of 1 to 80"),
        ({"scopes": []}, "scopes read, ingest, decide, configure"),
        ({"scopes": ["all"]}, "scopes read, ingest, decide, configure"),
        ({"days": 0}, "1 to 366 days"),
        ({"days": 367}, "1 to 366 days"),
        ({"name": "router"}, "have a token named router already"),
    ],
)
def test_a_token_that_can_not_be_made_is_refused_with_the_reason(made, analyst, change, message):
    with pytest.raises(TokenError, match=message):
        make(analyst, **{"name": "other", "scopes": ["read"], "days": 1, **change}, actor=ANA)


# --- the audit log ----------------------------------------------------------------------------------------


def test_making_and_revoking_are_recorded_with_the_owner_and_without_the_digest(made):
    revoke(ApiToken.objects.all(), ANA)
    said = [(entry.action, entry.username, entry.metadata["account"]) for entry in entries()]
    assert said == [("create", "analyst", "analyst"), ("update", "analyst", "analyst")]
    assert set(entries()[0].new_values) == set("id owner_id name prefix scopes expires_at revoked_at".split())
    assert set(entries()[1].new_values) == {"revoked_at"}


def test_a_changed_digest_is_recorded_and_a_use_is_not(made):
    note_use(made[0])
    ApiToken.objects.update(digest="0" * 64)
    assert [entry.new_values for entry in entries()[1:]] == [{"digest": "changed"}]


def test_an_actor_with_a_token_is_recorded_with_it(analyst):
    with acting(Actor("analyst", token="driftlock_abc")):
        make(analyst, "x", ["read"], 1, Actor("analyst", token="driftlock_abc"))
    assert entries()[0].metadata["token"] == "driftlock_abc"


def test_a_replay_finds_a_token_that_was_changed_while_its_trigger_was_off(made, settings):
    settings.SEAL_KEY = new_key()
    revoke(ApiToken.objects.all(), ANA)
    assert list(verify(replay=True).problems) == []
    run("SET CONSTRAINTS ALL IMMEDIATE")
    with tampering("api_tokens"):
        ApiToken.objects.update(revoked_at=None, scopes=["configure"])
    found = [problem for problem in verify(replay=True).problems if "API token" in problem]
    assert len(found) == 2 and "scopes" in found[0] + found[1] and "revoked_at" in found[0] + found[1]


# --- the desk ---------------------------------------------------------------------------------------------


@pytest.fixture
def desk(analyst) -> Client:
    client = Client()
    client.force_login(analyst, "anomalies.permissions.RoleBackend")
    return client


def test_the_desk_shows_a_new_token_once_and_never_caches_it(desk):
    answer = desk.post(ADD, {"name": "router", "scopes": ["read", "ingest"], "days": "7"})
    secret = answer.context["secret"]
    assert secret in answer.content.decode() and "no-store" in answer["Cache-Control"]
    assert find(secret) is not None
    assert secret not in desk.get(LIST).content.decode()


def test_the_form_says_of_each_scope_what_the_docs_say(desk):
    page, docs = desk.get(ADD).content.decode(), DOCS.read_text()
    for scope in Scope.values:
        assert f"{scope}: {OPENS[scope]}" in page
        assert f"| {scope} | {OPENS[scope]} |" in docs


def test_the_form_sent_again_makes_no_second_token(desk):
    for _ in range(2):
        answer = desk.post(ADD, {"name": "router", "scopes": ["read"], "days": "7"})
    assert "have a token named router already" in answer.content.decode()
    assert ApiToken.objects.count() == 1


def test_a_user_sees_and_revokes_no_token_of_another(desk, made):
    make(make_user("lead"), "theirs", ["read"], 1, Actor("lead"))
    page = desk.get(LIST).content.decode()
    assert "router" in page and "theirs" not in page
    desk.post(LIST, {"action": "revoke", "_selected_action": ApiToken.objects.values_list("pk", flat=True)})
    assert list(ApiToken.objects.filter(revoked_at=None).values_list("name", flat=True)) == ["theirs"]


def test_a_revocation_at_the_desk_is_recorded_under_the_users_name(desk, made):
    desk.post(LIST, {"action": "revoke", "_selected_action": [made[0].pk]})
    assert (entries()[-1].username, entries()[-1].metadata["via"]) == ("analyst", LIST)
