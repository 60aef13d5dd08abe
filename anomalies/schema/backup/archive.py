"""Reading a dump through pg_restore: the positions of its sequences and the roles of its grants.

A dump is given as the descriptor of an open file, because it has no name while it is being written.
"""

from __future__ import annotations

import os
import re
import tempfile

from .pg_binaries import Program, running

_SEQUENCE = re.compile(
    r"^SELECT pg_catalog\.setval\('((?:[^']|'')+)', (-?\d+), (true|false)\);$", re.MULTILINE
)
_ROLE = re.compile(
    r"^(?:GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) .* "
    r'(?:TO|FROM) ("(?:[^"]|"")+"|\w+)(?: WITH GRANT OPTION)?;$',
    re.MULTILINE,
)
_EVERYBODY = "PUBLIC"


def sequences_in(dump: int, pg_restore: Program) -> dict[str, tuple[int, bool]]:
    """By sequence (SQL name): the last value, and True if that value was used.

    Sequences are not subject to snapshots, so the dumped values can only be read from the dump.
    """
    found = _SEQUENCE.findall(_script(dump, pg_restore, "SEQUENCE SET"))
    return {name.replace("''", "'"): (int(value), used == "true") for name, value, used in found}


def roles_in(dump: int, pg_restore: Program) -> list[str]:
    """The roles in the dump's GRANT and REVOKE statements, without PUBLIC."""
    script = _script(dump, pg_restore, "ACL") + _script(dump, pg_restore, "DEFAULT ACL")
    names = {name[1:-1].replace('""', '"') if name[0] == '"' else name for name in _ROLE.findall(script)}
    return sorted(names - {_EVERYBODY})


def _script(dump: int, pg_restore: Program, kind: str) -> str:
    """The statements of the dump's entries of one kind."""
    entry = re.compile(rf"^\d+; \d+ \d+ {kind} ")
    chosen = [line for line in _run(pg_restore, ["--list"], dump).splitlines() if entry.match(line)]
    if not chosen:
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".list", encoding="utf-8") as listed:
        listed.write("\n".join(chosen) + "\n")
        listed.flush()
        return _run(pg_restore, [f"--use-list={listed.name}", "--file=-"], dump)


def _run(pg_restore: Program, arguments: list[str], dump: int) -> str:
    os.lseek(dump, 0, os.SEEK_SET)
    with running(pg_restore, arguments, stdin=dump) as process:
        assert process.stdout is not None
        return process.stdout.read().decode(errors="replace")
