"""Write the table of allowed imports into docs/architecture.md, from tests/test_architecture.py.

python scripts/architecture.py
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"(?<=<!-- allow-list -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table(allowed: dict[str, set[str]]) -> str:
    """The allow-list as a Markdown table, a row for each set of rooms that may import the same."""
    same: dict[tuple[str, ...], list[str]] = {}
    for room, others in allowed.items():
        same.setdefault(tuple(sorted(others)), []).append(room)
    rows = [(", ".join(rooms), ", ".join(others) or "nothing of ours") for others, rooms in same.items()]
    return "\n".join(["| room | may import |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows), ""])


def written(page: str, allowed: dict[str, set[str]]) -> str:
    """The page with its table made from the allow-list."""
    return PLACE.sub(lambda _: table(allowed), page)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from tests.test_architecture import MAY_IMPORT

    PAGE.write_text(written(PAGE.read_text(), MAY_IMPORT))


if __name__ == "__main__":
    main()
