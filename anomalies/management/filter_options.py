"""The filters as options of a command: ``--status pending --stream logs --within 24h``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

import django_filters as df
from django.core.management import CommandError
from django.http import QueryDict

from anomalies.queries.filters import AnomalyFilter
from anomalies.queries.search.fields import values_of


def add_filter_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each filter; one that has several values may be given several times."""
    group = parser.add_argument_group("filters", "the desk's filters; an anomaly has to match all of them")
    for name, each in AnomalyFilter.base_filters.items():
        group.add_argument(
            option_of(name),
            dest=f"filter_{name}",
            action="append",
            metavar=values_of(each, "|") if "choices" in each.extra else "VALUE",
            help=_help(name, each).replace("%", "%%"),
        )


def _help(name: str, each: df.Filter) -> str:
    label = str(each.label or name.capitalize())
    return label if "choices" in each.extra else f"{label}: {values_of(each)}"


def option_of(name: str) -> str:
    """Return the option of a filter: ``--ncd-min``."""
    return f"--{name.replace('_', '-')}"


def given_filters(options: dict[str, Any]) -> dict[str, list[str]]:
    """Return the filters on the command line, with their values."""
    names = AnomalyFilter.base_filters
    return {name: values for name in names if (values := options.get(f"filter_{name}"))}


def _problem(name: str, errors: Iterable[object]) -> str:
    each = AnomalyFilter.base_filters[name]
    accepted = (
        f" Choose from {values_of(each)}." if "choices" in each.extra else f" It takes: {values_of(each)}."
    )
    return f"{option_of(name)}: {' '.join(map(str, errors))}{accepted}"


def filterset(options: dict[str, Any]) -> AnomalyFilter:
    """Return the FilterSet of the command line. Raises CommandError naming what is wrong with it."""
    data = QueryDict(mutable=True)
    for name, values in given_filters(options).items():
        data.setlist(name, values)
    found = AnomalyFilter(data, me=options.get("by") or "")
    if not found.form.is_valid():
        problems = [_problem(name, errors) for name, errors in found.form.errors.items()]
        raise CommandError("; ".join(problems), returncode=2)
    return found
