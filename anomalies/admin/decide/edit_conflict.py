"""What a form was shown for: the versions it carries, and what became of them meanwhile.

A page about one row sends back ``version`` and ``entry`` (the record's last entry about it), a list sends
``seen``: ``<id>=<version>``, once for each row or many in one field. ``batch`` is new in every form, so that
the same form sent twice is known by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from django import forms
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst

from anomalies.audit import Entry, differences, entries_since
from anomalies.queries.evidence_events import as_text

from ..ui import formatting as show

SHOWN_ENTRIES = 20
_BIGGEST = 2**63 - 1
Key = TypeVar("Key")


class VersionedForm(forms.Form):
    """What every form about one row carries: the version, the record's entry and the batch."""

    version = forms.IntegerField(min_value=1, max_value=_BIGGEST, widget=forms.HiddenInput)
    entry = forms.IntegerField(required=False, max_value=_BIGGEST, widget=forms.HiddenInput)
    batch = forms.UUIDField(required=False, widget=forms.HiddenInput)

    @property
    def is_unsigned(self) -> bool:
        """Whether it does not say what was seen, so that nothing may be done by it."""
        return bool({"version", "entry", "batch"} & set(self.errors))


UNSIGNED = (
    "This form came without the version that it was opened with, so nothing was changed. "
    "Below is what there is now; look at it, and send it again."
)


def seen_in(request: HttpRequest, key: Callable[[str], Key]) -> dict[Key, int]:
    """The versions that a list carried; what is none is left out, and so not decided about."""
    found = {}
    for pair in (pair for value in request.POST.getlist("seen") for pair in value.split()):
        name, _, version = pair.partition("=")
        try:
            found[key(name)] = int(version)
        except ValueError:
            continue
    return found


def seen_text(seen: Mapping[Any, int]) -> str:
    """These versions as one field carries them."""
    return " ".join(f"{pk}={version}" for pk, version in seen.items())


def new_batch() -> str:
    """The name of a form, and of what will be done by it."""
    return str(uuid4())


@dataclass(frozen=True, slots=True)
class Row:
    """One column of both versions."""

    name: str
    seen: Any
    now: Any
    is_changed: bool
    sent: Any = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both versions of a row, and what happened in between, the last change first.

    ``has_sent``: the rows also say what the form holds, field by field, and would write.
    """

    seen: int
    now: int
    rows: tuple[Row, ...]
    entries: tuple[Entry, ...]
    has_sent: bool = False

    @property
    def left_out(self) -> int:
        """How many changes are not shown one by one."""
        return len(self.entries) - SHOWN_ENTRIES

    @property
    def shown(self) -> Sequence[Entry]:
        """The changes that are shown one by one."""
        return self.entries[:SHOWN_ENTRIES]


def compare(
    row: Any,
    resource_type: str,
    seen: int,
    entry: int | None,
    always: Iterable[str],
    sent: Mapping[str, Any] | None = None,
) -> Comparison:
    """A row (with ``last_entry``) against the version that was seen; ``always`` are shown in any case.

    ``sent`` is what a form holds of the columns that it would write.
    """
    changes = [
        each
        for each in entries_since(resource_type, row.pk, entry, row.version - seen)
        if row.last_entry is None or each.id <= row.last_entry
    ]
    changed = differences(changes)
    names = dict.fromkeys([*always, *changed])
    rows = [_row(row, name, changed.get(name), (sent or {}).get(name)) for name in names]
    return Comparison(seen, row.version, tuple(rows), tuple(changes), sent is not None)


def _row(row: models.Model, name: str, pair: tuple[Any, Any] | None, sent: Any) -> Row:
    try:
        field: Any = row._meta.get_field(name)
    except FieldDoesNotExist:  # the record is older or younger than the program
        field = models.TextField(name)
    before, after = pair or (getattr(row, name), getattr(row, name))
    label = capfirst(str(field.verbose_name))
    return Row(label, _shown(field, before), _shown(field, after), pair is not None, _shown(field, sent))


def _shown(field: Any, value: Any) -> Any:
    """A value out of the record, as the desk shows such a column."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(field, models.DateTimeField):
        return show.moment(parse_datetime(str(value)))
    words = dict(field.flatchoices).get(value) if isinstance(value, str) else None
    return show.visible(str(words or as_text(value)))
