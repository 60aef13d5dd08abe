import pytest

from anomalies.detection.significance import (
    History,
    Judged,
    Weights,
    circular_shifts,
    conformal,
    significance,
)

KNOWN = [b"session opened for root\n", b"session closed for root\n"]
ROW = KNOWN * 10  # twenty lines
FOREIGN = b"kernel panic: no init found\n"


def weights(weight):
    return Weights(weight, weight)


def history(*past, size=500):
    """A past of windows of one line each, that weighed so much."""
    return History(size, [Judged(number, number, weights(weight)) for number, weight in enumerate(past)])


@pytest.mark.parametrize(("total", "p"), [(5, 1 / 5), (4, 2 / 5), (3, 3 / 5), (2, 4 / 5), (1, 1), (0, 1)])
def test_p_is_the_rank_among_the_past_with_itself_counted_and_ties_against_it(total, p):
    assert conformal(Weights(total, total), history(1, 2, 3, 4)).p_value == pytest.approx(p)


def test_where_one_weight_alone_is_rare_its_rank_counts_twice():
    past = history(*range(99))
    assert conformal(Weights(200, 50), past).p_value == 0.02
    assert conformal(Weights(50, 200), past).p_value == 0.02


def test_where_both_are_rare_the_less_rare_one_counts():
    found = conformal(Weights(200, 98), history(*range(99)))
    assert (found.p_value, found.reached, found.newest_reached) == (0.02, 0, 1)


def test_without_a_past_p_is_1():
    assert conformal(weights(9), history()).p_value == 1


def test_p_cannot_be_less_than_one_in_k_plus_one():
    found = conformal(weights(9), history(*[1] * 99))
    assert (found.p_value, found.compared, found.method) == (0.01, 99, "conformal")


def test_the_history_forgets_the_oldest_beyond_its_size():
    past = history(9, 1, 2, 3, size=3)
    assert len(past) == 3
    assert past.reached(weights(5)) == (0, 0)


def test_the_history_forgets_one_of_two_equals():
    assert history(5, 5, 1, size=2).reached(weights(5)) == (1, 1)


def test_circular_shifts_rank_a_foreign_end_lowest():
    found = circular_shifts([*ROW, FOREIGN], 1)
    assert (found.p_value, found.compared, found.method) == (1 / 21, 20, "circular shifts")


def test_circular_shifts_of_equal_lines_are_all_as_novel():
    same = [KNOWN[0]] * 12
    assert circular_shifts(same, 2).p_value == 1


def test_there_are_at_most_199_circular_shifts():
    assert circular_shifts(KNOWN * 300, 10).compared <= 199


def test_with_fewer_than_20_past_windows_circular_shifts_decide():
    assert significance(weights(9), history(*[1] * 19), lambda: ROW, 1).method == "circular shifts"


def test_with_99_past_windows_the_rank_decides():
    assert significance(weights(9), history(*[1] * 99), lambda: ROW, 2).method == "conformal"


@pytest.mark.parametrize(("past", "method"), [(1, "circular shifts"), (10, "conformal")])
def test_in_between_the_larger_p_counts(past, method):
    found = significance(weights(9), history(*[past] * 98), lambda: [*ROW, FOREIGN], 1)
    assert found.method == method
    assert found.p_value == max(1 / 21, conformal(weights(9), history(*[past] * 98)).p_value)
