"""Permissions: by a role, by a permission of one's own, and by neither."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User

from anomalies import permissions
from anomalies.permissions import ROLES, RoleBackend
from tests.support.factories import make_anomaly, make_user

pytestmark = pytest.mark.django_db

MAY = {
    "can_view": {"viewer", "analyst", "lead"},
    "can_export": {"viewer", "analyst", "lead"},
    "can_see_overview": {"viewer", "analyst", "lead"},
    "can_replay": {"viewer", "analyst", "lead"},
    "can_see_audit_log": {"viewer", "analyst", "lead"},
    "can_decide": {"analyst", "lead"},
    "can_activate": {"lead"},
    "can_see_shifts": {"lead"},
    "can_make_rules": {"lead"},
    "can_notify": {"lead"},
    "can_ingest": {"lead"},
}


def permit(user: User, *names: str) -> User:
    """The user with these permissions of its own, as one that logs in now."""
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return User.objects.get(pk=user.pk)


@pytest.fixture
def nobody() -> User:
    return User.objects.create_user("nobody", is_staff=True)


@pytest.mark.parametrize("check", MAY)
def test_a_role_may_what_its_row_says(check):
    assert {role for role in ROLES if getattr(permissions, check)(make_user(role))} == MAY[check]


@pytest.mark.parametrize("check", MAY)
def test_a_superuser_may_all_and_an_account_without_a_role_nothing(check, nobody):
    may = getattr(permissions, check)
    assert may(User.objects.create_superuser("root")) and not may(nobody)


@pytest.mark.parametrize(
    ("check", "needed"),
    [
        ("can_see_overview", {"view_anomaly", "view_streamstatistics"}),
        ("can_replay", {"view_anomaly", "view_detectionconfig"}),
        ("can_see_shifts", {"view_anomaly", "activate_detectionconfig", "view_auditlog"}),
        ("can_make_rules", {"decide_anomaly", "activate_detectionconfig"}),
        ("can_notify", {"decide_anomaly", "activate_detectionconfig"}),
    ],
)
def test_what_needs_several_permissions_needs_each_of_them(check, needed, nobody):
    may = getattr(permissions, check)
    assert [each for each in needed if may(permit(nobody, *needed - {each}))] == []
    assert may(permit(nobody, *needed))


def test_a_permission_of_ones_own_counts_as_that_of_a_role(nobody):
    assert RoleBackend().get_all_permissions(permit(nobody, "decide_anomaly")) == {"anomalies.decide_anomaly"}


def test_the_account_of_a_session_comes_with_its_permissions(nobody, django_assert_num_queries):
    permit(nobody, "view_anomaly")
    with django_assert_num_queries(1):
        user = RoleBackend().get_user(nobody.pk)
        assert permissions.can_view(user) and not permissions.can_decide(user)


def test_a_superuser_of_a_session_has_more_than_was_given():
    user = RoleBackend().get_user(User.objects.create_superuser("root").pk)
    assert "auth.add_user" in RoleBackend().get_all_permissions(user)


def test_there_is_no_session_of_an_account_that_is_closed_or_gone(nobody):
    User.objects.filter(pk=nobody.pk).update(is_active=False)
    assert RoleBackend().get_user(nobody.pk) is None
    assert RoleBackend().get_user(10**6) is None


def test_a_closed_account_may_nothing_whatever_its_role_gives_or_as_a_superuser():
    for closed in (make_user("lead"), User.objects.create_superuser("root")):
        closed.is_active = False
        assert RoleBackend().get_all_permissions(closed) == set()


def test_permissions_are_of_no_single_row_and_of_nobody_who_is_not_logged_in(nobody):
    lead = make_user("lead")
    assert RoleBackend().get_all_permissions(lead, make_anomaly()) == set()
    assert RoleBackend().get_all_permissions(AnonymousUser()) == set()


def test_deciders_are_the_active_staff_who_may_decide_by_the_alphabet(nobody):
    for role in ("viewer", "lead", "analyst"):
        make_user(role)
    permit(nobody, "decide_anomaly")
    User.objects.create_superuser("root")
    for name, without in (("closed", "is_active"), ("outside", "is_staff")):
        User.objects.filter(pk=make_user("analyst", name).pk).update(**{without: False})
    twice = make_user("analyst", "twice")
    permit(twice, "decide_anomaly")
    assert list(permissions.deciders()) == ["analyst", "lead", "nobody", "root", "twice"]
