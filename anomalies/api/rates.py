"""Rate limits: each token may make API_RATE requests a minute, counted over all processes and machines.

Theory: the generic cell rate algorithm (ITU-T I.371, annex A), a leaky bucket kept as one number. A request
costs 60 / API_RATE seconds; ``spent_until`` is the time until which what was taken is paid for. A request
conforms while ``spent_until`` is at most a minute ahead: a minute's requests may come at once, and afterwards
they refill one by one, so no client waits for the end of a window.

The number is a row of the database, since Django's default cache belongs to one process and its database
cache counts without a lock. A process takes a share of requests by one statement and counts these in memory,
so most requests cost no statement, and after a refusal it asks again only when requests are available. Shares
that a process did not use are lost to the others, at most a twentieth of the limit for each process: the
limit is never exceeded by them.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

from anomalies.models import ApiAllowance, ApiToken

from .problems import ProblemError

WINDOW = 60  # seconds
_SHARES = 20  # of a limit; a process takes one at a time
_MOST_TOKENS = 10_000  # tokens that a process counts in memory

# The setting holds for this statement's transaction: a crash forgets requests, not data.
_TAKE = f"""
    INSERT INTO {ApiAllowance._meta.db_table} AS kept (token_id, spent_until, granted)
    SELECT %(token)s, now() + %(share)s * %(cost)s * interval '1 second', %(share)s
    FROM set_config('synchronous_commit', 'off', true)
    ON CONFLICT (token_id) DO UPDATE SET (spent_until, granted) = (
        SELECT greatest(kept.spent_until, now()) + share * %(cost)s * interval '1 second', share
        FROM (SELECT least(%(share)s, greatest(0, floor(({WINDOW} - extract(epoch FROM
            greatest(kept.spent_until - now(), interval '0'))) / %(cost)s)))::integer
        ) AS taken (share))
    RETURNING granted, extract(epoch FROM spent_until - now())::float8
"""  # noqa: S608 -- the name of a table of ours


@dataclass(slots=True)
class _Share:
    """The part of one token's allowance that a process holds; ``wait_until`` is on the monotonic clock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    left: int = 0
    elsewhere: int = 0  # requests that were available to all processes after the last statement
    wait_until: float = 0.0


_shares: dict[int, _Share] = {}
_lock = threading.Lock()


def count(token: ApiToken) -> dict[str, str]:
    """Count a request of this token; returns the RateLimit headers of its answer.

    Raises ProblemError (429) with Retry-After where its allowance is used up.
    """
    limit = settings.API_RATE
    if not limit:
        return {}
    share = _share_of(token.pk)
    with share.lock:
        now = time.monotonic()
        if share.left == 0 and now >= share.wait_until:
            _refill(share, token.pk, limit, now)
        if share.left == 0:
            raise _refused(limit, share.wait_until - now)
        share.left -= 1
        return _headers(limit, share.left + share.elsewhere, WINDOW / limit)


def _share_of(token_id: int) -> _Share:
    with _lock:
        if len(_shares) >= _MOST_TOKENS:
            _shares.clear()
        return _shares.setdefault(token_id, _Share())


def _refill(share: _Share, token_id: int, limit: int, now: float) -> None:
    """Take a share of the allowance, or what is left of it; sets the time to wait where nothing is left."""
    cost = WINDOW / limit
    asked: dict[str, Any] = {"token": token_id, "share": max(1, limit // _SHARES), "cost": cost}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, asked)
        share.left, spent = cursor.fetchone()
    share.elsewhere = max(0, int((WINDOW - spent) / cost))
    if share.left == 0:
        share.wait_until = now + max(0.0, spent - WINDOW) + cost


def _refused(limit: int, seconds: float) -> ProblemError:
    wait = max(1, math.ceil(seconds))
    detail = f"This token may make {limit:,} requests a minute; try again in {wait} s."
    return ProblemError(429, detail, headers={**_headers(limit, 0, wait), "Retry-After": str(wait)})


def _headers(limit: int, left: int, seconds: float) -> dict[str, str]:
    """The fields of draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it."""
    return {
        "RateLimit-Policy": f'"token";q={limit};w={WINDOW}',
        "RateLimit": f'"token";r={left};t={math.ceil(seconds)}',
    }
