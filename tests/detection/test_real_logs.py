import pytest

from anomalies.detection import Detector, Parameters

from .support import real_events, real_log

PAIRS = [("Apache", "BGL"), ("BGL", "Apache"), ("HDFS", "Linux"), ("Linux", "HDFS"), ("OpenSSH", "BGL")]
NAMES = ["Apache", "BGL", "HDFS", "Linux", "OpenSSH"]


def run(lines, **parameters):
    detector = Detector(Parameters(**parameters))
    return [*detector.feed(real_events(lines)), *detector.finish()], detector


@pytest.mark.parametrize(("name", "foreign"), PAIRS)
def test_ten_foreign_lines_in_a_real_log_are_found_and_named_odd(name, foreign):
    lines, strange = real_log(name), real_log(foreign)[1000:1010]
    findings, _ = run([*lines[:1000], *strange, *lines[1000:1030]])
    odd = {line.line for finding in findings for line in finding.window if line.odd}
    assert set(range(1001, 1011)) <= odd


def test_false_alarms_over_real_logs_in_their_order_stay_near_the_threshold():
    shares = []
    for name in NAMES:
        _, detector = run(real_log(name), ncd_threshold=0)  # p alone decides
        shares.append(detector.windows_flagged / detector.windows_tested)
    assert sum(shares) / len(shares) < 0.08


def test_every_line_of_the_real_logs_says_when_it_happened():
    assert all(event.timestamp for name in NAMES for event in real_events(real_log(name)))
