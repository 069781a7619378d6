"""Of a large sweep those runs alone travel that have changed since the last look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from jobs.watch.picture import Picture
from jobs.watch.plain_source import PlainSource
from jobs.watch.run_blocks import BLOCK, Seen, changed, changes
from jobs.watch.seed_groups import grouped
from jobs.watch.source_wire import AskingSource, answer
from regularize.errors import UserError
from tests.jobs.watch.synthetic import picture


@dataclass
class Shown:
    """A source of pictures, and what it was asked."""

    picture: Picture
    bytes: list[int] = field(default_factory=list)

    def look(self) -> Picture:
        return self.picture

    def ask(self, words: Sequence[str]) -> str:
        assert words[:3] == ["watch", "SWEEP", "--answer"]
        text = answer(self, words[3:])  # type: ignore[arg-type]
        self.bytes.append(len(text))
        return text


@pytest.mark.parametrize("count", [0, 1, BLOCK, 5 * BLOCK + 3])
def test_a_picture_comes_as_it_is_whatever_was_seen(count: int) -> None:
    here = picture(1000)
    here = replace(here, runs=here.runs[:count])
    one = replace(here, runs=here.runs[: count // 2])
    seen = Seen()
    for shown in (here, here, one, here, replace(here, runs=here.runs[::-1])):
        found, seen = changed(changes(shown, seen.digests), seen)
        assert found == Picture.from_json(shown.to_json())


def test_a_run_that_changes_brings_its_block_and_leaves_the_others_as_they_are() -> None:
    shown = Shown(picture(1000))
    source = PlainSource(AskingSource(shown.ask, "SWEEP", "there"))
    first = source.look()
    runs = list(shown.picture.runs)
    runs[500] = runs[500]._replace(state="failed", note="\x1b[31mNaN")
    shown.picture = replace(shown.picture, runs=tuple(runs))
    second = source.look()
    assert second.runs[500].note == "NaN"
    assert second.runs[500].state == "failed"
    same = [one is two for one, two in zip(first.runs, second.runs, strict=True)]
    assert same.count(False) <= BLOCK
    assert shown.bytes[1] < shown.bytes[0] / 10
    before = grouped(first.runs)
    groups = grouped(second.runs, before)
    assert groups == grouped(second.runs)
    kept = {id(group) for group in before}
    assert sum(id(group) not in kept for group in groups) <= BLOCK


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        json.dumps({"rest": "{}", "runs": 1, "changed": {}}),
        changes(picture(100), "").replace('"runs":', '"runs":9', 1),
        changes(picture(100), "").replace('"0":[[', '"0":[[1],[', 1),
    ],
)
def test_an_answer_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(UserError, match="the answer cannot be read"):
        changed(text, Seen())


def test_a_first_look_at_many_runs_whose_notes_have_commas() -> None:
    """A limit on the values of an answer counted every comma within a note: 100,000 runs were refused."""
    some = picture(1000)
    note = "ReqNodeNotAvail, UnavailableNodes:node[01,03,05,07,09,11,13,15,17,19], May be reserved"
    runs = tuple(run._replace(note=note) for run in some.runs)
    here = replace(some, runs=runs * 101)
    there, _ = changed(changes(here, ""), Seen())
    assert there.runs == here.runs
