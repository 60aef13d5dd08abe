"""The FilterSet's parameters as options of a command: ``--status pending --stream logs --within 24h``."""

from __future__ import annotations

import argparse
from typing import Any

import django_filters as df
from django.core.management import CommandError
from django.http import QueryDict

from anomalies.queries.filters import AnomalyFilter


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """One option per filter; one that takes several values may be given several times."""
    group = parser.add_argument_group("filters", "as in the admin; several are joined by 'and'")
    for name, each in AnomalyFilter.base_filters.items():
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"filter_{name}",
            action="append",
            metavar=_metavar(each),
            help=str(each.extra.get("help_text") or each.label or name).replace("%", "%%"),
        )


def _metavar(each: df.Filter) -> str:
    choices = each.extra.get("choices")
    return "|".join(str(key) for key, _ in choices) if choices else "VALUE"


def given_filters(options: dict[str, Any]) -> dict[str, list[str]]:
    """The filters that the command line names, with their values."""
    names = AnomalyFilter.base_filters
    return {name: values for name in names if (values := options.get(f"filter_{name}"))}


def filterset(options: dict[str, Any]) -> AnomalyFilter:
    """The FilterSet that the command line describes. Raises CommandError naming what is wrong with it."""
    data = QueryDict(mutable=True)
    for name, values in given_filters(options).items():
        data.setlist(name, values)
    found = AnomalyFilter(data, me=options.get("by") or "")
    if not found.form.is_valid():
        problems = [
            f"--{name.replace('_', '-')}: {' '.join(errors)}" for name, errors in found.form.errors.items()
        ]
        raise CommandError("; ".join(problems), returncode=2)
    return found
