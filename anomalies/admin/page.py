"""The numbers on an anomaly's page, each beside the threshold it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import jsonb
from ..models import Anomaly
from ..thresholds import ThresholdsError, active_config, thresholds_for
from . import presentation as show


@dataclass(frozen=True, slots=True)
class Figure:
    """A number: its name, the value and the threshold as text, what comes of it, and what it means."""

    name: str
    value: str
    threshold: str = ""
    verdict: str = ""
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers, and whose thresholds they are held against."""

    rows: tuple[Figure, ...]
    source: str


def figures(anomaly: Any) -> Figures:
    """The numbers of an anomaly (with ``metadata_text``, its metadata as text)."""
    thresholds, source = _thresholds(anomaly)
    ncd, p = thresholds.get("ncd_threshold"), thresholds.get("p_value_threshold")
    return Figures((*_held_against(anomaly, ncd, p), *_compression(anomaly)), source)


def _thresholds(anomaly: Any) -> tuple[dict[str, Any], str]:
    """Those the detector worked by, where it left them; else those of the active config."""
    kept = _kept_by_the_detector(anomaly.metadata_text)
    if kept:
        config = kept.get("config_id")
        named = f", config {config}" if isinstance(config, int) and config < 2**31 else ""
        return kept, f"the detector's thresholds{named}"
    try:
        config = active_config()
        return thresholds_for(config, anomaly.stream_type).as_dict(), f"today's thresholds, {config}"
    except ThresholdsError as error:
        return {}, str(error)


def _kept_by_the_detector(metadata_text: str | None) -> dict[str, Any]:
    metadata = jsonb.object_of(metadata_text)
    thresholds = metadata.get("thresholds")
    if not isinstance(thresholds, dict):
        return {}
    return {**thresholds, "config_id": metadata.get("config_id")}


def _held_against(anomaly: Anomaly, ncd: Any, p: Any) -> list[Figure]:
    """A detector of ours gates on novelty; of a row without one the NCD is held against the threshold."""
    gate_on_ncd = ncd if anomaly.novelty is None else None
    return [
        _at_least(
            "Novelty",
            anomaly.novelty,
            ncd,
            "share of the newest line that its stream had not shown in that place",
        ),
        Figure(
            "p-value",
            show.p_value(anomaly.p_value),
            f"< {p:g}" if _is_number(p) else "",
            _verdict(anomaly.p_value, p, _is_number(p) and anomaly.p_value < p),
            "how often a window of this stream holds as much that is new",
        ),
        _at_least(
            "NCD", anomaly.ncd_score, gate_on_ncd, "normalized compression distance, baseline to window"
        ),
        Figure("Confidence", show.number(anomaly.confidence_level), meaning="1 − p"),
    ]


def _at_least(name: str, value: float | None, threshold: Any, meaning: str) -> Figure:
    bound = f"≥ {threshold:g}" if _is_number(threshold) and value is not None else ""
    beyond = value is not None and _is_number(threshold) and value >= threshold
    return Figure(name, show.number(value), bound, _verdict(value, threshold, beyond), meaning)


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
