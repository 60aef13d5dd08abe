"""The parts of an explanation: surprising words, the usual line, what stopped, and one sentence."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalies.detection import normalise
from anomalies.detection.explain.costly_words import costly
from anomalies.detection.explain.missing_lines import disappeared
from anomalies.detection.explain.nearest_line import LIKE, Neighbours, nearest
from anomalies.detection.explain.sentence import MOST, message_of, sentence
from anomalies.detection.scoring.surprise import Reader
from anomalies.detection.scoring.token_model import tokenise

from .support import FOREIGN, ordinary, real_log

CART = [f"GET /{page} status=ok size=big" for page in ("cart", "home", "login", "help")] * 25
BEATS = [line for number in range(20) for line in ("heartbeat ok", *[f"job {'ab'[number % 2]} done"] * 4)]
lines = st.lists(st.text(alphabet="ab=/ 0{}ü\u2028", max_size=30), max_size=12)
words = st.lists(st.sampled_from(["open", "close", "user", "=", "0", "root", "[", "]"]), max_size=12).map(
    " ".join
)
costs = st.lists(st.tuples(st.sampled_from(["a", "bc", "="]), st.floats(0, 1e6)), max_size=40)


# --- the words that cost most ---------------------------------------------------------------------------


def test_the_dearest_words_come_first_and_no_more_than_make_up_four_fifths():
    found = costly(["a", "b", "c", "d"], [10, 1, 80, 9])
    assert [(each.text, each.position, each.bits) for each in found] == [("c", 2, 80)]


def test_dear_neighbours_are_one_phrase_quoted_from_the_line():
    line = "sshd: break-in attempt"
    found = costly(tokenise(line), [1, 1, 30, 30, 30, 1], line=line)
    assert [each.text for each in found] == ["break-in"]


def test_without_the_line_words_are_joined_as_they_are_mostly_written():
    assert costly(["status", "=", "lost", "now"], [9, 9, 9, 9])[0].text == "status=lost now"


def test_the_words_of_a_foreign_line_are_named():
    baseline = ordinary(100)
    line = normalise("service[0]: opened backdoor for user0")
    read = Reader([normalise(each) for each in baseline]).read(line)
    assert costly(read.tokens, read.costs, line=line)[0].text == "backdoor"


def test_a_costly_mask_is_quoted_with_its_brackets():
    assert costly(["at", "<", "time", ">"], [1, 1, 90, 1], line="at <time>")[0].text == "<time>"


def test_a_line_of_no_cost_has_no_dear_words():
    assert costly(["a", "b"], [0, 0]) == () == costly([], [3.0])


def test_costs_that_belong_to_another_line_are_refused():
    with pytest.raises(ValueError, match="3 tokens and 1 costs"):
        costly(["a", "b", "c"], [1])


@given(costs, st.integers(0, 6))
def test_dear_words_cost_no_more_than_the_line_and_stay_within_their_number(pairs, most):
    tokens, bits = [token for token, _ in pairs], [cost for _, cost in pairs]
    found = costly(tokens, bits, most)
    assert len(found) <= most
    assert sum(each.bits for each in found) <= sum(bits) * (1 + 1e-9)
    assert sorted(found, key=lambda each: (-each.bits, each.position)) == list(found)


# --- what was usual instead -----------------------------------------------------------------------------


def test_a_changed_word_is_named_with_what_stands_there_usually():
    near = nearest("GET /cart status=broken size=big", CART)
    assert (near.index, near.text) == (0, CART[0])
    assert near.replaced == (("status=ok", "status=broken"),)
    assert near.added == near.missing == ()


def test_a_number_is_quoted_with_the_word_before_it():
    near = nearest("GET /cart with status 500 in time", ["GET /cart with status 200 in time"] * 9)
    assert near.replaced == (("status 200", "status 500"),)


def test_words_that_came_and_words_that_went_are_distinguished():
    near = nearest("session was opened for user root", ["session opened for user root at noon"] * 5)
    assert (near.added, near.missing, near.replaced) == (("was",), ("at noon",), ())


@pytest.mark.parametrize("line", FOREIGN)
def test_a_foreign_line_has_nothing_like_it(line):
    assert nearest(line, [normalise(each) for each in ordinary(100)]) is None


def test_a_preamble_that_all_lines_share_makes_no_two_alike():
    baseline = [f"<time> host app[0]: worker {word} began" for word in ("a", "b", "c", "d")] * 10
    assert nearest("<time> host app[0]: disk unreadable, sector lost", baseline) is None


def test_a_line_that_the_baseline_holds_is_its_own_nearest():
    assert nearest(CART[2], CART).similarity == 1.0
    assert nearest(CART[2], CART).index == 2


def test_of_equally_like_lines_the_earliest_is_taken():
    assert nearest("open gate c now", ["open gate a now", "open gate b now"]).index == 0


def test_an_empty_baseline_has_nothing_like_any_line():
    assert nearest("a", []) is None


@given(words, st.lists(words, max_size=8))
def test_the_nearest_line_is_one_of_the_baseline_and_alike_enough(line, baseline):
    near = nearest(line, baseline)
    assert near is None or (baseline.index(near.text) == near.index and LIKE <= near.similarity <= 1)
    assert near == nearest(line, baseline)


@given(st.text(max_size=60), lines)
def test_the_words_of_a_difference_stand_in_the_lines_they_are_said_to_be_of(line, baseline):
    near = nearest(line, baseline)
    for was, now in near.replaced if near else ():
        assert was in near.text and now in line
    assert all(now in line for now in (near.added if near else ()))
    assert all(was in near.text for was in (near.missing if near else ()))


@given(words, words)
def test_lines_without_a_difference_named_are_the_same_but_for_brackets_and_space(line, other):
    near = nearest(line, [other])
    if near and not (near.replaced or near.added or near.missing):
        assert line.translate(_BARE) == other.translate(_BARE)


_BARE = str.maketrans("", "", " []")


class Counting(Neighbours):
    """Counts the cells of the tables that it fills."""

    cells = 0

    def _common(self, old, new):
        self.cells += len(old) * len(new)
        return super()._common(old, new)


def test_lines_of_thousands_of_tokens_take_bounded_work():
    baseline = [" ".join(f"w{(row * 7 + place) % 900}" for place in range(600)) for row in range(100)]
    neighbours = Counting(baseline)
    neighbours.nearest(" ".join(f"w{place * 11 % 900}" for place in range(600)))
    assert 0 < neighbours.cells <= 9 * 48 * 48  # eight candidates, and the one that is shown


# --- what stopped ---------------------------------------------------------------------------------------


def test_a_heartbeat_that_stops_is_missed():
    (gone,) = disappeared(BEATS, ["job a done", "job b done"], 60)
    assert (gone.text, gone.every, gone.expected, gone.absent) == ("heartbeat ok", 5, 12, 60)
    assert gone.chance == pytest.approx(exp(-12))


def test_a_heartbeat_that_goes_on_is_not_missed():
    assert disappeared(BEATS, BEATS[:60], 60) == ()


def test_an_episode_as_short_as_a_window_misses_nothing():
    assert disappeared(BEATS, ["job a done", "job b done"], 10) == ()


def test_a_line_that_comes_in_bursts_is_not_missed_between_them():
    bursts = ["quiet"] * 40 + ["burst"] * 20 + ["quiet"] * 40
    assert disappeared(bursts, ["quiet"], 60) == ()
    assert [gone.text for gone in disappeared(bursts, ["quiet"], 400)] == ["burst"]


def test_a_line_is_missed_only_where_the_chance_of_none_is_one_in_a_hundred():
    assert disappeared(["tick"] * 100, [], 4) == ()  # e⁻⁴ is 1.8 %
    assert len(disappeared(["tick"] * 100, [], 5)) == 1


def test_a_line_that_came_fewer_than_five_times_is_not_missed():
    evenly = ["tick", *["quiet"] * 24] * 4
    assert disappeared(evenly, ["quiet"], 1000) == ()
    assert len(disappeared([*evenly, "tick"], ["quiet"], 1000)) == 1


def test_the_chance_allows_for_bursts():
    bursts = ["quiet"] * 40 + ["burst"] * 20 + ["quiet"] * 40
    (gone,) = disappeared(bursts, ["quiet"], 400)
    # gaps 41, 1 nineteen times, 41: one waits (2·41² + 19) / (2·101) events for it, not 5
    assert gone.chance == pytest.approx(exp(-400 * 202 / 3381))


def test_a_line_absent_for_less_than_three_times_its_longest_absence_is_not_missed():
    baseline = ["often"] * 60 + ["quiet"] * 40
    assert disappeared(baseline, ["quiet"], 119) == ()
    assert len(disappeared(baseline, ["quiet"], 120)) == 1


def test_a_line_of_which_one_word_changed_is_replaced_and_not_gone():
    assert disappeared(BEATS, ["job a done", "job b done", "heartbeat late"], 60) == ()


def test_another_known_line_that_differs_in_a_word_replaces_nothing():
    gone = disappeared([*BEATS, "heartbeat late"], ["job a done", "job b done", "heartbeat late"], 60)
    assert [each.text for each in gone] == ["heartbeat ok"]


@given(st.lists(words, max_size=40), st.lists(words, max_size=10), st.integers(0, 500))
def test_what_stopped_came_before_and_is_not_there(baseline, window, events):
    found = disappeared(baseline, window, events)
    assert found == disappeared(baseline, window, events)
    assert len(found) <= 5
    for gone in found:
        assert gone.text in baseline and gone.text not in window
        assert gone.chance <= 0.01 and baseline[gone.index] == gone.text


@pytest.mark.parametrize("name", ["Apache", "BGL", "HDFS", "Linux", "OpenSSH"])
def test_in_windows_of_real_logs_next_to_nothing_is_missed(name):
    log = [normalise(line.decode(errors="replace")) for line in real_log(name)]
    places = range(100, len(log) - 10, 10)
    shown = [place for place in places if disappeared(log[place - 100 : place], log[place : place + 10], 10)]
    assert len(shown) <= len(places) / 50


# --- one sentence ---------------------------------------------------------------------------------------


def test_a_foreign_line_is_reported_with_its_count():
    assert (
        sentence("authentication failure; user=root", "line 7", 12, 100, None)
        == "“authentication failure; user=root” came 12 times; nothing like it in the 100 events before."
    )


def test_a_changed_word_is_named_before_the_line():
    near = nearest("GET /cart status=broken size=big", CART)
    assert (
        sentence("GET /cart status=broken size=big", "line 1,204", 1, 100, near)
        == "“status=broken” where “status=ok” is usual: GET /cart status=broken size=big (line 1,204)."
    )


def test_changed_words_are_quoted_as_they_stand_and_usual_numbers_as_any_number():
    line = "Failed password for mail from 10.0.0.7 port 4711x ssh2"
    near = nearest(
        normalise(line),
        [normalise(f"Failed password for mail from 10.0.0.7 port {n} ssh2") for n in range(9)],
    )
    assert sentence(line, "line 5", 1, 100, near).startswith(
        "“port 4711x” where “port #” is usual: Failed password"
    )


def test_a_line_that_is_half_like_another_is_shown_with_it():
    near = nearest("raid lost sector of volume beta", [*ordinary(99), "disk read sector of volume alpha"])
    assert (
        sentence("raid lost sector of volume beta", "line 9", 2, 100, near)
        == "“raid lost sector of volume beta” came twice; "
        "nearest of the 100 events before: “disk read sector of volume alpha”."
    )


def test_a_quotation_mark_that_encloses_more_is_not_quoted():
    line = '"POST /cart" done'
    near = nearest(line, ['"GET /cart" done'] * 9)
    assert sentence(line, "line 5", 1, 9, near).startswith('“POST” where “GET” is usual: "POST /cart" done')


def test_an_empty_line_is_described_as_one():
    assert sentence("", "line 5", 1, 100, None).startswith("“(an empty line)” (line 5); nothing like it")


def test_a_line_that_came_before_says_so():
    assert sentence(CART[0], "line 9", 1, 100, nearest(CART[0], CART)).endswith(
        "(line 9) came in the 100 events before too."
    )


def test_the_digits_of_a_long_text_are_not_quoted():
    gone = disappeared([normalise("token " + "7f" * 40), "a"] * 50, ["a"], 60)
    assert "“token <blob128>”" in sentence("", "line 0", 0, 100, None, gone)


def test_what_stopped_can_stand_alone():
    gone = disappeared(BEATS, ["job a done", "job b done"], 60)
    assert (
        sentence("", "line 0", 0, 100, None, gone)
        == "Stopped: “heartbeat ok” came every 5 events and is missing for 60."
    )


def test_what_stopped_follows_where_there_is_room():
    gone = disappeared(BEATS, ["job a done", "job b done"], 60)
    said = sentence("disk lost", "line 7", 1, 100, None, gone)
    assert said.startswith("“disk lost” (line 7); nothing like it in the 100 events before; stopped: “heart")
    assert "stopped" not in sentence("x" * 300, "line 7", 1, 100, None, gone)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2026-11-23 10:00:00 UTC disk lost", "disk lost"),
        ("Jun 14 15:16:01 combo sshd[19939]: check pass", "combo sshd[19939]: check pass"),
        ("[Mon Dec 05 19:56:53 2005] [error] disk lost", "[error] disk lost"),
        ("<time> disk lost", "disk lost"),
        ('10.0.0.7 - - [23/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200', '"GET / HTTP/1.1" 200'),
        ('{"at":12,"msg":"disk lost"}', '{"at":12,"msg":"disk lost"}'),
        ('{"at":12,"msg":"disk lost today"}', '{"at":12,"msg":"disk lost today"}'),
        ("May contain nuts", "May contain nuts"),
        ("1214", "1214"),
    ],
)
def test_a_message_is_quoted_without_the_times_before_it(line, message):
    assert message_of(line) == message


@given(st.text(max_size=300), st.integers(1, 10**12), st.integers(1, 10**9), lines, st.integers(0, 10**6))
def test_a_sentence_is_one_line_of_at_most_200_characters(message, line, count, baseline, events):
    near = nearest(normalise(message), [*baseline, normalise(message[:-3]) + " and more"])
    said = sentence(message, line, count, 100, near, disappeared(baseline * 9, [], events))
    assert len(said) <= MOST
    assert "\n" not in said
