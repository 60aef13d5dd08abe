"""The findings of each view of a log, and their sentences."""

import re
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from anomalies.detection import Detector, Parameters, detect

from ..support import events

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)


def service(rng, lines=2_000):
    """A service that serves requests by chance and says that it lives every tenth line."""
    for n in range(lines):
        moment = BEGIN + timedelta(seconds=10 * n)
        text = f"served /api in {rng.randrange(20, 40)} ms with status {rng.choices([200, 304], [97, 3])[0]}"
        if n % 10 == 0:
            text = "heartbeat ok"
        elif n % 97 == 0:
            text = "cache of sessions emptied"
        yield f"{moment:%Y-%m-%dT%H:%M:%SZ} INFO app: {text}"


def found(lines, view):
    """The findings of a view, with the sentence that each begins with."""
    return [one for one in detect(lines, Parameters()) if one.is_significant and one.views[0] == view]


def changed(begin, end, old, new):
    lines = list(service(Random(1)))
    return [*lines[:begin], *(line.replace(old, new) for line in lines[begin:end]), *lines[end:]]


def only(findings):
    (finding,) = findings
    return finding


def test_an_ordinary_service_raises_one_alarm_in_a_thousand_lines_at_most():
    assert len([one for one in detect(service(Random(1)), Parameters()) if one.is_significant]) <= 2


def test_a_status_that_turns_is_a_value_with_its_usual_one():
    finding = only(found(changed(1_400, 1_500, "status 200", "status 500"), "values"))
    assert 1_400 < finding.oddest_line <= 1_500
    assert re.match(
        r"status “500” in \d+ of \d+ lines of its kind.* \(line .*\); usual (?:“200”|1 in)",
        finding.explanation,
    )


def test_numbers_fifty_times_the_usual_are_a_value_with_its_usual_range():
    lines = list(service(Random(1)))
    slow = [re.sub(r"in (\d+) ms", lambda m: f"in {int(m[1]) * 50} ms", one) for one in lines[1_400:1_450]]
    finding = only(found([*lines[:1_400], *slow, *lines[1_450:]], "values"))
    assert "; usual 2" in finding.explanation.split("\n")[0]


def test_levels_that_turn_are_a_value_of_the_whole_stream():
    finding = only(found(changed(1_400, 1_430, "INFO", "ERROR"), "values"))
    assert finding.first_line <= 1_430
    assert "“ERROR”" in finding.explanation


def test_a_flood_is_a_mix_that_says_how_many_came_of_how_many():
    lines = list(service(Random(1)))
    flood = [next(one for one in lines if "emptied" in one)] * 200
    finding = found([*lines[:1_400], *flood, *lines[1_400:]], "mix")[0]
    assert finding.last_line > 1_400
    assert re.match(
        r"“(?:INFO app: )?cache of sessions emptied” and lines like it: \d+ of 60 \(", finding.explanation
    )


def test_a_heartbeat_that_stops_is_absent_with_how_often_it_is_usual():
    lines = [one for n, one in enumerate(service(Random(1))) if n < 1_400 or "heartbeat" not in one]
    finding = only(found(lines, "absence"))
    assert 1_390 <= finding.oddest_line <= 1_400
    assert re.match(r"no “INFO app: heartbeat ok” for .* \(line .*\); usual every", finding.explanation)


def test_a_silence_is_a_pause_with_the_longest_one_before():
    late = []
    for n, line in enumerate(service(Random(1))):
        moment = datetime.fromisoformat(line[:20]) + timedelta(hours=6 * (n >= 1_400))
        late.append(f"{moment:%Y-%m-%dT%H:%M:%SZ}{line[20:]}")
    finding = only(found(late, "time"))
    assert finding.oddest_line == 1_401
    assert finding.explanation.startswith("nothing for 6 h (line 1,401")


def test_old_lines_among_new_ones_are_times_that_step_back():
    lines = list(service(Random(1)))
    draw = Random(2)
    for at in range(1_400, 1_480, 2):
        lines[at] = lines[draw.randrange(1_000)]
    finding = found(lines, "time")[0]
    assert 1_400 < finding.oddest_line <= 1_480
    assert re.match(
        r"times step back by up to [\d.]+ h, \d+ times in 60 lines \(line .*\); at most 0 s before",
        finding.explanation,
    )


@pytest.mark.parametrize("shift", [-3_600, 3_600])
def test_a_clock_that_is_set_once_is_no_run_of_steps_back(shift):
    lines = list(service(Random(1)))
    later = [
        f"{BEGIN + timedelta(seconds=10 * n + shift):%Y-%m-%dT%H:%M:%SZ}{lines[n][20:]}"
        for n in range(1_400, 2_000)
    ]
    assert not any("step back" in one.explanation for one in detect([*lines[:1_400], *later], Parameters()))


def test_times_that_are_always_out_of_order_are_no_news():
    lines = list(service(Random(1)))
    for at in range(0, 1_990, 9):
        lines[at], lines[at + 8] = lines[at + 8], lines[at]
    assert not found(lines, "time")


@pytest.mark.parametrize(
    ("usual", "now"), [("success", "failure"), ("Failed", "Accepted"), ("ok;", "timeout;")]
)
def test_the_first_line_that_names_the_other_outcome_is_found(usual, now):
    job = "2026-11-20T10:00:00Z INFO job 7 of the nightly set on node 3 ended with result {} after 12 s"
    lines = list(service(Random(1)))
    for at in range(40, 1_900, 60):
        lines[at] = job.format(usual)
    lines[1_410] = job.format(now)
    finding = only([one for one in found(lines, "text") if one.first_line > 1_300])
    assert finding.explanation.startswith(f"“{now.strip(';')}” where “{usual.strip(';')}” is usual")


def test_a_word_of_no_outcome_in_a_long_line_is_not():
    job = "2026-11-20T10:00:00Z INFO job 7 of the nightly set on node 3 ended with result {} after 12 s"
    lines = list(service(Random(1)))
    for at in range(40, 1_900, 60):
        lines[at] = job.format("blue")
    lines[1_410] = job.format("green")
    assert not [one for one in found(lines, "text") if one.first_line > 1_300]


def test_a_measure_in_a_field_of_a_record_is_a_number_with_its_unit():
    draw, times = Random(1), [f"{BEGIN + timedelta(seconds=n):%Y-%m-%dT%H:%M:%SZ}" for n in range(1_200)]
    took = [draw.uniform(20, 40) * (50 if 900 <= n < 950 else 1) for n in range(1_200)]
    lines = [
        f'{{"time": "{time}", "msg": "applied", "took": "{one:.3f}ms"}}'
        for time, one in zip(times, took, strict=True)
    ]
    finding = found(lines, "values")[0]
    first = finding.explanation.splitlines()[0]
    assert re.match(r"took [\d.]+ and \d+ like it \(.*\); usual 2\S* to 3\S* ms$", first)
    assert first.split()[1] in next(one.text for one in finding.window if one.line == finding.oddest_line)


@pytest.mark.parametrize("other", ['"none"', '"12s"', '"3.4285714285id6714284"', "true", "null"])
def test_a_field_that_holds_other_values_at_times_is_judged_by_those_of_its_kind(other):
    draw = Random(1)
    took = [draw.uniform(20, 40) * (50 if 900 <= n < 950 else 1) for n in range(1_200)]
    lines = [
        f'{{"msg": "applied", "took": {one if n % 7 else other}, "tooks": "x"}}' for n, one in enumerate(took)
    ]
    first = found(lines, "values")[0].explanation.splitlines()[0]
    assert re.match(r"took 1\d{3}\S* and \d+ like it \(.*\); usual 2\S* to 3[\d.]*$", first)


def test_a_line_of_unknown_words_is_text():
    lines = list(service(Random(1)))
    lines.insert(1_400, "2026-11-20T13:53:20Z INFO app: kernel panic, unable to mount root device")
    assert only(found(lines, "text")).oddest_line == 1_401


@pytest.mark.parametrize("cut", [1, 137, 1_405])
def test_the_same_is_found_however_the_stream_is_cut(cut):
    lines = changed(1_400, 1_500, "status 200", "status 500")
    made = events(lines)
    whole = Detector(Parameters())
    expected = [*whole.feed(made), *whole.finish()]
    first = Detector(Parameters())
    parts = list(first.feed(made[:cut]))
    second = Detector.load(first.state())
    assert [*parts, *second.feed(made[cut:]), *second.finish()] == expected


def logins(names):
    """A server to which users log in, one a line, and every third line something else."""
    for n, name in enumerate(names):
        moment = BEGIN + timedelta(seconds=7 * n)
        said = "session closed" if n % 3 == 0 else f"Invalid user {name} from the office"
        yield f"{moment:%Y-%m-%dT%H:%M:%SZ} sshd: {said}"


def users(count, longest):
    """Two users who come often; every tenth is one who never came, the last of them with a long name."""
    rng = Random(1)
    for n in range(count):
        size = longest if n == count - 99 else rng.randrange(3, 6) if n % 10 == 1 else 0
        yield "".join(rng.choices("bcdfghjkmnpqrstvwxz", k=size)) or rng.choice(["adam", "eve"])


def test_a_name_where_new_names_keep_coming_is_no_new_text():
    names = list(users(2_000, 40))
    assert found(logins(names), "text") == []


def test_a_name_where_only_two_ever_came_is_new_text():
    names = [name if name == "eve" or len(name) == 40 else "adam" for name in users(2_000, 40)]
    assert only(found(logins(names), "text")).oddest_line == 1_902


def test_what_was_away_for_longer_than_it_was_ever_there_is_not_missed():
    """A phase of a log cut from months: a job that ran for an hour, and lines an hour apart since then."""
    lines = []
    for n in range(1_200):
        moment = BEGIN + (timedelta(seconds=10 * n) if n < 400 else timedelta(hours=n))
        text = "import of the archive goes on" if n < 400 and n % 5 == 0 else f"mail {n} delivered to adam"
        lines.append(f"{moment:%Y-%m-%dT%H:%M:%SZ} INFO app: {text}")
    assert found(lines, "absence") == []


def test_the_novelty_of_a_line_is_one_where_every_word_is_new():
    lines = list(service(Random(1)))
    lines.insert(1_400, "2026-11-20T13:53:20Z kernel panic unable to mount root device")
    assert only(found(lines, "text")).novelty == 1


@pytest.mark.parametrize(
    ("level", "expected"),
    [("ERROR", 1_401), ("ERRORS", 1_402)],
    ids=["the error before its statement", "no severity, so the dearest"],
)
def test_of_the_lines_of_one_message_the_most_severe_is_named_first(level, expected):
    lines = list(service(Random(1)))
    said = (f"{level} relation nowhere does not exist", "STATEMENT SELECT quux FROM zyzzyva JOIN wyvern")
    lines[1_400:1_400] = [f"2026-11-20T13:53:20Z {text}" for text in said]
    finding = only(found(lines, "text"))
    assert finding.oddest_line == expected
    assert finding.explanation.startswith(f"“{said[expected - 1_401][:20]}")


def half_known(level, every):
    """A service of which one line in `every` has the level, and one more half of whose words were usual."""
    lines = list(service(Random(1)))
    lines[::every] = [one.replace("INFO", level) for one in lines[::every]]
    line = "app: served quux retries with zyzzyva wyvern in 30 ms"
    lines.insert(1_400, f"2026-11-20T13:53:20Z {level} {line}")
    return [one.oddest_line for one in found(lines, "text") if one.first_line > 1_300]


@pytest.mark.parametrize(
    ("level", "every", "expected"),
    [("ERROR", 40, [1_401]), ("ERROR", 4, []), ("NOTICE", 40, [])],
    ids=["errors are rare", "errors are usual", "no error"],
)
def test_an_error_is_found_where_fewer_of_its_words_are_new(level, every, expected):
    assert half_known(level, every) == expected


def test_a_flood_names_the_line_before_it_of_which_a_part_was_new():
    lines = list(service(Random(1)))
    flood = [next(one for one in lines if "emptied" in one)] * 200
    lines[1_400:1_400] = ["2026-11-20T13:53:20Z INFO app: quux of sessions emptied in 30 ms", *flood]
    finding = found(lines, "mix")[0]
    assert finding.views == ("mix", "text")
    assert "quux of sessions" in finding.explanation
