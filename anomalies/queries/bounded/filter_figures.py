"""The figures by stream of a filter: from the roll-up where it can count the filter, else from the table."""

from __future__ import annotations

from anomalies.queries import hourly_rollup
from anomalies.queries.filters import AnomalyFilter, bounds, keeps_runs_whole
from anomalies.queries.stats import Span, StreamFigures, figures_by_stream, rolled_up_by_stream

from .filter_listing import selection_of


def figures_of(filterset: AnomalyFilter, *, exact: bool = False) -> list[StreamFigures]:
    """The figures of the anomalies that a valid filter selects; ``exact`` reads the table in any case."""
    cleaned = filterset.form.cleaned_data
    span = Span(*bounds(cleaned)) if keeps_runs_whole(filterset) else None
    figures = None
    selection = None if exact else selection_of(filterset)
    if selection is not None:
        hourly_rollup.fold_if_many()
        figures = rolled_up_by_stream(selection, span)
    if figures is None:
        figures = figures_by_stream(filterset.qs, span)
    streams = cleaned.get("stream")
    return [row for row in figures if not streams or row.stream_type in streams]
