"""The numbers on an anomaly's page, each beside the threshold it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from anomalies import json_column
from anomalies.models import Anomaly
from anomalies.queries.neighbours import Range, usual
from anomalies.thresholds import Thresholds, ThresholdsError, active_config, flags, thresholds_for

from ..ui import formatting as show
from ..ui.scale_charts import scale


@dataclass(frozen=True, slots=True)
class Figure:
    """A number: its name, the value and the threshold as text, what comes of it, and what it means."""

    name: str
    value: str
    threshold: str = ""
    verdict: str = ""
    meaning: str = ""
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers, whose thresholds they are held against, and what the other pictures show."""

    rows: tuple[Figure, ...]
    source: str
    usual: str
    config: int | None
    now: str


def figures(anomaly: Any) -> Figures:
    """The numbers of an anomaly (with ``metadata_text``, its metadata as text)."""
    kept, config = _kept_by_the_detector(anomaly.metadata_text)
    today, active = _today(anomaly)
    thresholds = kept or today
    ncd, p = thresholds.get("ncd_threshold"), thresholds.get("p_value_threshold")
    ranges = usual(anomaly.stream_type)
    source = (
        f"the detector's thresholds{f', config {config}' if config else ''}"
        if kept
        else f"today's thresholds, {active}"
    )
    return Figures(
        (*_held_against(anomaly, ncd, p, ranges.ranges), *_compression(anomaly)),
        source if thresholds else active,
        f"where nine of ten of the newest {ranges.count:,} anomalies of {anomaly.stream_type} lie",
        config,
        _now(anomaly, today, active),
    )


def _today(anomaly: Any) -> tuple[dict[str, Any], str]:
    """The active config's numbers for this stream and its name; none, and why."""
    try:
        config = active_config()
        return thresholds_for(config, anomaly.stream_type).as_dict(), str(config)
    except ThresholdsError as error:
        return {}, str(error)


def _now(anomaly: Any, today: dict[str, Any], active: str) -> str:
    """What detectors that work by the active config would say."""
    if not today:
        return f"What detectors would say today is not known: {active}"
    numbers = Thresholds(**today)
    measure = "NCD" if anomaly.novelty is None else "novelty"
    value = anomaly.ncd_score if anomaly.novelty is None else anomaly.novelty
    high = f"{measure} {value:.3g} {'≥' if value >= numbers.ncd_threshold else '<'} {numbers.ncd_threshold:g}"
    limit = numbers.p_value_threshold
    rare = f"p {anomaly.p_value:.3g} {'<' if anomaly.p_value < limit else '≥'} {limit:g}"
    verdict = "would be flagged today" if flags(numbers, anomaly) else "would not be flagged today"
    return f"By {active}, the active one, it {verdict}: {high}, {rare}."


def _kept_by_the_detector(metadata_text: str | None) -> tuple[dict[str, Any], int | None]:
    """The thresholds that the detector left in the metadata, and the number of its config."""
    metadata = json_column.object_of(metadata_text)
    thresholds, config = metadata.get("thresholds"), metadata.get("config_id")
    known = config if type(config) is int and 0 < config < 2**31 else None
    return (thresholds if isinstance(thresholds, dict) else {}), known


def _held_against(anomaly: Anomaly, ncd: Any, p: Any, ranges: dict[str, Range]) -> list[Figure]:
    """A detector of ours gates on novelty; of a row without one the NCD is held against the threshold."""
    gate_on_ncd = ncd if anomaly.novelty is None else None
    return [
        _at_least(
            "Novelty",
            anomaly.novelty,
            ncd,
            "share of the newest line that its stream had not shown in that place",
            ranges.get("novelty"),
        ),
        Figure(
            "p-value",
            show.p_value(anomaly.p_value),
            f"< {p:g}" if _is_number(p) else "",
            _verdict(anomaly.p_value, p, _is_number(p) and anomaly.p_value < p),
            "how often a window of this stream holds as much that is new",
            scale(anomaly.p_value, _threshold(p), ranges.get("p_value"), logarithmic=True),
        ),
        _at_least(
            "NCD",
            anomaly.ncd_score,
            gate_on_ncd,
            "normalized compression distance, baseline to window",
            ranges.get("ncd_score"),
        ),
        Figure("Confidence", show.number(anomaly.confidence_level), meaning="1 − p"),
    ]


def _at_least(name: str, value: float | None, threshold: Any, meaning: str, usually: Range | None) -> Figure:
    bound = f"≥ {threshold:g}" if _is_number(threshold) and value is not None else ""
    beyond = value is not None and _is_number(threshold) and value >= threshold
    picture = scale(value, _threshold(threshold), usually)
    return Figure(name, show.number(value), bound, _verdict(value, threshold, beyond), meaning, picture)


def _threshold(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _compression(anomaly: Anomaly) -> list[Figure]:
    return [
        Figure(
            "Compressed / raw",
            f"{show.number(anomaly.compression_baseline)} → {show.number(anomaly.compression_window)}",
            meaning=f"baseline → window; both together {show.number(anomaly.compression_combined)}; "
            f"change {show.percent(anomaly.compression_ratio_change)}",
        ),
        Figure(
            "Entropy",
            f"{show.number(anomaly.baseline_entropy, 2)} → {show.number(anomaly.window_entropy, 2)}",
            meaning="bits per byte, baseline → window",
        ),
    ]


def _is_number(value: Any) -> bool:
    """A threshold is from 0 to 1; metadata is anybody's and may hold anything there."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _verdict(value: float | None, threshold: Any, beyond: bool) -> str:
    if value is None or not _is_number(threshold):
        return ""
    return "beyond" if beyond else "within"
