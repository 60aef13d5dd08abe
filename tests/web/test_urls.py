"""Hostile addresses: whatever stands in a URL of the admin, it is answered, and never with 5xx.

DRIFTLOCK_URLS is how many are generated, DRIFTLOCK_URLS_SEED from which seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from urllib.parse import quote, quote_from_bytes

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client

from anomalies.models import Anomaly, PerformanceMetric
from anomalies.queries.filters import AnomalyFilter
from tests.support.factories import make_anomaly, make_user
from tests.support.sizes import amount

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

COUNT = amount("DRIFTLOCK_URLS")
SEED = int(os.environ.get("DRIFTLOCK_URLS_SEED", "3"))

FRAME = ("q", "o", "p", "e", "all", "_popup", "_to_field", "_facets", "_changelist_filters")
JUNK = ("", "__", "pk", "x" * 300, "ключ", "a\0b", "'", "status[]", "id;drop", "__class__", "o__exact")
LOOKUPS = (
    "exact iexact contains icontains in gt gte lt lte startswith endswith range regex iregex isnull "
    "year month day date week_day hour search overlap contained_by has_key has_any_keys len 0 key__deep "
    "user__password groups__id__exact unaccent trigram_similar"
).split()
TEXTS = (
    *("", " ", "0", "1", "-1", "true", "None", "null", "pending", "logs", "1h", "db", "host=db1", "a,b,,"),
    *("'", '"', "''; DROP TABLE anomalies; --", "\\", "%", "_", "%s", "%(x)s", "{}", "{0}", "<script>"),
    *("{'a'", '{"a": 1}', '{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": 1e999}', "[]", "[1]", '{"a":' * 400),
    *("a\0b", "\0", "\x1b[2J", "\u202e", "\ufeff", "𝔘", "é" * 50, "\u2028", "\x7f", "\x80"),
    *("9" * 19, "-" + "9" * 19, "9" * 5000, "1e400", "nan", "inf", "-inf"),
    *("0x10", "٣", "1_000", "1.5", "- 1"),
    *("2026-11-23T25:61:61", "0000-00-00", "9999-12-31T23:59:59Z", "-1-1-1"),
    *("2026-11-23", "2026-11-23T12:00:00+99:99"),
    *("& | ! <->", "a & ", "-", "--a", '"unclosed', "(((", "a:*", "-" * 1000, "or or or", "\\'"),
    *("[", "(?", "*", "(a+)+$", "a{99999}", "\\1", "[[:x:]]"),
    *("1.2.3.4", "1.-2", ".", "-", "..", "-99", "1." * 3000, "--1"),
    *("id", "pk", "password", "user__password", "_5F_00", "00000000-0000-0000-0000-000000000000"),
    "w" * 100_000,
    "ab " * 30_000,
)  # fmt: skip
BYTES = (b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"%", b"+", b"&=&", b"\r\nX: y")


class Addresses:
    """A seeded source of addresses."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(f"{SEED} {seed}")

    def value(self) -> str:
        """A value, percent-encoded, or bytes that are no UTF-8."""
        if self.random.random() < 0.06:
            return quote_from_bytes(self.random.choice(BYTES))
        texts = self.random.choices(TEXTS, k=self.random.choice((1, 1, 1, 1, 2)))
        return quote("".join(texts), safe="", errors="surrogatepass")

    def name(self, fields: list[str]) -> str:
        """A parameter: one that is known, a field with a lookup or several, or nonsense."""
        kind = self.random.random()
        if kind < 0.3:
            return self.random.choice(FRAME)
        if kind < 0.6:
            return self.random.choice(list(AnomalyFilter.base_filters))
        if kind < 0.93:
            return "__".join(self._lookup(fields))
        return quote(self.random.choice(JUNK))

    def _lookup(self, fields: list[str]) -> list[str]:
        return [
            self.random.choice(fields),
            *self.random.choices(LOOKUPS, k=self.random.choice((0, 1, 1, 1, 2))),
        ]

    def query(self, fields: list[str]) -> str:
        """Up to five parameters, one of them perhaps twice."""
        count = self.random.choice((1, 1, 2, 3, 5))
        pairs = [f"{self.name(fields)}={self.value()}" for _ in range(count)]
        return "&".join([*pairs, *self.random.choices(pairs, k=self.random.choice((0, 0, 1)))])


def list_of(model: type[Model]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def fields_of(model: type[Model]) -> list[str]:
    return [field.name for field in model._meta.get_fields()]


@pytest.fixture
def browser() -> Client:
    """A superuser's browser, to whom an exception is a 500; there is something in each list."""
    for status in ("pending", "dismissed"):
        make_anomaly(status=status, glass_box_explanation="deadlock", notes="\x1b[2J <script>")
    PerformanceMetric.objects.create(metric_type="job", duration_ms=1)
    make_user("viewer")
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root", password="password"))
    return client


def unanswered(browser: Client, count: int, address: Callable[[], str]) -> list[str]:
    """The addresses that were answered with 5xx."""
    bad = []
    for _ in range(count):
        path = address()
        answer = browser.get(path)
        if answer.status_code >= 500:
            bad.append(
                f"{answer.status_code} {path[:200]}: {repr(answer.exc_info and answer.exc_info[1])[:200]}"
            )
    return bad


MODELS = sorted(admin.site._registry, key=list_of)
VIEWS = ("change", "history", "delete", "password", "add", "")
OTHERS = ("", "admin/", "admin/r/7/", "admin/r/", "admin/autocomplete/", "admin/jsi18n/", "admin/login/")
# Four parts for the desk, one for each other list, two for all other pages.
PART = -(-COUNT // (len(MODELS) + 5))


@pytest.mark.parametrize("model", MODELS, ids=list_of)
def test_no_query_of_a_list_is_answered_with_5xx(browser, model):
    source, fields = Addresses(list_of(model)), fields_of(model)
    count = PART * (4 if model is Anomaly else 1)  # the desk gets most
    assert unanswered(browser, count, lambda: f"{list_of(model)}?{source.query(fields)}") == []


def test_no_address_of_another_page_is_answered_with_5xx(browser):
    source = Addresses("pages")
    fields = ["app_label", "model_name", "field_name", "term", "next", "domain"]

    def address() -> str:
        model, view = source.random.choice(MODELS), source.random.choice(VIEWS)
        below = f"{list_of(model)}{source.value()}/{view}/".replace("//", "/")
        elsewhere = f"/{source.random.choice(OTHERS)}{source.random.choice(('', source.value()))}"
        return f"{source.random.choice((below, below, elsewhere))}?{source.query(fields)}"

    assert unanswered(browser, 2 * PART, address) == []
