"""The effect of our own rows, the cached widgets and the time limit on the list's first page, in one run.

    .venv/bin/python benchmarks/rendering.py [--rows 10000] [--rounds 40]

The page is requested in turn as it is, with the rows that Django's admin renders, with widgets that are
rendered each time, and without the time limit on database work. Printed are medians of the time and of this
process's CPU time, which other programs disturb less, and their ratios to the page as it is. A part stays if
the page without it takes more than 1.1 times as long (docs/decisions/22-what-stays.md). The last line is the
time that counting a request's duration takes, which is too short to be seen in a page, as a share of it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from desk import LIST, desk, fill
from ingest import own_database
from verdict import verdict

WARM_UP = 3
MOST_TIMING = 0.02  # of a page's time
PATHS = {"grouped into incidents": LIST, "single rows": f"{LIST}?single=1"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftlock-bench-") as folder, own_database(folder):
        client = desk()
        fill(1, given.rows)
        for name, path in PATHS.items():
            print(f"{name}, {given.rows:,} rows")
            medians = measure(client, path, given.rounds)
            report(medians)
        share = seconds_of_a_duration() / (medians[AS_IS][0] / 1000)
        print(f"counting a request's duration takes {share:.4%} of a page {verdict(share, most=MOST_TIMING)}")


def seconds_of_a_duration(times: int = 20_000) -> float:
    """The seconds that a request more in the durations takes, with the rows that are stored for them."""
    from anomalies.queries.performance.timings import Timings

    timings = Timings(in_background=False)
    began = time.perf_counter()
    for number in range(times):
        timings.add("request", f"GET /{number % 40}", 0.02)
    timings.store()
    return (time.perf_counter() - began) / times


def measure(client: Any, path: str, rounds: int) -> dict[str, tuple[float, float]]:
    """The median milliseconds and CPU milliseconds of each variant, requested in turn."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in VARIANTS}
    for number in range(rounds + WARM_UP):
        for name, variant in VARIANTS.items():
            with variant():
                began, cpu_began = time.perf_counter(), time.process_time()
                answer = client.get(path)
                seconds = time.perf_counter() - began, time.process_time() - cpu_began
            assert answer.status_code == 200
            if number >= WARM_UP:
                taken[name].append((1000 * seconds[0], 1000 * seconds[1]))
    return {
        name: (statistics.median(a for a, _ in values), statistics.median(b for _, b in values))
        for name, values in taken.items()
    }


def report(medians: dict[str, tuple[float, float]]) -> None:
    time_as_is, cpu_as_is = medians[AS_IS]
    for name, (median, cpu) in medians.items():
        print(
            f"  {name:24}{median:8.1f} ms{median / time_as_is:7.2f}{cpu:10.1f} ms CPU{cpu / cpu_as_is:7.2f}"
        )


@contextmanager
def as_it_is() -> Iterator[None]:
    """The page with all of it."""
    from django.conf import settings

    settings.PAGE_SECONDS = 5
    yield


@contextmanager
def without_time_limit() -> Iterator[None]:
    """The page without the limit on database work, and without the planner's settings that come with it."""
    from django.conf import settings

    settings.PAGE_SECONDS = 0
    yield
    settings.PAGE_SECONDS = 5


@contextmanager
def with_djangos_rows() -> Iterator[None]:
    """The page with the rows as Django's admin renders them."""
    from django.contrib.admin.templatetags.admin_list import results

    from anomalies.admin.list.pagination import Pages

    def rendered(cl: Any) -> list[Any]:
        cl.formset, cl.pk_attname, cl.result_list = None, "id", cl.rows
        return list(results(cl))

    ours, django = Pages.__dict__["results"], cached_property(rendered)
    django.__set_name__(Pages, "results")
    Pages.results = django
    yield
    Pages.results = ours


@contextmanager
def with_djangos_widgets() -> Iterator[None]:
    """The page with widgets that are rendered each time."""
    from django.forms.renderers import get_default_renderer

    from anomalies.admin.list import filter_panel

    ours = filter_panel._RENDERER
    filter_panel._RENDERER = get_default_renderer()
    yield
    filter_panel._RENDERER = ours


AS_IS = "as it is"
VARIANTS: dict[str, Callable[[], Any]] = {
    AS_IS: as_it_is,
    "Django's rows": with_djangos_rows,
    "widgets not cached": with_djangos_widgets,
    "no time limit": without_time_limit,
}


if __name__ == "__main__":
    main()
