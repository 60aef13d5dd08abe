"""The request of an access log and its answer, by the names that servers and gateways give them."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal

from ..events import Value

Role = Literal["method", "target", "status", ""]

_NAMES: Mapping[Role, set[str]] = {
    "method": {
        "method", "requestmethod", "httpmethod", "httprequestmethod", "clientrequestmethod", "csmethod",
    },
    "target": {
        "uri", "url", "path", "target", "requesturl", "requesturi", "requestpath", "clientrequesturi",
        "clientrequestpath", "httpurl", "httptarget", "csuristem", "urlpath", "rawpath",
    },
    "status": {
        "status", "statuscode", "responsestatus", "edgeresponsestatus", "downstreamstatus", "originstatus",
        "scstatus", "responsecode", "httpstatus", "httpstatuscode", "elbstatuscode", "responsestatuscode",
        "httpresponsestatuscode",
    },
}  # fmt: skip
_ROLES: Mapping[str, Role] = {name: role for role, names in _NAMES.items() for name in names}
_SPELT = str.maketrans("", "", "_-() ")


def request_of(fields: Iterable[tuple[str, Value]]) -> tuple[tuple[str, Value], ...]:
    """Return the fields of a record that are its request: method, target and, where it has one, status.

    () for a record without a method and a target; of several fields of a role the first counts.
    """
    found: dict[Role, tuple[str, Value]] = {}
    for field in fields:
        role = _role(field[0])
        if role and role not in found and (role != "target" or "/" in str(field[1])):
            found[role] = field
    if not ("method" in found and "target" in found):
        return ()
    return tuple(found[role] for role in _NAMES if role in found)


@lru_cache(maxsize=4096)
def _role(path: str) -> Role:
    return _ROLES.get(path.rpartition(".")[2].translate(_SPELT).lower(), "")
