"""What detectors work by: the active config, its stream overrides, and the switch from one to another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from anomalies.audit import Actor, acting
from anomalies.detection import Parameters
from anomalies.models import Anomaly, DetectionConfig, override_problems


class ThresholdsError(Exception):
    """There is nothing to detect by; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers for one stream: thresholds from 0 to 1, sizes in events."""

    ncd_threshold: float
    p_value_threshold: float
    baseline_size: int
    window_size: int
    hop_size: int

    def as_dict(self) -> dict[str, Any]:
        """The numbers by name."""
        return asdict(self)


def parameters_for(numbers: Thresholds, review_per_day: int) -> Parameters:
    """What our own detector works by: a config's numbers, and how many windows a day are for review."""
    return Parameters(**numbers.as_dict(), review_per_day=review_per_day)


def measure_of(anomaly: Any) -> float:
    """Return what is compared with the novelty threshold: the novelty, or the NCD where there is none."""
    return float(anomaly.ncd_score if anomaly.novelty is None else anomaly.novelty)


def is_flagged(numbers: Thresholds, measure: float, p_value: float) -> bool:
    """Return whether a window is flagged: its measure reaches the threshold, and its p-value is below."""
    return measure >= numbers.ncd_threshold and p_value < numbers.p_value_threshold


def active_config() -> DetectionConfig:
    """The config that detectors work by. Raises ThresholdsError where none is active."""
    config = DetectionConfig.objects.filter(is_active=True).first()
    if config is None:
        raise ThresholdsError("No detection config is active; activate one in the admin.")
    return config


def thresholds_for(config: DetectionConfig, stream: str) -> Thresholds:
    """A config's numbers for a stream, its overrides applied.

    Raises ThresholdsError for overrides that nothing can work by (others than the admin may write them).
    """
    _check_overrides(config)
    overrides = (config.stream_overrides or {}).get(stream, {})
    names = [field.name for field in fields(Thresholds)]
    return Thresholds(**{name: overrides.get(name, getattr(config, name)) for name in names})


def _check_overrides(config: DetectionConfig) -> None:
    problems = override_problems(config.stream_overrides)
    if problems:
        raise ThresholdsError(f"stream_overrides of config {config.pk}: {' '.join(problems)}")


# What detectors work by: a change of these is another config.
NUMBERS = (*(field.name for field in fields(Thresholds)), "stream_overrides")


def is_used(config: DetectionConfig) -> bool:
    """Whether detectors work by it or an anomaly names it: then its numbers are history."""
    return (
        DetectionConfig.objects.filter(pk=config.pk, is_active=True).exists()
        or Anomaly.objects.filter(metadata__contains={"config_id": config.pk}).exists()
    )


class ConfigChanged(Exception):
    """A config is not any more what was seen; the message says since when and by whom."""


def lock_configs() -> dict[int, tuple[int, bool]]:
    """Lock every config until the transaction's end: its version by number, and whether it is active.

    Whoever changes one takes them all, in the order of their numbers: of two at once one waits, and
    neither deadlocks, be it that one saves a config and makes it active in the same go.
    """
    rows = DetectionConfig.objects.select_for_update().order_by("pk")
    return {pk: (version, active) for pk, version, active in rows.values_list("pk", "version", "is_active")}


def activate(config_id: int, actor: Actor, *, seen: int | None = None) -> bool:
    """Make this config the active one; False when it was so already.

    ``seen`` is the version at which it was seen: of a config that changed since, nobody knows whether it
    is meant. Raises ConfigChanged, DetectionConfig.DoesNotExist, and ThresholdsError for a config that
    nothing can work by.
    """
    with acting(actor):
        configs = lock_configs()
        if config_id not in configs:
            raise DetectionConfig.DoesNotExist(f"There is no config {config_id}.")
        version, is_active = configs[config_id]
        if is_active:
            return False
        if seen is not None and seen != version:
            raise ConfigChanged(f"config {config_id} changed since you saw it")
        _check_overrides(DetectionConfig.objects.get(pk=config_id))
        DetectionConfig.objects.filter(is_active=True).update(is_active=False)
        DetectionConfig.objects.filter(pk=config_id).update(is_active=True)
        return True
