"""People at the desk by role, each logged in for real, and an address for every row there is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from anomalies.models import (
    ApiToken,
    AuditLog,
    DetectionConfig,
    NotificationDelivery,
    NotificationRule,
    OwnershipRule,
    Pattern,
    PerformanceMetric,
    TriageRule,
)
from anomalies.queries import hourly_rollup

from .factories import make_anomaly, make_user
from .forms import CONFIG

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
ROLES = ("anonymous", "viewer", "analyst", "lead", "superuser")
TABLE = Path(__file__).parents[2] / "docs" / "permissions.md"
_SOON = datetime.now(UTC)
WINDOW = {
    "start": f"{_SOON:%Y-%m-%dT%H:%M}",
    "end": f"{_SOON + timedelta(days=2):%Y-%m-%dT%H:%M}",
}
NEW_PASSWORD = {"password1": "a long one of no words", "password2": "a long one of no words"}


class Row(NamedTuple):
    """A line of the table: an address (ID stands for a row's), a method, and what each role gets."""

    address: str
    method: str
    outcomes: dict[str, str]


def table() -> list[Row]:
    """The lines of docs/permissions.md that begin with an address."""
    found = []
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if re.match(r"\| `\S+` \| (GET|POST) ", line):
            found.append(Row(cells[0], cells[1], dict(zip(ROLES, cells[2:], strict=True))))
    return found


def browser_of(role: str) -> Client:
    """The browser of somebody of this role, who went through the login page."""
    client = Client(raise_request_exception=False)
    if role == "superuser":
        User.objects.create_superuser("root", password="password")
    elif role != "anonymous":
        make_user(role, f"the {role}")
    if role != "anonymous":
        name = "root" if role == "superuser" else f"the {role}"
        answer = client.post("/admin/login/", {"username": name, "password": "password"})
        assert answer.status_code == 302, "not logged in"
    return client


def rows_by_table() -> dict[str, str]:
    """The id of a row in each table, as it stands in an address."""
    anomaly = make_anomaly(is_statistically_significant=True)
    hourly_rollup.fold()
    metric = PerformanceMetric.objects.create(metric_type="job", duration_ms=1)
    somebody = User.objects.create_user("somebody", password="password")
    token = ApiToken.objects.create(owner=somebody, name="theirs", scopes=["read"], expires_at=NEVER)
    expires = datetime.now(UTC) + timedelta(days=9)
    rule = TriageRule.objects.create(
        action="snooze",
        owner="somebody",
        note="why",
        pattern=uuid4(),
        ncd_limit=0.5,
        hourly_limit=10,
        expires_at=expires,
    )
    notifying = NotificationRule.objects.create(
        owner="somebody",
        name="theirs",
        condition="every_match",
        channel="webhook",
        target="https://x.example",
    )
    owning = OwnershipRule.objects.create(position=1, name="theirs", assign_to="somebody", created_by="x")
    delivery = NotificationDelivery.objects.create(rule=notifying, due_at=NEVER)
    return {
        "anomaly": str(anomaly.pk),
        "bulk": "no-such-set",
        "undo": "no-such-decision",
        "recentsignificantanomaly": str(anomaly.pk),
        "pattern": str(Pattern.objects.get().pk),
        "streamstatistics": "logs",
        "performancemetric": str(metric.pk),
        "auditlog": str(AuditLog.objects.latest("id").pk),
        "detectionconfig": str(DetectionConfig.objects.create(notes="another").pk),
        "user": str(somebody.pk),
        "apitoken": str(token.pk),
        "triagerule": str(rule.pk),
        "notificationrule": str(notifying.pk),
        "ownershiprule": str(owning.pk),
        "notificationdelivery": str(delivery.pk),
        "passkeys": "7",
        "group": str(Group.objects.get(name="viewer").pk),
        "r": f"{ContentType.objects.get_for_model(Group).pk}/{Group.objects.get(name='viewer').pk}",
    }


def path_of(address: str, rows: dict[str, str]) -> str:
    """The address with the id of a row that there is."""
    before = address.split("/ID")[0].rsplit("/", 1)[-1]
    return address.replace("ID", rows[before]) if "/ID" in address else address


def body_of(address: str) -> dict[str, Any]:
    """The form fields of a valid request to that address."""
    if address.endswith("anomaly/ID/change/"):
        return {"action": "note", "note": "seen"}
    if address.endswith("anomaly/ID/comment/"):
        return {"text": "seen", "key": str(uuid4())}
    if address.endswith("apitoken/add/"):
        return {"name": "a program", "scopes": ["read"], "days": "90"}
    if address.endswith("triagerule/add/"):
        return {"action": "snooze", "note": "new disks", "source": "web", **WINDOW}
    if address.endswith("notificationrule/add/"):
        sent = {"condition": "every_match", "channel": "webhook", "target": "https://hooks.example.org/x"}
        return {"name": "ours", "digest_seconds": "60", "zone": "UTC", **sent}
    if address.endswith("ownershiprule/team/"):
        return {"name": "payments"}
    if "/ownershiprule/" in address and not address.endswith("ownershiprule/"):
        owner = User.objects.filter(username__in=("root", "the lead")).first()
        return {"name": "ours", "assign_to": owner.username if owner else ""}
    if address.endswith("pattern/ID/decide/"):
        return {"action": "dismiss"}
    if "/detectionconfig/" in address:
        return dict(CONFIG)
    if address.endswith("/delete/"):
        return {"post": "yes"}
    if address.endswith("user/add/"):
        return {"username": "newcomer", "usable_password": "true", **NEW_PASSWORD}
    if address.endswith("ID/password/"):
        return {"usable_password": "true", **NEW_PASSWORD}
    if address.endswith("user/ID/change/"):
        return {"username": "somebody", "date_joined_0": "2026-11-23", "date_joined_1": "12:00:00"}
    if "/group/" in address:
        return {"name": "a role"}
    if address.endswith("/preferences/"):
        return {"language": "de", "zone": "Asia/Tokyo", "formats": "iso"}
    if address.endswith("password_change/"):
        new = NEW_PASSWORD["password1"]
        return {"old_password": "password", "new_password1": new, "new_password2": new}
    if address.endswith("confirm/password/"):
        return {"password": "password"}
    if address.endswith("/login/"):
        return {"username": "somebody", "password": "password"}
    return {}


def outcome(answer: Any) -> str:
    """The word for a response in the table."""
    if answer.status_code == 200:
        return "shows"
    if answer.status_code in (301, 302):
        return "login" if answer["Location"].startswith("/admin/login/") else "on"
    return str(answer.status_code)
