"""The preview of a decision about a frozen selection: its patterns, its outliers first, and a few others."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext as _

from anomalies.models import Anomaly, BulkSet
from anomalies.queries.patterns.outliers import Composition, Member, composition

from ..ui import formatting as show
from .selected import sample_rows


def preview(asked: BulkSet, excluded: Collection[str] = ()) -> dict[str, Any]:
    """Return the template's values: ``rows`` to exclude by a click, ``groups``, and sentences about both."""
    found = composition(asked.pk)
    anomalies = Anomaly.objects.filter(pk__in=[each.id for each in found.members])
    shown = {row["anomaly"].pk: row for row in sample_rows(anomalies, asked.action)}
    rows = [
        {
            **shown[each.id],
            "ncd": show.number(each.ncd_score),
            "why": _why(each),
            "is_excluded": str(each.id) in excluded,
        }
        for each in found.members
        if each.id in shown
    ]
    return {
        "outliers": [row for row in rows if row["why"]],
        "others": [row for row in rows if not row["why"]],
        "all_outliers": found.outliers,
        "groups": _groups(found),
        "all_patterns": found.patterns,
    }


def _groups(found: Composition) -> list[dict[str, Any]]:
    return [
        {
            "template": show.visible(each.template, 240) or _("without a pattern"),
            "source": show.visible(each.source, 120),
            "count": each.count,
            "median": show.number(each.median),
        }
        for each in found.groups
    ]


def _why(each: Member) -> str:
    """Return why it is an outlier; '' if it is none."""
    far = _("usual NCD %(ncd)s") % {"ncd": show.number(each.median)} if each.is_far else ""
    host = show.visible(each.host, 80) or _("none")
    rare = _("other host: %(host)s") % {"host": host} if each.is_rare else ""
    return "; ".join(filter(None, [far, rare]))
