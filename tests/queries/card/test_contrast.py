"""The odd line over the nearest usual one: which lines, and which words differ."""

from __future__ import annotations

from collections.abc import Iterable

from anomalies.queries.card.contrast import MOST_CHARACTERS, Contrast, Piece, contrast, difference
from anomalies.queries.evidence_events import Event, events_in

BASELINE = events_in([f"web GET /cart/{n} status=200 in 3 ms" for n in range(20)] + ["checkpoint complete"])


def shown(*window: object, odd_line: object = None) -> Contrast:
    found = contrast(events_in(list(window)), BASELINE, odd_line)
    assert found is not None
    return found


def marked(pieces: Iterable[Piece], kind: str) -> list[str]:
    return [each.text.strip() for each in pieces if each.kind == kind]


def test_the_usual_line_is_the_one_most_like_it_and_only_other_words_are_marked():
    found = shown({"text": "web GET /cart/99 status=failed in 9 ms", "line": 4, "odd": True})
    assert found.usual == BASELINE[0]
    assert marked(found.odd_pieces, "added") == ["status=failed"]
    assert marked(found.usual_pieces, "missing") == ["status=200"]


def test_times_and_numbers_alone_do_not_differ():
    odd, usual = difference("at 10:00:01 pid 77 deadlock", "at 09:59:58 pid 1234 deadlock")
    assert marked(odd, "added") == marked(usual, "missing") == []


def test_the_pieces_are_the_whole_line_of_each_side():
    for odd, usual in (("a  b,c", "a (b) d"), ("", "x"), ("x", ""), ("same", "same"), ("\t", " ")):
        left, right = difference(odd, usual)
        assert ("".join(each.text for each in left), "".join(each.text for each in right)) == (odd, usual)


def test_three_lines_on_each_side_are_its_context_without_their_times():
    lines = [{"text": f"2026-11-28 10:00:0{n} UTC step {n}", "line": n} for n in range(9)]
    found = shown(*lines, odd_line=4)
    assert [each.text for each in found.before] == ["step 1", "step 2", "step 3"]
    assert [each.number for each in found.after] == [5, 6, 7]


def test_without_a_marked_line_it_is_the_first_that_the_baseline_does_not_have():
    found = shown("web GET /cart/7 status=200 in 4 ms", "segmentation fault")
    assert (found.odd.text, found.is_marked, found.usual) == ("segmentation fault", False, None)
    assert contrast(events_in(["checkpoint complete"]), BASELINE) is None


def test_nothing_stands_out_of_an_empty_window():
    assert contrast([], BASELINE, 3) is None


def test_a_line_without_end_is_cut_and_compared_in_its_beginning():
    found = shown(Event("x " * 500_000, odd=True).text, odd_line=None)
    assert sum(len(each.text) for each in found.odd_pieces) <= MOST_CHARACTERS
