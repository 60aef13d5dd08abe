"""The modules that `make mutation` mutates, and the tests that it runs for each."""

from __future__ import annotations

import argparse
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SEALS = ("tests/audit/test_seals.py", "tests/audit/test_guards.py", "tests/audit/test_bundle.py")
_SAME_BYTES = "tests/audit/test_seals.py::test_the_same_row_is_the_same_bytes_in_every_session"
_REPLAYED = "tests/audit/test_replay.py::test_a_new_database_has_nothing_to_name"
_COPIES = "tests/audit/test_shadow_objects.py::test_nothing_is_sealed_while_there_are_two_audit_logs"
_HISTORY = ("tests/audit/test_history.py", "tests/triage/test_decisions.py")
_TRIAGE = ("tests/triage/test_decisions.py", "tests/triage/test_undo.py", "tests/triage/test_assignment.py")
_LINES = ("tests/ingest/test_json_lines.py", "tests/ingest/test_malformed_lines.py")
_TOKENS = ("tests/api/test_tokens.py", "tests/api/test_access.py")
_WORKER = ("tests/ingest/otlp/test_judging.py",)
_RECEIVER = ("tests/api/otlp/test_receiver.py",)
_ARCHIVE = ("tests/retention/test_archive.py",)
_MEMORY = ("tests/sources/test_checkpoint.py", "tests/test_atomic_file.py")

TESTS: dict[str, tuple[str, ...]] = {
    "anomalies/audit/actor.py": ("tests/audit/test_audit_log.py", "tests/triage/test_decisions.py"),
    "anomalies/audit/bundle.py": ("tests/audit/test_bundle.py",),
    "anomalies/audit/canonical_rows.py": ("tests/audit/test_canonical_rows.py", _SAME_BYTES),
    "anomalies/audit/changes_since.py": _HISTORY,
    "anomalies/audit/events.py": ("tests/audit/test_audit_log.py",),
    "anomalies/audit/guards.py": (*_SEALS, "tests/audit/test_recorded_ddl.py"),
    "anomalies/audit/history.py": _HISTORY,
    "anomalies/audit/keys.py": ("tests/audit/test_keys.py",),
    "anomalies/audit/replay.py": ("tests/audit/test_replay.py",),
    "anomalies/audit/replay_sources.py": ("tests/audit/test_replay.py",),
    "anomalies/audit/seal_rows.py": ("tests/audit/test_seal_state.py", *_SEALS),
    "anomalies/audit/sealed_rows.py": ("tests/audit/test_sealed_rows.py", *_SEALS),
    "anomalies/audit/seals.py": ("tests/audit/test_seal_state.py", *_SEALS, _COPIES),
    "anomalies/audit/verification.py": (*_SEALS, _REPLAYED),
    "anomalies/triage/assignment.py": _TRIAGE,
    "anomalies/triage/comments.py": ("tests/triage/test_comments.py",),
    "anomalies/triage/decisions.py": _TRIAGE,
    "anomalies/triage/frozen_selection.py": ("tests/triage/test_frozen_selection.py",),
    "anomalies/triage/rules.py": ("tests/triage/test_rules.py",),
    "anomalies/triage/snooze.py": ("tests/triage/test_snooze.py",),
    "anomalies/triage/undo.py": _TRIAGE,
    "anomalies/sources/checkpoint.py": _MEMORY,
    "anomalies/atomic_file.py": _MEMORY,
    "anomalies/ingest/database_refusals.py": _LINES,
    "anomalies/ingest/validation_errors.py": (*_LINES, "tests/ingest/test_validation_errors.py"),
    "anomalies/ingest/json_lines.py": _LINES,
    "anomalies/ingest/otlp/judging.py": _WORKER,
    "anomalies/ingest/otlp/spool.py": (*_WORKER, *_RECEIVER),
    "anomalies/ingest/otlp/stream.py": _WORKER,
    "anomalies/api/otlp/pressure.py": _RECEIVER,
    "anomalies/api/otlp/receiver.py": _RECEIVER,
    "anomalies/api/access.py": _TOKENS,
    "anomalies/api/rates.py": ("tests/api/test_rates.py",),
    "anomalies/api_tokens.py": _TOKENS,
    "anomalies/notifications/outbox.py": ("tests/notifications/test_sending.py",),
    "anomalies/permissions.py": ("tests/permissions",),
    "anomalies/retention/archive_file.py": _ARCHIVE,
    "anomalies/retention/deletion.py": _ARCHIVE,
    "anomalies/retention/selection.py": _ARCHIVE,
    "anomalies/web/lockout.py": ("tests/web/test_security.py",),
}


def modules_named(names: list[str]) -> list[Path]:
    """The modules whose path holds one of these names; all without a name. Raises ArgumentTypeError."""
    found = [Path(each) for each in TESTS if not names or any(name in each for name in names)]
    if not found:
        raise argparse.ArgumentTypeError(f"none of the {len(TESTS)} modules is named so")
    return found


def tests_of(modules: list[Path]) -> list[str]:
    """The tests of these modules, each once."""
    return list(dict.fromkeys(test for module in modules for test in TESTS[str(module)]))
