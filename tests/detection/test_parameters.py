from dataclasses import FrozenInstanceError

import pytest

from anomalies.detection import Parameters


def test_the_defaults_are_those_of_detection_config():
    assert Parameters() == Parameters(0.5, 0.05, 100, 10, 1)


@pytest.mark.parametrize("name", ["ncd_threshold", "p_value_threshold"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), True, "0.5", None])
def test_a_threshold_is_a_number_between_0_and_1_and_the_error_names_it(name, value):
    with pytest.raises(ValueError, match=name):
        Parameters(**{name: value})


@pytest.mark.parametrize("name", ["baseline_size", "window_size", "hop_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "10", None])
def test_a_size_is_a_whole_number_of_events_and_the_error_names_it(name, value):
    with pytest.raises(ValueError, match=name):
        Parameters(**{name: value})


@pytest.mark.parametrize("value", [0, 1])
def test_both_ends_of_a_threshold_are_allowed(value):
    assert Parameters(ncd_threshold=value, p_value_threshold=value).ncd_threshold == value


def test_parameters_do_not_change():
    with pytest.raises(FrozenInstanceError):
        Parameters().hop_size = 2  # type: ignore[misc]
