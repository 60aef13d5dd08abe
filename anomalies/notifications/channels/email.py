"""E-mail, plain and HTML, by the server that DRIFTLOCK_EMAIL names.

Message-ID is made of the delivery's id, so that a second attempt is the same message to a mailbox that looks.
"""

from __future__ import annotations

import json
from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.validators import validate_email
from django.template.loader import render_to_string

from anomalies.models import NotificationDelivery, NotificationRule
from anomalies.safe_text import printable

from ..http_client import Answer
from .base import Digest

MOST = 20  # addresses of a rule


class Email:
    """A message to addresses that are separated by commas."""

    def checked_target(self, target: str) -> str:
        """The addresses. Raises ValueError for one that is none."""
        addresses = [part.strip() for part in target.split(",") if part.strip()]
        if not 0 < len(addresses) <= MOST:
            raise ValueError(f"Write 1 to {MOST} e-mail addresses, separated by commas.")
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValueError(f"{printable(address, 100)} is no e-mail address.") from error
        return ", ".join(addresses)

    def body(self, digest: Digest) -> str:
        """The subject and the two texts, as JSON."""
        texts = {
            kind: render_to_string(f"notifications/digest.{kind}", {"digest": digest})
            for kind in ("txt", "html")
        }
        return json.dumps({"subject": digest.subject, **texts}, ensure_ascii=False)

    def send(self, rule: NotificationRule, delivery: NotificationDelivery) -> Answer:
        """Send one message to all addresses."""
        if not settings.EMAIL_HOST:
            return Answer(False, "no e-mail server is set: DRIFTLOCK_EMAIL")
        stored = json.loads(delivery.body or "{}")
        host = urlsplit(settings.SITE_URL).hostname or "driftlock"
        message = EmailMultiAlternatives(
            subject=stored["subject"],
            body=stored["txt"],
            to=rule.target.split(", "),
            headers={"Message-ID": f"<{delivery.pk}@{host}>", "Auto-Submitted": "auto-generated"},
        )
        message.attach_alternative(stored["html"], "text/html")
        try:
            message.send()
        except (SMTPException, OSError) as error:
            return Answer(False, printable(f"the e-mail server: {error}", 300))
        return Answer(True)
