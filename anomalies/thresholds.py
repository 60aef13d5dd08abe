"""The active config, its stream overrides, and the switch from one config to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from anomalies.audit import Actor, acting
from anomalies.detection import Parameters
from anomalies.detection import Thresholds as Thresholds
from anomalies.detection.parameters import NAMES, problem
from anomalies.models import Anomaly, DetectionConfig, override_problems


class ThresholdsError(Exception):
    """No config can be used; the message says what to do."""


def parameters_for(numbers: Thresholds, review_per_day: int) -> Parameters:
    """Return the parameters of our own detector: a config's numbers and the windows a day for review."""
    return Parameters(**numbers.as_dict(), review_per_day=review_per_day)


def measure_of(anomaly: Any) -> float:
    """Return what is compared with the novelty threshold: the novelty, or the NCD where there is none."""
    return float(anomaly.ncd_score if anomaly.novelty is None else anomaly.novelty)


def flagged(numbers: Thresholds) -> Q:
    """Return ``Thresholds.is_flagged`` as a condition on anomalies; a test compares the two."""
    reaches = Q(novelty__gte=numbers.ncd_threshold)
    reaches |= Q(novelty__isnull=True, ncd_score__gte=numbers.ncd_threshold)
    return reaches & Q(p_value__lt=numbers.p_value_threshold)


def active_config() -> DetectionConfig:
    """Return the config that detectors use. Raises ThresholdsError where none is active."""
    return required(active().first())


def active() -> QuerySet[DetectionConfig]:
    """Return the config that detectors use, as a queryset of one row; empty where none is active."""
    return DetectionConfig.objects.filter(is_active=True).order_by("pk")


def required(config: DetectionConfig | None) -> DetectionConfig:
    """Return the active config that was read. Raises ThresholdsError for None."""
    if config is None:
        raise ThresholdsError(_("No detection config is active; activate one in the admin."))
    return config


def thresholds_for(config: DetectionConfig, stream: str) -> Thresholds:
    """Return a config's numbers for a stream, its overrides applied.

    Raises ThresholdsError for invalid overrides, which other programs than the admin may write.
    """
    _check_overrides(config)
    overrides = (config.stream_overrides or {}).get(stream, {})
    return Thresholds(**{name: overrides.get(name, getattr(config, name)) for name in NAMES})


def _check_overrides(config: DetectionConfig) -> None:
    problems = override_problems(config.stream_overrides)
    if problems:
        raise ThresholdsError(
            _("stream_overrides of config %(number)s: %(problems)s")
            % {"number": config.pk, "problems": " ".join(problems)}
        )


# A change of these is another config.
NUMBERS = (*NAMES, "stream_overrides")


def is_used(config: DetectionConfig) -> bool:
    """Return whether a config is active or named by an anomaly: then its numbers must not change."""
    return (
        DetectionConfig.objects.filter(pk=config.pk, is_active=True).exists()
        or Anomaly.objects.filter(metadata__contains={"config_id": config.pk}).exists()
    )


class ConfigChanged(Exception):
    """A config is not in the expected version but in ``version``, where that is known."""

    def __init__(self, message: str, version: int | None = None) -> None:
        super().__init__(message)
        self.version = version


def lock_configs() -> dict[int, tuple[int, bool]]:
    """Lock every config until the transaction's end; return version and activity by number.

    Every change locks all of them, in the order of their numbers: of two at once one waits, and they can't
    deadlock, even where one saves a config and activates it at once.
    """
    rows = DetectionConfig.objects.select_for_update().order_by("pk")
    return {pk: (version, active) for pk, version, active in rows.values_list("pk", "version", "is_active")}


def add_config(
    changes: Mapping[str, Any], actor: Actor, *, seen: int | None = None, is_active: bool = False
) -> DetectionConfig:
    """Store a new config: the active one's numbers with ``changes``, which may also hold ``notes``.

    ``seen`` is the expected version of the active config; ``is_active`` makes the new one active in its
    place. Raises ConfigChanged, and ThresholdsError for values that can't be used.
    """
    with acting(actor):
        lock_configs()
        former = active_config()
        if seen not in (None, former.version):
            message = f"the active config, {former.pk}, has version {former.version}"
            raise ConfigChanged(message, former.version)
        values = {name: getattr(former, name) for name in NUMBERS} | dict(changes)
        _check_values(values)
        config = DetectionConfig(**values, created_by=actor.username, is_active=is_active)
        if is_active:
            DetectionConfig.objects.filter(is_active=True).update(is_active=False)
        config.save(force_insert=True)
        return config


def _check_values(values: Mapping[str, Any]) -> None:
    """Raises ThresholdsError for a number, an override or notes that the table would not take."""
    found = [f"{name} {words}." for name in NAMES if (words := problem(name, values[name]))]
    found += [f"stream_overrides: {words}" for words in override_problems(values["stream_overrides"])]
    notes = values.get("notes") or ""
    if "\0" in notes or notes != notes.encode(errors="replace").decode():
        found.append("notes: a NUL or half a character can't be stored; remove it.")
    if found:
        raise ThresholdsError(" ".join(found))


def activate(config_id: int, actor: Actor, *, seen: int | None = None) -> bool:
    """Make this config the active one; return False where it was active already.

    ``seen`` is the expected version: a config that has changed since may not be what was meant. Raises
    ConfigChanged, DetectionConfig.DoesNotExist, and ThresholdsError for a config that can't be used.
    """
    with acting(actor):
        configs = lock_configs()
        if config_id not in configs:
            raise DetectionConfig.DoesNotExist(f"There is no config {config_id}.")
        version, is_active = configs[config_id]
        if is_active:
            return False
        if seen is not None and seen != version:
            raise ConfigChanged(
                _("config %(number)s changed since you saw it") % {"number": config_id}, version
            )
        _check_overrides(DetectionConfig.objects.get(pk=config_id))
        DetectionConfig.objects.filter(is_active=True).update(is_active=False)
        DetectionConfig.objects.filter(pk=config_id).update(is_active=True)
        return True
