"""Detection configs: which there are, a new one, and the active one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field, FiniteFloat

from anomalies import json_column
from anomalies.models import DetectionConfig
from anomalies.thresholds import ConfigChanged, ThresholdsError, activate, add_config

from . import retries
from .access import caller, needs
from .problems import Problem, ProblemError
from .reading import ABSENT, READ, etag
from .reading import REFUSED as UNREAD
from .rows import json_value, number
from .schemas import Config, Configs
from .writing import REFUSED, IfMatch, Key, Note, expected_version, invalid

router = Router(tags=["configs"])
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Events = Annotated[int, Field(ge=1, le=2**31 - 1)]


class NewConfig(Schema):
    """Changes of the active config; what is left out or null stays as it is there."""

    ncd_threshold: Share | None = None
    p_value_threshold: Share | None = None
    baseline_size: Events | None = None
    window_size: Events | None = None
    hop_size: Events | None = None
    stream_overrides: dict[str, dict[str, float | int]] | None = None
    notes: Note | None = None


@router.get("/configs", response={200: Configs, UNREAD: Problem}, **READ)
def list_configs(request: HttpRequest) -> dict[str, Any]:
    """List the detection configs, newest first, at most 1,000."""
    return {"configs": [config_values(row) for row in configs().order_by("-id")[:1_000]]}


@router.get("/configs/{int:config_id}", response={200: Config, ABSENT: Problem}, **READ)
def get_config(request: HttpRequest, response: HttpResponse, config_id: int) -> dict[str, Any]:
    """Return one detection config. Its ETag is the version."""
    row = configs().filter(pk=config_id).first()
    if row is None:
        raise ProblemError(404, f"There is no config {config_id}.")
    response["ETag"] = etag(row.version)
    return config_values(row)


@router.post("/configs", response={201: Config, REFUSED: Problem}, **needs("configure"))
def add_new_config(
    request: HttpRequest, response: HttpResponse, body: NewConfig, key: Key = None
) -> Status[dict[str, Any]]:
    """Store a new config, which is the active one with these changes. It is not active."""
    values = retries.once(request, key, partial(added, request, body))
    response["ETag"] = etag(values["version"])
    return Status(201, values)


def added(
    request: HttpRequest, body: NewConfig, seen: int | None = None, *, is_active: bool = False
) -> dict[str, Any]:
    """The values of the config that was added. Raises ProblemError (412, 422)."""
    changes = {name: value for name, value in body.model_dump().items() if value is not None}
    if not changes:
        raise invalid("Name at least one value to change.")
    try:
        row = add_config(changes, caller(request), seen=seen, is_active=is_active)
    except ConfigChanged as error:
        raise _changed(error, seen) from error
    except ThresholdsError as error:
        raise invalid(str(error)) from error
    return config_values(configs().get(pk=row.pk))


def _changed(error: ConfigChanged, expected: int | None) -> ProblemError:
    """The problem of a config that is not in the expected version, with both versions."""
    words = f"Nothing was changed: {error}."
    return ProblemError(412, words, current_version=error.version, expected_version=expected)


@router.post(
    "/configs/{int:config_id}/activation", response={200: Config, REFUSED: Problem}, **needs("configure")
)
def activate_config(
    request: HttpRequest, response: HttpResponse, config_id: int, if_match: IfMatch = None
) -> dict[str, Any]:
    """Make a config the active one; an active one stays so."""
    expected = expected_version(if_match)
    try:
        activate(config_id, caller(request), seen=expected)
    except DetectionConfig.DoesNotExist as error:
        raise ProblemError(404, str(error)) from error
    except ConfigChanged as error:
        raise _changed(error, expected) from error
    except ThresholdsError as error:
        raise invalid(str(error)) from error
    row = configs().get(pk=config_id)
    response["ETag"] = etag(row.version)
    return config_values(row)


def configs() -> Any:
    """All detection configs, their overrides as text."""
    return json_column.as_text(DetectionConfig.objects.all(), ["stream_overrides"])


def config_values(row: Any) -> dict[str, Any]:
    """The values of a config's row, its overrides read as text."""
    names = [name for name in Config.model_fields if name != "stream_overrides"]
    own = {name: number(getattr(row, name)) for name in names}
    return {**own, "stream_overrides": json_value(row.stream_overrides_text)}
