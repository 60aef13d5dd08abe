import pytest

from anomalies.detection.significance import History, circular_shifts, conformal, significance

KNOWN = [b"session opened for root\n", b"session closed for root\n"]
ROW = KNOWN * 10  # twenty lines
FOREIGN = b"kernel panic: no init found\n"


def history(*scores, size=500):
    past = History(size)
    for score in scores:
        past.add(score)
    return past


@pytest.mark.parametrize(
    ("score", "p"),
    [(0.5, 1 / 5), (0.4, 2 / 5), (0.35, 2 / 5), (0.2, 4 / 5), (0.1, 5 / 5), (0.0, 5 / 5)],
)
def test_p_is_the_rank_among_the_past_with_itself_counted_and_ties_against_it(score, p):
    assert conformal(score, history(0.1, 0.2, 0.3, 0.4)).p_value == pytest.approx(p)


def test_without_a_past_p_is_1():
    assert conformal(0.9, history()).p_value == 1


def test_p_cannot_be_less_than_one_in_k_plus_one():
    found = conformal(9.0, history(*[0.1] * 99))
    assert (found.p_value, found.compared, found.method) == (0.01, 99, "conformal")


def test_the_history_forgets_the_oldest_beyond_its_size():
    past = history(0.9, 0.1, 0.2, 0.3, size=3)
    assert len(past) == 3
    assert past.at_least(0.5) == 0


def test_the_history_forgets_one_of_two_equals():
    assert history(0.5, 0.5, 0.1, size=2).at_least(0.5) == 1


def test_circular_shifts_rank_a_foreign_end_lowest():
    found = circular_shifts([*ROW, FOREIGN], 1)
    assert (found.p_value, found.compared, found.method) == (1 / 21, 20, "circular shifts")


def test_circular_shifts_of_equal_lines_are_all_as_novel():
    same = [KNOWN[0]] * 12
    assert circular_shifts(same, 2).p_value == 1


def test_there_are_at_most_199_circular_shifts():
    assert circular_shifts(KNOWN * 300, 10).compared <= 199


def test_with_fewer_than_20_past_windows_circular_shifts_decide():
    assert significance(9.0, history(*[0.1] * 19), ROW, 1).method == "circular shifts"


def test_with_99_past_windows_the_rank_decides():
    assert significance(9.0, history(*[0.1] * 99), ROW, 2).method == "conformal"


@pytest.mark.parametrize(("past", "method"), [(0.1, "circular shifts"), (9.5, "conformal")])
def test_in_between_the_larger_p_counts(past, method):
    found = significance(9.0, history(*[past] * 98), [*ROW, FOREIGN], 1)
    assert found.method == method
    assert found.p_value == max(1 / 21, conformal(9.0, history(*[past] * 98)).p_value)
