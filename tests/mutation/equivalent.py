"""Mutants that no test can notice, each argued; they are not counted among those that were tried.

A mutant is named by its module, its operator's replacement (the line after the fault) and the reason. A line
that changes is a new line: its argument has to be made again.
"""

from __future__ import annotations

from pathlib import Path

from .mutants import Mutant

_AMOUNT = "an amount read or listed at once: the result is the same, or one line longer"
_KEY = "any number serves, as long as every sealer uses it"
_ALPHABET = "the actions before it in the alphabet were returned for already"
_ROOM = "room enough for what is looked for either way"
_BOUNDED = "`parts` refused open-ended ranges before, and an id is at least 1"

ARGUED: dict[tuple[str, str], str] = {
    (
        "audit/replay.py",
        "last_arrival: int = 1",
    ): "it is compared with ids of deletions, which are at least 1",
    (
        "audit/replay.py",
        'if event.action >= "renamed":',
    ): "only a revoke is above it: its row is yielded later",
    (
        "audit/replay.py",
        'if event.action <= "renamed":',
    ): "the row is yielded later; nothing moved to that id",
    (
        "audit/replay.py",
        'if event.action in MADE and state.is_there and event.action > "baseline":',
    ): "the other actions of MADE come after it in the alphabet",
    (
        "audit/replay.py",
        "return rules.may_come_unnamed and rules.last_arrival >= state.last",
    ): "a bulk insert and a deletion are two entries, with two ids",
    (
        "audit/replay_sources.py",
        "NAMED = 1001  # differences listed for each table; further ones are counted",
    ): _AMOUNT,
    (
        "audit/replay_sources.py",
        "NAMED = 999  # differences listed for each table; further ones are counted",
    ): _AMOUNT,
    ("audit/replay_sources.py", "_FETCHED = 1999  # events fetched at a time"): _AMOUNT,
    ("audit/replay_sources.py", "_FETCHED = 2001  # events fetched at a time"): _AMOUNT,
    ("audit/replay_sources.py", "_LOOKED_UP = 99  # rows per query for further columns"): _AMOUNT,
    ("audit/replay_sources.py", "_LOOKED_UP = 101  # rows per query for further columns"): _AMOUNT,
    (
        "audit/replay_sources.py",
        "why = str(error).splitlines()[ -1]",
    ): "PostgreSQL's refusal of a privilege is one line",
    ("audit/seals.py", "BATCH = 10001  # entries per seal, at most"): _AMOUNT,
    ("audit/seals.py", "BATCH = 9999  # entries per seal, at most"): _AMOUNT,
    ("audit/seals.py", "if len(entries) != BATCH:"): "`_unsealed` never gives more than BATCH",
    **{
        (
            "audit/seals.py",
            f"_LOCK = {key}  # key of the advisory lock that allows one sealer at a time",
        ): _KEY
        for key in (0x5EA1 - 1, 0x5EA1 + 1)
    },
    ("audit/seals.py", "if made.rows != BATCH:"): "a batch never has more than BATCH rows",
    ("audit/seals.py", "ids = sum((each.upper or 0) - (each.lower or -1) for each in parts)"): _BOUNDED,
    ("audit/seals.py", "ids = sum((each.upper or 1) - (each.lower or 0) for each in parts)"): _BOUNDED,
    (
        "audit/seals.py",
        "reached = max((part.upper or -1 for each in recent for part in each.ids), default=0)",
    ): _BOUNDED,
    (
        "audit/seals.py",
        "reached = max((part.upper or 1 for each in recent for part in each.ids), default=0)",
    ): _BOUNDED,
    (
        "audit/seals.py",
        "reached = max((part.upper or 0 for each in recent for part in each.ids), default= -1)",
    ): "without seals nothing is below it either way",
    (
        "audit/seals.py",
        "reached = max((part.upper or 0 for each in recent for part in each.ids), default= 1)",
    ): "without seals nothing is below it either way",
    (
        "audit/seals.py",
        "if parts and parts[-1][1] >= each:",
    ): "the ids are sorted and each is there once, so none lies below the end of the last range",
    ("audit/verification.py", "MOST = 19  # problems of the seals that are listed"): _AMOUNT,
    ("audit/verification.py", "MOST = 21  # problems of the seals that are listed"): _AMOUNT,
    ("audit/verification.py", "settled = -1"): "no seal settles less than 0 without being named as edited",
    (
        "audit/guards.py",
        'return name.partition(".")[0] if kind <= "column" else name.rpartition(" on ")[2]',
    ): "no other kind of guard comes before it in the alphabet",
    **{
        (
            "audit/changes_since.py",
            f"MOST = {most}  # entries shown of one row's changes, the most recent ones",
        ): _AMOUNT
        for most in (999, 1001)
    },
    (
        "audit/changes_since.py",
        'number = Subquery(last.annotate(last=Max(F("id") - 0)).values("last"))',
    ): "the same number; it is there for the planner",
    (
        "audit/history.py",
        'times = f"at {when}" if when >= until else f"between {when} and {until}"',
    ): "the first of two times is never after the last",
    (
        "audit/history.py",
        'return bool(slept and not sleeps and self.action < "wake")',
    ): "no action that ends a snooze comes after it in the alphabet",
    **{
        ("audit/history.py", f"def history(anomaly_id: UUID, limit: int = {limit}) -> list[Entry]:"): _AMOUNT
        for limit in (199, 201)
    },
    ("triage/decisions.py", "_IDS_PER_STATEMENT = 4999"): _AMOUNT,
    ("triage/decisions.py", "_IDS_PER_STATEMENT = 5001"): _AMOUNT,
    ("triage/decisions.py", 'if action <= "dismiss":'): _ALPHABET,
    ("triage/decisions.py", 'if action <= "investigate":'): _ALPHABET,
    ("triage/decisions.py", "if status >= Status.PENDING:"): "no status comes after it in the alphabet",
    (
        "triage/undo.py",
        'done(action) + (f" {count:,}" if len(self.actions) != 1 else "")',
    ): "a decision has an action",
    (
        "triage/undo.py",
        'if batch.startswith("transaction ") and any(row[2] < row[7] for row in rows):',
    ): "the first of two times is never after the last",
    (
        "triage/undo.py",
        "undone = -1 if only else changed_in(str(own))",
    ): "no batch has -1 entries; the rows are read",
    **{
        ("ingest/validation_errors.py", after): _ROOM
        for after in (
            'at = data[max(0, int(found[1]) - 1) :][: 9] if found else b""',
            'at = data[max(0, int(found[1]) - 1) :][: 11] if found else b""',
            "near = difflib.get_close_matches(key[: 99].lower(), columns, n=1)",
            "near = difflib.get_close_matches(key[: 101].lower(), columns, n=1)",
        )
    },
    (
        "ingest/validation_errors.py",
        'hint = f"did you mean {near[ -1]}?" if near else "leave it out, or put it into metadata"',
    ): "at most one is asked for",
    (
        "ingest/validation_errors.py",
        "defaults = dict(zip(reversed(row.__struct_fields__), reversed(row.__struct_defaults__), "
        "strict=True))",
    ): "there are as many defaults as fields",
    **{
        (
            "ingest/validation_errors.py",
            f"except ({caught}) as error:",
        ): "every text that is no JSON raises errors of msgspec's own; lines too deep were refused before"
        for caught in (
            "CosmicRayTestingException, RecursionError, msgspec.MsgspecError",
            "ValueError, CosmicRayTestingException, msgspec.MsgspecError",
        )
    },
    **{
        (
            "audit/seal_rows.py",
            f"_AT_ONCE = {some}  # seals with their hashes in memory, at most 80 kB each",
        ): _AMOUNT
        for some in (31, 33)
    },
    **{
        (
            "audit/seal_rows.py",
            f"_LOOKED_BACK = {some}  # seals: a transaction that outlasts so many delays settling",
        ): _AMOUNT
        for some in (49, 51)
    },
    (
        "audit/seal_rows.py",
        'found = _read(cursor, "number = (SELECT max(number) FROM {seals})", [], 2)',
    ): "a number is there once",
    ("audit/seal_rows.py", "return found[ -1] if found else None"): "a number is there once",
    (
        "audit/seal_rows.py",
        "return [AuditSeal(**dict(zip(_FIELDS, row, strict=False))) for row in cursor.fetchall()]",
    ): "both come from the same list of columns",
    ("audit/sealed_rows.py", "_LARGEST = 2** 64 - 1  # of bigint"): "above the last id is no entry",
    (
        "audit/sealed_rows.py",
        "first: int | None = -(2** 64)  # an entry that was added by hand can have any id",
    ): "below the first id is no entry",
    (
        "audit/sealed_rows.py",
        "return place, spans[place][0] if place != len(spans) else None",
    ): "a place is one more than a former one, and never above their number",
}


def argument_for(mutant: Mutant, argued: dict[tuple[str, str], str] = ARGUED) -> str | None:
    """The reason why no test can notice this mutant; None if nobody gave one."""
    return argued.get((_name(mutant.path), mutant.after))


def stale(made: dict[Path, list[Mutant]], argued: dict[tuple[str, str], str] = ARGUED) -> list[str]:
    """The arguments about these modules for which there is no mutant any more."""
    names = {_name(path) for path in made}
    there = {(_name(each.path), each.after) for mutants in made.values() for each in mutants}
    return [f"{key[0]}: `{key[1]}`" for key in argued if key[0] in names and key not in there]


def _name(path: Path) -> str:
    return str(path).removeprefix("anomalies/")
