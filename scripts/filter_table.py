"""Write the table of filters into docs/desk.md, from their declaration in anomalies/queries/filters.py.

python scripts/filter_table.py
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "desk.md"
PLACE = re.compile(r"(?<=<!-- filters -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return the filters as a Markdown table."""
    from anomalies.management.filter_options import option_of
    from anomalies.queries.filters import MEANINGS, AnomalyFilter
    from anomalies.queries.search.fields import values_of

    rows = [
        f"| `{name}` | `{option_of(name)}` | {AnomalyFilter().form[name].label} | {values_of(each)} "
        f"| {_words(MEANINGS[name].words)} | {'yes' if MEANINGS[name].is_rolled_up else ''} |"
        for name, each in AnomalyFilter.base_filters.items()
    ]
    head = ["| in the address | option | label | values | in the search | counted by the roll-up |"]
    head.append("|---|---|---|---|---|---|")
    return "\n".join([*head, *rows, ""])


def _words(spellings: tuple[str, ...]) -> str:
    """The words of a filter; a comma at a spelling's end means a value with commas."""
    spelled = (f"`{each.rstrip(',')}{'…,…' if each.endswith(',') else '…'}`" for each in spellings)
    return " ".join(spelled) or "any text"


def written(page: str) -> str:
    """Return the page with its table made from the declaration."""
    return PLACE.sub(lambda _: table(), page)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "driftlock.settings")
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    PAGE.write_text(written(PAGE.read_text()))


if __name__ == "__main__":
    main()
