"""The filters of the desk as parameters of an address: the one FilterSet, by the same names."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Annotated, Any

import django_filters as df
from django.http import HttpRequest, QueryDict
from ninja import Schema
from pydantic import Field, WithJsonSchema, create_model

from anomalies.models import Anomaly
from anomalies.queries.filters import AnomalyFilter

from .access import token_of
from .problems import ProblemError


def filterset_of(request: HttpRequest, own: Collection[str] = ()) -> AnomalyFilter:
    """The FilterSet of an address; ``own`` names its other parameters. Raises ProblemError as ``checked``."""
    return checked(request, request.GET, [*AnomalyFilter.base_filters, *own], {})


def checked(
    request: HttpRequest, data: QueryDict, known: Collection[str], names: Mapping[str, str]
) -> AnomalyFilter:
    """The FilterSet of ``data``, for an address whose parameters are ``known``.

    ``names`` are those of the filters in the address, where they differ. Raises ProblemError (400) that names
    each unknown parameter and each invalid value.
    """
    errors = _unknown_of(request, known)
    me = token_of(request).owner.get_username()
    filterset = AnomalyFilter(data, queryset=Anomaly.objects.all(), me=me)
    if not filterset.form.is_valid():
        errors += [
            {"field": names.get(name, name), "message": f"{' '.join(map(str, messages))} {_takes(name)}"}
            for name, messages in filterset.form.errors.items()
        ]
    _refuse(errors)
    return filterset


def refuse_unknown(request: HttpRequest, known: Collection[str]) -> None:
    """Raises ProblemError (400) that names each parameter of the address that is not ``known``."""
    _refuse(_unknown_of(request, known))


def _refuse(errors: list[dict[str, str]]) -> None:
    if errors:
        said = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
        raise ProblemError(400, f"Nothing was read. {said}", errors)


def _unknown_of(request: HttpRequest, known: Collection[str]) -> list[dict[str, str]]:
    return [{"field": name, "message": _unknown(name, known)} for name in request.GET if name not in known]


def _unknown(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name[:100].partition("__")[0].lower(), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(sorted(known))}."
    return f"is no parameter of this address. {hint}"


def _takes(name: str) -> str:
    return f"It takes: {_description(AnomalyFilter.base_filters[name])}."


def _description(each: df.Filter) -> str:
    if choices := each.extra.get("choices"):
        return ", ".join(str(key) for key, _ in choices)
    if isinstance(each, df.BooleanFilter):
        return "true or false"
    if isinstance(each, df.DateTimeFilter):
        return "a date and time such as 2026-11-23T12:00:00Z"
    return str(each.extra.get("help_text") or "a number from 0 to 1")


def _type(each: df.Filter) -> Any:
    """The type of a parameter in the OpenAPI document; the FilterSet alone validates the value."""
    schema: dict[str, Any] = {"type": "string"}
    if choices := each.extra.get("choices"):
        schema["enum"] = [str(key) for key, _ in choices]
    elif isinstance(each, df.BooleanFilter):
        schema["enum"] = ["true", "false"]
    one = Annotated[str, WithJsonSchema(schema)]
    return list[one] if isinstance(each, df.MultipleChoiceFilter) else one


def _parameter(name: str, each: df.Filter) -> Any:
    about = f"{each.label or name.capitalize()}: {_description(each)}"
    return _type(each), Field([] if isinstance(each, df.MultipleChoiceFilter) else None, description=about)


_parameters: Any = create_model(
    "_parameters",
    __base__=Schema,
    **{name: _parameter(name, each) for name, each in AnomalyFilter.base_filters.items()},
)


class FilterParameters(_parameters):
    """The filters as query parameters; all are combined by "and"."""
