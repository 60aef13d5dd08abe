"""Answers to a form that is out of date: 400 without its expected version, 409 where the row has changed.

A page about one row sends back ``version`` and ``entry`` (the audit log's last entry about the row), a list
sends ``expected``: ``<id>=<version>``, once for each row or many in one field. ``batch`` is new in every
form, so that the same form sent twice is recognised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django import forms
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.audit import Actor, Entry, differences, entries_since
from anomalies.queries.evidence_events import as_text
from anomalies.triage.decisions import Outcome

from ..ui import formatting as show

SHOWN_ENTRIES = 20
_BIGGEST = 2**63 - 1
Key = TypeVar("Key")


class VersionedForm(forms.Form):
    """The hidden fields of every form about one row: expected version, last audit entry and batch."""

    version = forms.IntegerField(min_value=1, max_value=_BIGGEST, widget=forms.HiddenInput)
    entry = forms.IntegerField(required=False, max_value=_BIGGEST, widget=forms.HiddenInput)
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)

    @property
    def lacks_version(self) -> bool:
        """True if the form has no expected version, so that it must not change anything."""
        return bool({"version", "entry", "batch"} & set(self.errors))


class OneAnomalyForm(VersionedForm):
    """A form that does one ``action`` to one anomaly, in its expected version."""

    action = ""

    def take(self, expected: Mapping[UUID, int], actor: Actor) -> Outcome:
        """Do it. Raises DecisionError."""
        raise NotImplementedError


MISSING_VERSION = gettext_lazy(
    "The form was sent without the version that it was opened with, so nothing was changed. "
    "The current state is shown below; check it and send the form again."
)
MISSING_VERSIONS = gettext_lazy(
    "The list was sent without the versions that it showed, so nothing was changed. Select the rows again."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a form that changed nothing: the status, what to say, and both versions for a 409."""

    status: int = 200
    words: str = ""
    versions: Comparison | None = None

    @property
    def missing(self) -> str:
        """The message about a missing version; '' if it is present."""
        return self.words if self.status == 400 else ""


def answer_to(
    form: VersionedForm,
    row: Any,
    resource_type: str,
    always: Iterable[str],
    sent: Mapping[str, Any] | None = None,
) -> Answer:
    """Compare a form's expected version with the row (with ``last_entry``) as it is now.

    400 where the form lacks its version, 409 with both versions where the row has another one, else 200: then
    what is wrong is in the form's fields. ``always`` and ``sent`` are as in ``compare``.
    """
    if form.lacks_version:
        return Answer(400, str(MISSING_VERSION))
    expected, entry = form.cleaned_data["version"], form.cleaned_data["entry"]
    return answer_to_row(row, resource_type, expected, entry, always, sent)


def answer_to_row(
    row: Any,
    resource_type: str,
    expected: int,
    entry: int | None,
    always: Iterable[str],
    sent: Mapping[str, Any] | None = None,
) -> Answer:
    """Do the same for a row of a list, which sends an expected version and no form about the row."""
    if expected == row.version:
        return Answer()
    versions = compare(row, resource_type, expected, entry, always, sent)
    if not versions.entries:
        return Answer(409, _("This has changed since you opened it."), versions)
    words = _("This has changed since you opened it: %(change)s.") % {"change": versions.entries[0].summary}
    return Answer(409, words, versions)


def expected_versions(request: HttpRequest, key: Callable[[str], Key]) -> dict[Key, int]:
    """Read the versions that a list sent, by id; what is not a pair of id and version is left out."""
    found = {}
    for pair in (pair for value in request.POST.getlist("expected") for pair in value.split()):
        name, __, version = pair.partition("=")
        try:
            found[key(name)] = int(version)
        except ValueError:
            continue
    return found


def expected_text(expected: Mapping[Any, int]) -> str:
    """Write versions by id as one field carries them."""
    return " ".join(f"{pk}={version}" for pk, version in expected.items())


def new_batch() -> str:
    """Return a new name for a form, and for what will be done by it."""
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Row:
    """One column in both versions."""

    name: str
    expected: Any
    now: Any
    is_changed: bool
    sent: Any = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both versions of a row, and the changes in between, the last one first.

    ``has_sent``: the rows also hold what the form would write, column by column.
    """

    expected: int
    now: int
    rows: tuple[Row, ...]
    entries: tuple[Entry, ...]
    has_sent: bool = False

    @property
    def left_out(self) -> int:
        """The number of changes that are not shown one by one."""
        return len(self.entries) - SHOWN_ENTRIES

    @property
    def shown(self) -> Sequence[Entry]:
        """The changes that are shown one by one."""
        return self.entries[:SHOWN_ENTRIES]


def compare(
    row: Any,
    resource_type: str,
    expected: int,
    entry: int | None,
    always: Iterable[str],
    sent: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare a row (with ``last_entry``) with the expected version; ``always`` names columns to show anyway.

    ``sent`` is what a form holds of the columns that it would write.
    """
    changes = [
        each
        for each in entries_since(resource_type, row.pk, entry, row.version - expected)
        if row.last_entry is None or each.id <= row.last_entry
    ]
    changed = differences(changes)
    names = dict.fromkeys([*always, *changed])
    rows = [_row(row, name, changed.get(name), (sent or {}).get(name)) for name in names]
    return Comparison(expected, row.version, tuple(rows), tuple(changes), sent is not None)


def _row(row: models.Model, name: str, pair: tuple[Any, Any] | None, sent: Any) -> Row:
    try:
        field: Any = row._meta.get_field(name)
    except FieldDoesNotExist:  # the audit entry is older or newer than the program
        field = models.TextField(name)
    before, after = pair or (getattr(row, name), getattr(row, name))
    label = capfirst(str(field.verbose_name))
    return Row(label, _shown(field, before), _shown(field, after), pair is not None, _shown(field, sent))


def _shown(field: Any, value: Any) -> Any:
    """Format a value from the audit log as the desk shows such a column."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(field, models.DateTimeField):
        return show.moment(parse_datetime(str(value)))
    words = dict(field.flatchoices).get(value) if isinstance(value, str) else None
    return show.visible(str(words or as_text(value)))
