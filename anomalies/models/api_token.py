"""The tables behind the HTTP API: tokens of programs, their allowances, and answers kept for retries."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.fields import Now


class Scope(models.TextChoices):
    """A part of the API that a token opens, as far as its owner's role allows it."""

    READ = "read", _("read: anomalies, evidence, statistics, configs, history")
    INGEST = "ingest", _("ingest: store anomalies")
    DECIDE = "decide", _("decide: decisions, undo, notes, assignment, snooze")
    CONFIGURE = "configure", _("configure: activate a detection config")


class ApiToken(models.Model):
    """A token of one account. The secret itself is not stored, only its SHA-256.

    ``prefix`` is the beginning of the secret, by which people recognise it; ``last_used_at`` is written at
    most once a minute.
    """

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80, help_text=_("The program that uses it."))
    prefix = models.CharField(max_length=20)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices))
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        db_table = "api_tokens"
        verbose_name = _("API token")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class ApiAllowance(models.Model):
    """The requests of one token that all processes have taken from its allowance; ``api.rates`` writes it.

    ``spent_until`` is the time until which the allowance is used up at its steady rate, ``granted`` the
    number of requests that the last statement took. A row of a token that was deleted is never read.
    """

    token_id = models.BigIntegerField(primary_key=True)
    spent_until = models.DateTimeField()
    granted = models.IntegerField()

    class Meta:
        db_table = "api_allowances"
        default_permissions = ()

    def __str__(self) -> str:
        return f"token {self.token_id} until {self.spent_until}"


class ApiAnswer(models.Model):
    """The answer to a request that named itself by an Idempotency-Key; ``api.retries`` keeps it for a day."""

    pk = models.CompositePrimaryKey("owner", "key")
    owner = models.CharField(max_length=255)
    key = models.UUIDField()
    digest = models.CharField(max_length=64)  # SHA-256 of the request
    answer = models.TextField()  # JSON
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "api_answers"
        default_permissions = ()
        indexes: ClassVar = [models.Index(fields=["created_at"], name="idx_api_answers_created_at")]

    def __str__(self) -> str:
        return f"{self.owner} {self.key}"
