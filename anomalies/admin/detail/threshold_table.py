"""The numbers on an anomaly's page, each compared with its threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from anomalies import json_column
from anomalies.languages import formats
from anomalies.models import Anomaly, DetectionConfig
from anomalies.queries.bounded.together import Read, models_read
from anomalies.queries.neighbours import Range, Usual, usual
from anomalies.thresholds import Thresholds, ThresholdsError, measure_of, required, thresholds_for
from anomalies.thresholds import active as active_configs

from ..ui import formatting as show
from ..ui.naming import source_of
from ..ui.scale_charts import scale


@dataclass(frozen=True, slots=True)
class Figure:
    """A number: name, value and threshold as text, the verdict and whether it is met, and what it means."""

    name: str
    value: str
    threshold: str = ""
    verdict: str = ""
    is_met: bool = False
    meaning: str = ""
    scale: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers, the source of their thresholds, and what the scales and the active config say."""

    rows: tuple[Figure, ...]
    source: str
    usual: str
    config: int | None
    now: str


@dataclass(frozen=True, slots=True)
class FigureReads:
    """The reads of the usual ranges and the active config: an anomaly's numbers are compared with both."""

    usual: Read[Usual]
    active: Read[list[DetectionConfig]]

    @classmethod
    def of(cls, anomaly: Anomaly) -> FigureReads:
        """Return them for an anomaly."""
        return cls(usual(anomaly), models_read(active_configs()[:1]))


def figures(anomaly: Any, ranges: Usual, config_in_use: DetectionConfig | None) -> Figures:
    """Return the numbers of an anomaly (with ``metadata_text``, its metadata as text)."""
    stored, config = _stored_thresholds(anomaly.metadata_text)
    active = _active(anomaly, config_in_use)
    thresholds = stored or (active.numbers.as_dict() if active.numbers else {})
    ncd, p = _share(thresholds.get("ncd_threshold")), _share(thresholds.get("p_value_threshold"))
    if not stored:
        source = _("the active thresholds, %(config)s") % {"config": active.name}
    elif config:
        source = _("the detector's thresholds, config %(number)s") % {"number": config}
    else:
        source = _("the detector's thresholds")
    usual = _("the middle 90%% of the newest %(count)s anomalies of %(source)s")
    return Figures(
        (*_compared(anomaly, ncd, p, ranges.ranges), *_compression(anomaly)),
        source if thresholds else active.name,
        usual % {"count": formats.count(ranges.count), "source": source_of(anomaly)},
        config,
        _now(anomaly, active),
    )


@dataclass(frozen=True, slots=True)
class _Active:
    """The active config's name and its numbers for a stream; without them the name is the reason."""

    name: str
    numbers: Thresholds | None = None
    config: DetectionConfig | None = None


def _active(anomaly: Any, config: DetectionConfig | None) -> _Active:
    try:
        config = required(config)
        return _Active(str(config), thresholds_for(config, anomaly.stream_type), config)
    except ThresholdsError as error:
        return _Active(str(error))


def _now(anomaly: Any, active: _Active) -> str:
    """Return the result under the active config: "Active config (1): not flagged"."""
    if active.numbers is None or active.config is None:
        return _("Active config: none. %(why)s") % {"why": active.name}
    numbers, value = active.numbers, measure_of(anomaly)
    words = _(
        "Active config (%(number)s): %(verdict)s; %(measure)s %(value)s with threshold %(threshold)s, "
        "p %(p)s with threshold %(p_threshold)s."
    )
    return words % {
        "number": active.config.pk,
        "verdict": _("flagged") if numbers.is_flagged(value, anomaly.p_value) else _("not flagged"),
        "measure": "NCD" if anomaly.novelty is None else _("novelty"),
        "value": show.number(value),
        "threshold": show.short(numbers.ncd_threshold, 6),
        "p": "< " + show.number(0.001) if anomaly.p_value < 0.001 else show.number(anomaly.p_value),
        "p_threshold": show.short(numbers.p_value_threshold, 6),
    }


def _stored_thresholds(metadata_text: str | None) -> tuple[dict[str, Any], int | None]:
    """Return the thresholds that the detector wrote into the metadata, and the number of its config."""
    metadata = json_column.object_of(metadata_text)
    thresholds, config = metadata.get("thresholds"), metadata.get("config_id")
    known = config if type(config) is int and 0 < config < 2**31 else None
    return (thresholds if isinstance(thresholds, dict) else {}), known


def _compared(anomaly: Anomaly, ncd: float | None, p: float | None, ranges: dict[str, Range]) -> list[Figure]:
    """Compare novelty and p with their thresholds; of a row without novelty its NCD, which then decides."""
    gate_on_ncd = ncd if anomaly.novelty is None else None
    return [
        _at_least(
            _("Novelty"),
            anomaly.novelty,
            ncd,
            _("share of the newest event that its stream had not shown before in that place"),
            ranges.get("novelty"),
        ),
        Figure(
            _("p-value"),
            show.p_value(anomaly.p_value),
            "" if p is None else f"< {show.short(p, 6)}",
            _verdict(anomaly.p_value, p),
            p is not None and anomaly.p_value < p,
            _("probability that a window of this stream contains as much novelty"),
            scale(anomaly.p_value, p, ranges.get("p_value"), logarithmic=True),
        ),
        _at_least(
            "NCD",
            anomaly.ncd_score,
            gate_on_ncd,
            _("normalized compression distance, baseline to window"),
            ranges.get("ncd_score"),
        ),
        Figure(_("Confidence"), show.number(anomaly.confidence_level), meaning="1 − p"),
    ]


def _at_least(
    name: str, value: float | None, threshold: float | None, meaning: str, usually: Range | None
) -> Figure:
    bound = "" if threshold is None or value is None else f"≥ {show.short(threshold, 6)}"
    is_met = value is not None and threshold is not None and value >= threshold
    chart = scale(value, threshold, usually)
    return Figure(name, show.number(value), bound, _verdict(value, threshold), is_met, meaning, chart)


def _compression(anomaly: Anomaly) -> list[Figure]:
    return [
        Figure(
            _("Compressed / raw"),
            f"{show.number(anomaly.compression_baseline)} → {show.number(anomaly.compression_window)}",
            meaning=_("baseline → window; both combined %(combined)s; change %(change)s")
            % {
                "combined": show.number(anomaly.compression_combined),
                "change": show.percent(anomaly.compression_ratio_change),
            },
        ),
        Figure(
            _("Entropy"),
            f"{show.number(anomaly.baseline_entropy, 2)} → {show.number(anomaly.window_entropy, 2)}",
            meaning=_("bits per byte, baseline → window"),
        ),
    ]


def _share(value: Any) -> float | None:
    """Return a threshold from 0 to 1; None for anything else, which foreign metadata may contain."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else None


def _verdict(value: float | None, threshold: float | None) -> str:
    if value is None or threshold is None:
        return ""
    return _("above threshold") if value >= threshold else _("below threshold")
