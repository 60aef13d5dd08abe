"""Write down what has landed: the SHA-256 of each migration, in a file that ``sha256sum --check`` reads too.

    python scripts/land_migrations.py          add the migrations that are not in it yet
    python scripts/land_migrations.py --check  say what differs from it; exits 1 then

An entry is never changed or taken out: databases have run what it names. It is the file's bytes that count,
not its meaning: a hash of the syntax tree would depend on the Python that parsed it, and the words in which
a migration says what its reverse drops are part of what was agreed.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parent.parent / "anomalies" / "migrations"
MANIFEST = "SHA256SUMS"


def landed(folder: Path = MIGRATIONS) -> dict[str, str]:
    """The hash of each migration that has landed, by its file's name."""
    lines = (folder / MANIFEST).read_text().splitlines() if (folder / MANIFEST).exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def present(folder: Path = MIGRATIONS) -> dict[str, str]:
    """The hash of each migration that is in the folder now, by its file's name."""
    files = sorted(file for file in folder.glob("*.py") if file.name != "__init__.py")
    # A checkout may turn line ends; that is not a change.
    return {
        file.name: hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest() for file in files
    }


def differences(folder: Path = MIGRATIONS) -> list[str]:
    """Return the differences from the manifest, a sentence each."""
    then, now = landed(folder), present(folder)
    changed = [
        f"{name} has landed and was changed" for name in then if now.get(name, then[name]) != then[name]
    ]
    removed = [f"{name} has landed and was removed" for name in then if name not in now]
    unlisted = [
        f"{name} is not in {MANIFEST}: run scripts/land_migrations.py" for name in now if name not in then
    ]
    return changed + removed + unlisted


def land(folder: Path = MIGRATIONS) -> list[str]:
    """Add the migrations that are not in the manifest yet, and nothing else; their names."""
    then, now = landed(folder), present(folder)
    lines = [f"{digest}  {name}\n" for name, digest in sorted({**now, **then}.items())]
    (folder / MANIFEST).write_text("".join(lines))
    return [name for name in now if name not in then]


def main() -> int:
    if "--check" not in sys.argv[1:]:
        for name in land():
            print(f"landed {name}")
    wrong = differences()
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"{len(landed())} have landed, {len(wrong)} differ", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
