"""The signed bundle of an anomaly, for a reader without the database."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from anomalies import permissions
from anomalies.audit.bundle import NoSuchAnomaly, bundle
from anomalies.audit.keys import KeyProblem

from ..access import caller, needs_too
from ..problems import Problem, ProblemError
from ..reading import ABSENT, absent

router = Router(tags=["audit"])
REFUSED = ABSENT | {409}
EXPORT = needs_too("read", permissions.can_export)


class Bundle(Schema):
    """An anomaly with all decisions and comments about it, the signature over it and the key's id.

    scripts/check_evidence.py checks it.
    """

    bundle: dict[str, Any]
    key: str
    signature: str


@router.get("/anomalies/{uuid:anomaly_id}/bundle", response={200: Bundle, REFUSED: Problem}, **EXPORT)
def get_bundle(request: HttpRequest, anomaly_id: UUID) -> HttpResponse:
    """Return the signed bundle of an anomaly; the audit log notes it. 409 without a key to sign with."""
    try:
        made = bundle(anomaly_id, caller(request))
    except NoSuchAnomaly as error:
        raise absent(anomaly_id) from error
    except KeyProblem as error:
        raise ProblemError(409, f"The bundle was not made: {error}") from error
    text = json.dumps(made, ensure_ascii=False)  # as it is signed: no shape may change a value
    return HttpResponse(text, content_type="application/json", headers={"Cache-Control": "no-store"})
