"""The order of a stream's lines: what is found where usual lines come in no usual order."""

import re
from datetime import UTC, datetime, timedelta
from random import Random

from anomalies.detection import Parameters, detect
from anomalies.detection.lines.order import Order
from anomalies.detection.lines.slots import Slot

BEGIN = datetime(2026, 11, 20, 10, tzinfo=UTC)
STEPS = ("job taken from the queue", "input of the job read", "result computed", "result written", "job done")


def jobs(begin=None, end=None, lines=1_600):
    """A worker that does one job after the other; between two lines its steps come by chance."""
    rng = Random(1)
    for n in range(lines):
        step = rng.choice(STEPS) if begin and begin <= n < end else STEPS[n % len(STEPS)]
        moment = BEGIN + timedelta(seconds=3 * n)
        yield f"{moment:%Y-%m-%dT%H:%M:%SZ} worker: {step}"


def alarms(lines):
    return [one for one in detect(lines, Parameters()) if one.is_significant]


def test_a_worker_that_does_its_steps_in_order_raises_no_alarm():
    assert alarms(jobs()) == []


def test_usual_lines_in_no_usual_order_are_one_run_of_unusual_steps():
    first = alarms(jobs(1_200, 1_280))[0]
    assert "order" in first.views
    assert first.first_line <= 1_281
    assert re.search(
        r"” right after “worker: .*”, one of \d+ unusual steps in \d+ lines \(line", first.explanation
    )


def test_steps_that_usually_follow_each_other_add_nothing_to_a_run():
    order, follower = Order(), Slot("next", is_word=True)
    for position in range(1, 700):
        follower.see("b", position, position)
        order.take(follower, "b", position, position)
    assert order.sum == 0
    assert [order.take(follower, "c", 700 + n, 700 + n) > 0 for n in range(3)] == [True, True, True]
    assert order.rare == order.length == 3
    assert order.lines == [700, 701, 702]


def test_a_saved_order_continues_where_it_stopped():
    order, again, follower = Order(), Order(), Slot("next", is_word=True)
    for position in range(1, 400):
        follower.see("b", position, position)
        order.take(follower, "b", position, position)
    order.take(follower, "c", 400, 400)
    again.restore(order.state())
    assert again.take(follower, "d", 401, 401) == order.take(follower, "d", 401, 401) > 0
    assert again.state() == order.state()


def test_an_acknowledged_run_sets_no_record():
    order, follower = Order(), Slot("next", is_word=True)
    for position in range(1, 400):
        follower.see("b", position, position)
    for position in range(400, 900):
        order.take(follower, "c" if position < 420 else "b", position, position)
    order.leave_out(390, 430)
    order.take(follower, "c", 900, 900)
    assert order.record == 0
