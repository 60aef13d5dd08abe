"""Refuse migrations that are not safe on a large table under traffic, or that can't go on after a kill.

Squawk reads the SQL of each; what it has no rule for, and what stands in no SQL, is checked here. Django
writes the SQL, for which it asks the database what is applied: the embedded server is started for it.
docs/decisions/11-migration-linter.md says why squawk.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# Squawk's rules that do not hold here, each with its reason. All others do.
NOT_HERE = {
    "require-lock-timeout": "manage.py migrate sets it, and tries again",
    "require-statement-timeout": "none may end an index build; migrate bounds the waiting instead",
    "prefer-robust-stmts": "a transaction is whole; builds CONCURRENTLY are taken up again by migrate",
    "prefer-bigint-over-int": "types are the contract's (docs/schema.md); this is taste, not safety",
    "prefer-identity": "the contract has serial keys",
    "prefer-text-field": "the contract has varchar(n), and a longer n rewrites nothing",
}
# What is refused elsewhere and is right here: (migration, rule) -> why. One that is not needed is an error.
EXCEPTIONS: dict[tuple[str, str], str] = {
    (
        "0011_record",
        "ban-drop-function",
    ): "only the functions that it replaces called it, in the same transaction",
    (
        "0020_roll_up_built",
        "not-repeatable",
    ): "its one statement appends what is missing; run again, nothing is",
    ("0028_tags_counted", "not-repeatable"): "as 0020",
    ("0042_roll_up_of_patterns", "prefer-bigint-over-smallint"): "a version of an algorithm stays small",
    ("0045_patterns_counted", "not-repeatable"): "as 0020",
    ("0011_record", "lock-order"): "taken back; migrate locks what writers lock first before it begins",
    (
        "0035_baseline_of_anomalies",
        "not-repeatable",
    ): "its one statement appends an entry; of two the last one counts",
    (
        "0039_json_limits_by_name",
        "ban-drop-constraint",
    ): "the same limit is added in the same transaction, in a function's words",
    ("0040_json_limits_validated", "not-repeatable"): "what is validated already is not read again",
}

# A migration without a transaction may be interrupted anywhere, so each operation must be repeatable.
REPEATABLE = ("AddIndexConcurrently", "RemoveIndexConcurrently", "ValidateConstraint")
_HEAVY = re.compile(r"^\s*(LOCK\b|CLUSTER\b|VACUUM\b|TRUNCATE\b)", re.IGNORECASE)
_ALTERS = re.compile(r"^\s*ALTER\s+TABLE\b", re.IGNORECASE)
_FILLS = re.compile(r"^\s*(UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
# Writers lock these first and last: their triggers write the log.
_FIRST, _LAST = "anomalies", "audit_log"
_LOCKS = re.compile(
    r"^\s*(?:ALTER\s+TABLE(?:\s+ONLY)?|DROP\s+TRIGGER\s+\S+\s+ON|CREATE\s.*TRIGGER\s.*?\sON)\s+\"?(\w+)",
    re.IGNORECASE | re.DOTALL,
)
_BODY = re.compile(r"\$(\w*)\$.*?\$\1\$|--[^\n]*", re.DOTALL)


class Problem(NamedTuple):
    """A violation in a migration, with the rule that refuses it."""

    migration: str
    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.migration}: {self.rule}: {self.words}"


def in_sql(name: str, sql: str) -> Iterator[Problem]:
    """Return the problems in the SQL of a migration, transaction included. Raises OSError without squawk."""
    squawk = Path(sys.executable).parent / "squawk"
    command = [str(squawk), "--pg-version=15", "--reporter=json", f"--exclude={','.join(NOT_HERE)}"]
    done = subprocess.run(
        [*command, "--no-assume-in-transaction", f"--stdin-filepath={name}.sql"],
        input=sql,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    try:
        found = json.loads(done.stdout)
    except ValueError as error:
        raise OSError(f"squawk failed: {done.stderr.strip() or done.stdout.strip()}") from error
    for problem in found:
        yield Problem(name, problem["rule_name"], f"{problem['message']} {problem['help'] or ''}".strip())
    yield from _ours(name, _statements(sql))


def _statements(sql: str) -> list[str]:
    return [part.strip() for part in _BODY.sub("", sql).split(";")]


def in_order_of_locks(name: str, sql: str) -> Iterator[Problem]:
    """The problem that a transaction locks the audit log before the anomalies: writers do the reverse."""
    locked = [match[1] for statement in _statements(sql) if (match := _LOCKS.match(statement))]
    if {_FIRST, _LAST} <= set(locked) and locked.index(_LAST) < locked.index(_FIRST):
        yield Problem(name, "lock-order", f"{_LAST} is locked before {_FIRST}: a deadlock with every writer")


def _ours(name: str, statements: list[str]) -> Iterator[Problem]:
    for statement in statements:
        if _HEAVY.match(statement):
            yield Problem(name, "heavy-lock", f"{statement[:60]} shuts everybody out")
    if any(map(_ALTERS.match, statements)) and any(map(_FILLS.match, statements)):
        yield Problem(
            name, "fill-under-lock", "rows are filled while ALTER TABLE holds its lock; use two migrations"
        )


def in_operations(name: str, migration: object) -> Iterator[Problem]:
    """Return the problems of a migration that its SQL does not show."""
    for operation in migration.operations:
        kind = type(operation).__name__
        if not migration.atomic and kind not in REPEATABLE:
            yield Problem(
                name, "not-repeatable", f"{kind} in a migration with atomic = False can't be run again"
            )
        if not operation.reversible:
            yield Problem(name, "no-reverse", f"{operation.describe()} has no reverse")
        if isinstance(getattr(operation, "sql", None), str):
            yield Problem(name, "one-string", "give RunSQL a list of statements, not one text")


def excused(problems: list[Problem], exceptions: dict[tuple[str, str], str] | None = None) -> list[Problem]:
    """The problems without those that are excepted, and each exception that excepts nothing."""
    given = EXCEPTIONS if exceptions is None else exceptions
    unused = set(given) - {(problem.migration, problem.rule) for problem in problems}
    left = [problem for problem in problems if (problem.migration, problem.rule) not in given]
    return left + [Problem(name, rule, "the exception is not needed") for name, rule in sorted(unused)]


def ours() -> Iterator[tuple[str, object, str, str]]:
    """Name, migration, SQL and SQL of the reverse of each of our migrations, as ``sqlmigrate`` has it."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection, replace_migrations=False)
    for key in sorted(key for key in loader.graph.nodes if key[0] == "anomalies"):
        migration = loader.graph.nodes[key]
        lines = loader.collect_sql([(migration, False)])
        back = "\n".join(loader.collect_sql([(migration, True)])) if migration.atomic else ""
        yield key[1], migration, "\n".join(["BEGIN;", *lines, "COMMIT;"] if migration.atomic else lines), back


def lint() -> tuple[int, list[Problem]]:
    """Return the number of migrations read, and their problems."""
    read = list(ours())
    problems = [
        problem
        for name, migration, sql, back in read
        for problem in [
            *in_sql(name, sql),
            *(each for one in (sql, back) for each in in_order_of_locks(name, one)),
            *in_operations(name, migration),
        ]
    ]
    return len(read), excused(problems)


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    import django

    django.setup()
    count, problems = lint()
    for problem in problems:
        print(problem)
    print(f"read {count} migrations, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
