from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store import journal
from jobs.store.journal import Ending, Handed, append, read_journal
from regularize.errors import UserError

ARRAY = Handed(
    token="t1",
    name="rs-small-t1",
    time="",
    elements=(((("a", "b"), ("c",)), (("d",),)), ((("e",),),)),
    memory=500,
    begun={"p": 0.5},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "journal.jsonl"


def test_what_is_written_is_read(path: Path) -> None:
    assert read_journal(path) == journal.Journal()
    journal.submitting(path, ARRAY)
    (handed,) = read_journal(path).handed
    assert (handed.elements, handed.memory, handed.begun) == (ARRAY.elements, 500, {"p": 0.5})
    assert (handed.jobs, handed.open, handed.unsure, handed.line) == (2, True, True, 1)
    assert list(handed.runs(0)) == ["a", "b", "c", "d"]

    append(path, "submitted", token="t1", job_id="13")
    (handed,) = read_journal(path).handed
    assert (handed.job_id, handed.open, handed.unsure) == ("13", True, False)


def test_elements_end_one_after_the_other(path: Path) -> None:
    journal.submitting(path, ARRAY)
    append(path, "submitted", token="t1", job_id="13")
    journal.ended(path, "t1", {1: Ending("COMPLETED", True)})
    assert read_journal(path).handed[0].open
    journal.ended(path, "t1", {0: Ending("NODE_FAIL", False)})
    (handed,) = read_journal(path).handed
    assert handed.endings == {0: Ending("NODE_FAIL", False, 4), 1: Ending("COMPLETED", True, 3)}
    assert not handed.open


def test_one_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(UserError, match=r"journal\.jsonl cannot be written: "):
        append(tmp_path / "store" / "journal.jsonl", "asked")


def test_what_was_abandoned_is_closed(path: Path) -> None:
    journal.submitting(path, ARRAY)
    append(path, "abandoned", token="t1", reason="refused")
    assert read_journal(path).open == []


def test_a_follow_up_has_no_elements(path: Path) -> None:
    journal.submitting(path, Handed(token="t2", name="rs-small-t2", time="", after=("t1",)))
    found = read_journal(path)
    assert (found.arrays, found.open[0].after, found.open[0].jobs) == ([], ("t1",), 1)


def test_cancelled_runs_stay_so_until_everything_is_asked_for(path: Path) -> None:
    append(path, "cancelled", runs=["a", "b"], elements=[["t1", 0]])
    append(path, "cancelled", runs=["c"], elements=[["t1", 1]])
    assert read_journal(path).ended_by_us == {("t1", 0), ("t1", 1)}
    assert read_journal(path).cancelled == {"a", "b", "c"}
    append(path, "asked")
    assert (read_journal(path).cancelled, read_journal(path).asked) == (frozenset(), 3)


def test_retries_count_from_their_line(path: Path) -> None:
    append(path, "asked")
    append(path, "retried", runs=["a", "b"])
    append(path, "retried", runs=["b"])
    assert {run: line for run, (line, _) in read_journal(path).retried.items()} == {"a": 2, "b": 3}


def test_a_cancelled_run_that_is_retried_is_cancelled_no_more(path: Path) -> None:
    append(path, "cancelled", runs=["a", "b"], elements=[["t1", 0]])
    append(path, "retried", runs=["b"])
    assert read_journal(path).cancelled == {"a"}


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_a_torn_line_says_nothing_and_the_next_one_is_whole(path: Path, kept: int) -> None:
    journal.submitting(path, ARRAY)
    before = path.stat().st_size
    append(path, "submitted", token="t1", job_id="13")
    path.write_bytes(path.read_bytes()[: before + kept])
    assert read_journal(path).handed[0].unsure
    append(path, "submitted", token="t1", job_id="13")
    assert read_journal(path).handed[0].job_id == "13"


def test_a_whole_line_of_something_else_is_named(path: Path) -> None:
    append(path, "asked")
    append(path, "submitted", token="t1")
    with pytest.raises(UserError, match=r"journal\.jsonl:2 is not a line this version wrote"):
        read_journal(path)
