"""The columns that show an anomaly in a list, an incident of several as well."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..decide.assign_snooze import with_assign_snooze
from ..ui import formatting as show
from .incident_rows import IncidentRow


@admin.display(description=_("Status"), ordering="status")
def state(row: Any) -> SafeString:
    """The status as a coloured word; of an incident how many anomalies have which."""
    if isinstance(row, IncidentRow):
        return row.states
    return show.status_mark(row.status, row.get_status_display())


@admin.display(description=_("When"), ordering="timestamp")
def when(row: Any) -> SafeString | str:
    """The time; of an incident from its first anomaly to its last."""
    return row.when if isinstance(row, IncidentRow) else show.moment(row.timestamp)


@admin.display(description=_("NCD"), ordering="ncd_score")
def ncd(row: Any) -> str:
    """The normalized compression distance."""
    return show.number(row.ncd_score)


@admin.display(description=_("p"), ordering="p_value")
def p(row: Any) -> SafeString | str:
    """The p-value, with an asterisk where it is significant."""
    shown = show.p_value(row.p_value)
    return format_html("{} *", shown) if row.is_statistically_significant else shown


@admin.display(description=_("Novelty"))
def novelty(row: Any) -> str:
    """The share of the newest event that its stream had not shown before."""
    return show.number(row.novelty, 2)


@admin.display(description=_("Change"))
def change(row: Any) -> str:
    """The change of the compression ratio."""
    return show.percent(row.compression_ratio_change)


@admin.display(description=_("Explanation"))
def headline(row: Any) -> SafeString | str:
    """The first line of the explanation, with assignee and snooze; of an incident its anomalies as well."""
    if isinstance(row, IncidentRow):
        return row.headline
    return with_assign_snooze(show.first_line(row.headline), row)


@admin.display(description=_("Source"))
def source(row: Any) -> SafeString | str:
    """The file, service or host."""
    return show.visible(row.source, 120) if row.source else "–"


@admin.display(description=_("Tags"))
def tags(row: Any) -> SafeString | str:
    """The first tags."""
    return show.tag_marks(row.tags)
