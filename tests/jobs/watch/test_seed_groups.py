"""Pure parts: groups of seeds, cells, words, curves, and what travels."""

from __future__ import annotations

from collections import Counter

import pytest

from jobs.support.plain_text import plain
from jobs.watch.braille_plot import plot
from jobs.watch.picture import Picture, Tally
from jobs.watch.run_detail import Detail, Piece
from jobs.watch.seed_groups import grouped, holding, in_order
from jobs.watch.source_wire import AskingSource, answer
from jobs.watch.state_looks import DARK, LETTERS, LIGHT, leading
from jobs.watch.widgets.heatmap import said
from jobs.watch.widgets.stacked import stacked
from regularize.errors import UserError
from tests.jobs.watch.synthetic import SyntheticSource, detail, picture


def tally(share: float = 0.5, **counts: int) -> Tally:
    return Tally(counts=Counter(counts), share=share)


def test_every_state_has_a_letter_of_its_own_and_colours_on_both_grounds() -> None:
    assert len(set(LETTERS.values())) == len(LETTERS) == len(DARK) == len(LIGHT)


def test_seeds_are_one_row_and_arrays_are_collapsed() -> None:
    groups = grouped(picture(1000).runs)
    assert sum(len(group.runs) for group in groups) == 1000
    assert all(len({run.strength for run in group.runs}) == 1 for group in groups)
    assert all(group.jobs.startswith("471") for group in groups if group.state == "queued")


@pytest.mark.parametrize("order", ["state", "regularizer", "dataset", "done", "job"])
def test_an_order_keeps_all_groups_and_that_of_the_sweep_among_equals(order: str) -> None:
    groups = grouped(picture(1000).runs)
    ordered = in_order(groups, order)
    assert Counter(g.key for g in ordered) == Counter(g.key for g in groups)
    assert in_order(ordered, "regularizer") == in_order(in_order(ordered, "regularizer"), "regularizer")


def test_all_words_of_a_search_must_be_found() -> None:
    groups = grouped(picture(1000).runs)
    assert holding(groups, "") == groups
    assert {group.key[0] for group in holding(groups, "SVB mnist")} == {"soft_svb", "hard_svb"}
    assert {run.state for group in holding(groups, "failed") for run in group.runs} == {"failed"}
    assert holding(groups, "svb no-such-word") == []


def test_a_cell_looks_like_what_most_wants_to_be_seen() -> None:
    assert leading(tally(done=9, failed=1)) == "failed"
    assert leading(tally(done=9, running=1, queued=4)) == "running"
    assert leading(tally(done=9, diverged=1)) == "done"
    assert leading(tally(done=1, diverged=9)) == "diverged"
    assert leading(tally()) == "planned"


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (20, "F 4,856/10,000   52%"),
        (24, "F 4,856/10,000 3!    52%"),
        (14, "F 4,856/10,000"),
        (9, "F 52%    "),
    ],
)
def test_a_cell_says_what_fits_and_never_half_a_number(width: int, words: str) -> None:
    assert said(tally(0.52, done=4856, failed=3, queued=5141), width) == words


def test_a_stack_shows_every_state_that_a_run_is_in() -> None:
    text = stacked(tally(done=9_999, failed=1), 20, DARK)
    assert len(text) == 20
    assert [span.style.color.name for span in text.spans] == [DARK["done"].ink, DARK["failed"].ink]  # type: ignore[union-attr]


def test_curves_are_named_at_their_ends() -> None:
    text = plot(
        {"train": [(1, 0.0), (2, 1.0)], "test": [(1, 0.0), (2, 0.4)]}, {}, title="x", width=40, height=8
    )
    lines = text.plain.splitlines()
    assert len(lines) == 8
    assert max(len(line) for line in lines) <= 40
    assert lines[1].endswith("train")
    assert any(line.endswith("test") for line in lines)
    assert "nothing measured yet" in plot({"train": []}, {}, title="x", width=40, height=8).plain
    assert plot({"train": [(3, 0.5)]}, {}, title="x", width=40, height=8).plain.count("train") == 1


def test_texts_from_elsewhere_can_do_nothing_to_the_terminal() -> None:
    assert plain("a\x1b[2Jb\x1b]0;title\x07c\x00\x9b") == "abc"
    assert plain("10%\r50%\rdone\nnext\r\n") == "done\nnext\n"


def test_what_travels_arrives_as_it_was() -> None:
    source = SyntheticSource(picture(50))
    asked: list[list[str]] = []

    def ask(words: object) -> str:
        asked.append(list(words))  # type: ignore[call-overload]
        _, _, flag, *question = asked[-1]
        return answer(source, question) if flag == "--answer" else "2 runs cancelled\n"

    far = AskingSource(ask, "results/demo", "hpc")
    arrived = far.look()
    assert (arrived.runs, arrived.queue, arrived.failures) == (source.shown.runs, source.shown.queue, ())
    run = arrived.runs[7]
    assert far.detail(run.run_id) == detail(run)
    assert far.log(run.run_id, 8) == Piece(path=f"logs/{run.run_id}.out", text=source.written[8:], offset=28)
    assert far.log(run.run_id, None).text == source.written
    assert far.cancel(["a", "b"]) == "2 runs cancelled"
    assert asked[-1] == ["cancel", "results/demo", "--run", "a", "--run", "b"]
    assert Picture.from_json(source.shown.to_json()) == source.shown
    assert Detail.from_json(detail(run).to_json()) == detail(run)
    with pytest.raises(UserError, match="not a question"):
        answer(source, ["rm", "-rf"])


def test_ten_thousand_runs_travel_in_two_megabytes() -> None:
    assert len(picture(10_000).to_json()) < 2e6
