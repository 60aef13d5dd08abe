import tracemalloc
from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest

from anomalies.detection import (
    Detector,
    FormatError,
    Parameters,
    compressed_size,
    detect,
    event_from_line,
    ncd,
    pattern_of,
)

from .support import CLOCK, FOREIGN, event, events, find, ordinary, strange, with_foreign


def only(findings):
    (finding,) = findings
    return finding


def test_an_ordinary_log_has_no_findings():
    assert find(ordinary(600)) == []


def test_foreign_lines_are_found_and_each_is_named_odd():
    finding = only(find(with_foreign(600, 400)))
    assert [line.line for line in finding.window if line.odd] == list(range(400, 408))


def test_the_first_sentence_tells_of_the_oddest_line_and_the_next_one_names_others():
    finding = only(find(with_foreign(600, 400)))
    oddest = max(finding.window, key=lambda line: line.bits / len(line.text))
    first, second, *_ = finding.explanation.split("\n")
    assert oddest.line == finding.oddest_line
    assert first == f"“{oddest.text}” (line {oddest.line}); nothing like it in the 100 events before."
    assert second.startswith("Also odd: ") and second.endswith(" and 5 more.")


def test_a_line_that_repeats_is_reported_with_its_count():
    lines = with_foreign(600, 400, run=8)
    lines[400:407] = [lines[399]] * 7
    assert only(find(lines)).explanation.startswith(f"“{lines[399]}” came 8 times; nothing like it")


def test_a_changed_word_is_named_with_the_usual_one():
    lines = ordinary(600)
    lines[400] = lines[400].replace("service", "sorcerer")
    found = find(lines, ncd_threshold=0.0)
    assert any("“sorcerer” where “service” is usual" in one.explanation for one in found)


def test_an_odd_line_says_which_words_cost_most():
    finding = only(find(with_foreign(600, 400, run=1)))
    assert "   most of it: “" in finding.explanation


@pytest.mark.parametrize(
    "preamble",
    ["2026-11-23 05:10:13.469 UTC [10923] ", "2026-11-23T05:10:13Z ", "081109 203518 143 ", "12:00 4711 "],
)
def test_the_headline_begins_with_what_happened_and_not_with_when(preamble):
    lines = [preamble + line for line in with_foreign(600, 400, run=1)]
    assert only(find(lines)).explanation.startswith("“kernel panic: unable to mount")


def test_the_explanation_names_every_odd_line_with_its_bits_and_both_thresholds():
    finding = only(find(with_foreign(600, 400)))
    for line in finding.window:
        assert (f"Line {line.line:,} costs {line.bits:,.0f} bits" in finding.explanation) is line.odd
    assert "threshold 0.5:" in finding.explanation
    assert "threshold 0.05:" in finding.explanation


def test_alarms_near_each_other_are_one_finding():
    finding = only(find(with_foreign(600, 400)))
    assert finding.windows > 1
    assert finding.first_line <= 400 and finding.last_line >= 407


def test_two_incidents_far_apart_are_two_findings():
    first, second = find(with_foreign(1000, 400, 700))
    assert first.last_line < second.first_line


def test_a_finding_comes_as_soon_as_no_alarm_can_belong_to_its_episode():
    seen = 0

    def count(source):
        nonlocal seen
        for one in source:
            seen += 1
            yield one

    finding = next(Detector(Parameters()).feed(count(events(with_foreign(2000, 400, run=1)))))
    assert (finding.last_line, seen) == (400, 400 + 3 * Parameters().window_size + 1)


def test_an_episode_at_the_end_of_the_log_is_not_lost():
    finding = only(find(with_foreign(407, 400)))
    assert finding.last_line == 407


def test_no_windows_touch_across_a_gap():
    findings = find(with_foreign(1500, 400, 600, 900))
    assert [b.first_line > a.last_line + 1 for a, b in pairwise(findings)] == [
        True,
        True,
    ]


def test_the_baseline_is_the_events_before_the_first_window():
    finding = only(find(with_foreign(600, 400)))
    assert [line.line for line in finding.baseline] == list(
        range(finding.first_line - 100, finding.first_line)
    )


def test_the_window_is_every_event_of_the_episode_in_order():
    finding = only(find(with_foreign(600, 400)))
    assert [line.line for line in finding.window] == list(range(finding.first_line, finding.last_line + 1))


def test_the_figures_are_those_of_the_most_significant_window():
    lines = with_foreign(600, 400, run=1)
    finding = only(find(lines))
    normal = [pattern_of(line).encode() + b"\n" for line in lines]
    baseline, window = b"".join(normal[290:390]), b"".join(normal[390:400])
    assert finding.ncd_score == ncd(baseline, window)
    assert finding.compression_window == compressed_size(window) / len(window)


def test_changes_are_window_against_baseline():
    finding = only(find(with_foreign(600, 400)))
    ratio = finding.compression_window / finding.compression_baseline
    assert finding.compression_ratio_change == pytest.approx((ratio - 1) * 100)
    assert finding.entropy_change == pytest.approx(finding.window_entropy - finding.baseline_entropy)


def test_a_finding_obeys_both_thresholds():
    for finding in find(with_foreign(1500, 400, 600, 900), ncd_threshold=0.4, p_value_threshold=0.03):
        assert finding.novelty >= 0.4
        assert finding.p_value < 0.03


def test_a_p_threshold_is_not_reached_by_an_equal_p():
    least = find(with_foreign(600, 400))[0].p_value
    assert find(with_foreign(600, 400), p_value_threshold=least) == []


def test_with_little_history_a_finding_is_provisional():
    finding = only(find(with_foreign(300, 200, run=1)))
    assert finding.is_provisional
    assert f"Provisional: that past has {finding.history} events so far" in finding.explanation


def test_the_rank_in_the_stream_gives_p():
    finding = only(find(with_foreign(600, 400, run=1)))
    ranked = 1 / (400 - 100)  # it is the newest of the events since the first baseline
    assert finding.p_value == pytest.approx(1 / (0.4 / ranked + 0.6))


def test_flagged_windows_stay_in_the_history():
    lines = with_foreign(1000, 400)
    lines[699] = "cable pulled from the rack behind the router by a visitor"
    first, second = find(lines)
    assert second.p_value > first.p_value


def test_what_was_seen_within_the_memory_is_no_news():
    lines = with_foreign(1000, 400)
    lines[699:707] = FOREIGN[:8]
    assert only(find(lines)).last_line < 600


def test_what_the_memory_has_forgotten_is_news_again():
    lines = with_foreign(2900, 400)
    lines[2699:2707] = FOREIGN[:8]
    assert len(find(lines)) == 2


def test_one_foreign_line_among_nine_known_ones_is_found():
    finding = only(find(with_foreign(600, 400, run=1)))
    assert [line.line for line in finding.window if line.odd] == [400]


def test_every_line_that_raised_an_alarm_is_odd():
    lines = with_foreign(600, 400, run=1)
    lines[406] = "fan unplugged by somebody during the maintenance yesterday"
    # With so short a baseline nothing is odd by its own cost.
    finding = only(find(lines, baseline_size=30))
    assert [line.line for line in finding.window if line.odd] == [400, 407]


def test_an_odd_line_that_repeats_is_odd_each_time():
    lines = with_foreign(600, 400, run=3)
    lines[402:405] = FOREIGN[:3]
    assert [line.line for line in only(find(lines)).window if line.odd] == list(range(400, 406))


def test_the_explanation_holds_novelty_and_p_beside_their_thresholds():
    finding = only(find(with_foreign(600, 400, run=1)))
    assert f"Novelty {finding.novelty:.3f} reaches the threshold 0.5:" in finding.explanation
    assert f"p = {finding.p_value:.4f} is below the threshold 0.05:" in finding.explanation
    assert "of which “text” spoke" in finding.explanation


def test_the_detailed_explanation_names_the_figures_that_were_not_gated_on():
    finding = only(find(with_foreign(600, 400, run=1)))
    assert f"NCD is {finding.ncd_score:.2f}" in finding.detailed_explanation
    assert f"costs {finding.window_novelty:.0%} of what it costs alone" in finding.detailed_explanation
    assert "Neither is what it was judged by" in finding.detailed_explanation


def test_novelty_is_that_of_the_newest_line_and_the_windows_own_is_kept_beside_it():
    finding = only(find(with_foreign(600, 400, run=1)))
    assert finding.novelty > 0.8
    assert 0 < finding.window_novelty < 0.5


@pytest.mark.parametrize(("count", "tested"), [(0, 0), (109, 0), (110, 1), (111, 2), (150, 41)])
def test_windows_are_tested_once_baseline_and_window_are_full(count, tested):
    detector = Detector(Parameters())
    assert list(detector.feed(events(ordinary(count)))) == []
    assert (detector.events_seen, detector.windows_tested) == (count, tested)


@pytest.mark.parametrize(("hop", "tested"), [(1, 91), (2, 46), (10, 10), (50, 2), (1000, 1)])
def test_windows_slide_by_the_hop(hop, tested):
    detector = Detector(Parameters(hop_size=hop))
    list(detector.feed(events(ordinary(200))))
    assert detector.windows_tested == tested


def test_every_flagged_window_belongs_to_one_finding():
    detector = Detector(Parameters())
    findings = list(detector.feed(events(with_foreign(1000, 400, 700))))
    assert sum(finding.windows for finding in findings) == detector.windows_flagged


def test_alarms_three_windows_apart_are_one_finding_and_further_ones_two():
    lines = ordinary(3200)
    lines[3000], lines[3030], lines[3061] = FOREIGN[:3]
    first, second = find(lines)
    assert (first.first_line, first.last_line, first.windows) == (2992, 3031, 2)
    assert second.first_line == 3053


def test_the_same_events_give_the_same_findings():
    lines = with_foreign(1000, 150, 400, 700)
    assert find(lines) == find(lines)


def test_fed_in_pieces_the_detector_goes_on_in_the_same_stream():
    lines = events(with_foreign(1000, 400, 700))
    detector = Detector(Parameters())
    pieces = [
        finding for start in range(0, 1000, 500) for finding in detector.feed(lines[start : start + 500])
    ]
    assert pieces == list(Detector(Parameters()).feed(lines))


def test_the_time_is_that_of_the_first_odd_line():
    lines = [
        f"2026-11-23 04:{n // 60:02}:{n % 60:02} {line}" for n, line in enumerate(with_foreign(600, 400))
    ]
    assert only(find(lines)).timestamp == datetime(2026, 11, 23, 4, 6, 39, tzinfo=UTC)


def test_an_odd_line_without_a_time_has_the_last_one_known_before_it():
    lines = ["2026-11-23 04:22:01 begin", *with_foreign(600, 400)]
    assert only(find(lines)).timestamp == datetime(2026, 11, 23, 4, 22, 1, tzinfo=UTC)


def test_a_log_without_times_gives_findings_without():
    assert only(find(with_foreign(600, 400))).timestamp is None


def long_episode():
    lines = [*ordinary(2400), *strange(300), *ordinary(200)]
    return only(find(lines, p_value_threshold=1, baseline_size=30, window_size=50))


def test_an_episode_of_more_than_200_events_keeps_its_oddest_200_in_order():
    numbers = [line.line for line in long_episode().window if line.odd]
    assert len(numbers) == 200
    assert numbers == sorted(numbers)
    assert set(range(2401, 2500)) <= set(numbers)


def test_an_episode_of_more_than_200_events_says_how_many_are_left_out():
    finding = long_episode()
    left_out = finding.last_line - finding.first_line + 1 - len(finding.window)
    assert left_out > 100
    assert f"{left_out:,} events of the episode are left out" in finding.detailed_explanation


def test_blank_and_hostile_lines_are_events_like_others():
    hostile = [b"", b" ", b"\x00" * 50, bytes(range(256)), b"\xff" * 9000, b"a1" * 30_000, b"\x1b[2J"]
    raw = [hostile[n % len(hostile)] for n in range(300)]
    detector = Detector(Parameters())
    list(detector.feed(event_from_line(n, line, len(line), CLOCK) for n, line in enumerate(raw, 1)))
    assert detector.windows_tested == 191


def test_memory_does_not_grow_with_the_stream():
    quiet = [one.text for one in events(with_foreign(1000, 500))]
    stream = (event(quiet[n % 1000], n + 1) for n in range(60_000))
    detector = Detector(Parameters(hop_size=10))
    sum(1 for _ in detector.feed(islice(stream, 20_000)))
    tracemalloc.start()
    sum(1 for _ in detector.feed(stream))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert detector.events_seen == 60_000
    assert peak < 3_000_000


def test_plain_lines_are_a_stream_too():
    lines = with_foreign(600, 400)
    (found,) = detect(lines)
    assert found == only(find(lines))
    assert list(detect(line.encode() for line in lines)) == [found]


def test_the_lines_of_a_log_have_the_times_that_they_name_with_a_year():
    lines = [f"2026-11-23T10:00:00Z {text}" for text in with_foreign(400, 200)]
    assert [f"{found.timestamp}" for found in detect(lines)] == ["2026-11-23 10:00:00+00:00"]
    lines = [f"Nov 23 10:00:00 {text}" for text in with_foreign(400, 200)]
    assert [found.timestamp for found in detect(lines)] == [None]


def test_lines_of_another_kind_are_read_by_their_format():
    rows = [f"2026-11-23T{n // 60:02}:{n % 60:02}:00Z,{20 + n * n % 7}" for n in range(400)]
    rows[300:302] = ["2026-11-23T05:00:00Z,950", "torn"]
    (found,) = detect(["time,latency", *rows], kind="metrics")
    assert found.explanation.startswith("latency 950 (line 302); between 20 and 24 for 4.8 h")
    assert f"{found.timestamp:%H:%M}" == "05:00"


def test_lines_that_are_not_of_the_kind_and_kinds_that_there_are_none_of_are_refused():
    with pytest.raises(FormatError, match="expected numbers between commas"):
        list(detect(with_foreign(400, 200), kind="metrics"))
    with pytest.raises(ValueError, match="the kinds are logs, metrics, traces, llm"):
        list(detect([], kind="poems"))
