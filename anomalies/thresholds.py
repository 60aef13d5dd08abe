"""What detectors work by: the active config, its stream overrides, and the switch from one to another."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from .audit import Actor, acting
from .models import DetectionConfig, override_problems


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
    problems = override_problems(config.stream_overrides)
    if problems:
        raise ThresholdsError(f"stream_overrides of config {config.pk}: {' '.join(problems)}")
    overrides = (config.stream_overrides or {}).get(stream, {})
    names = [field.name for field in fields(Thresholds)]
    return Thresholds(**{name: overrides.get(name, getattr(config, name)) for name in names})


def activate(config_id: int, actor: Actor) -> bool:
    """Make this config the active one; False when it was so already.

    Every config is locked first, in the order of the ids: of two switches at once one waits, and at no
    time are there two active ones. Raises DetectionConfig.DoesNotExist.
    """
    with acting(actor):
        configs = {c.pk: c for c in DetectionConfig.objects.select_for_update().order_by("pk")}
        if config_id not in configs:
            raise DetectionConfig.DoesNotExist(f"There is no config {config_id}.")
        if configs[config_id].is_active:
            return False
        DetectionConfig.objects.filter(is_active=True).update(is_active=False)
        DetectionConfig.objects.filter(pk=config_id).update(is_active=True)
        return True
