from __future__ import annotations

from pathlib import Path

import pytest

from jobs.store import journal
from jobs.store.handed import Ending, Handed
from jobs.store.journal import append, read_journal, say_damaged
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


def damaged(path: Path, line: int, damage: str) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    harmed = bytearray(lines[line - 1])
    if damage == "a letter":
        harmed[harmed.index(b"t1") + 1] ^= 2
    elif damage == "a bracket":
        harmed[0] ^= 1
    else:
        harmed = bytearray(b'{"event":"submitted","token":"t1"}\n')
    lines[line - 1] = bytes(harmed)
    path.write_bytes(b"".join(lines))


@pytest.mark.parametrize("damage", ["a letter", "a bracket", "something else"])
def test_a_damaged_line_says_nothing_and_is_named_once(
    path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.submitting(path, ARRAY)
    append(path, "submitted", token="t1", job_id="13")
    append(path, "cancelled", runs=["a"], elements=[["t1", 0]])
    damaged(path, 2, damage)
    found = read_journal(path)
    assert (found.handed[0].unsure, found.cancelled, found.damaged) == (True, {"a"}, (2,))
    say_damaged(path)
    assert "damaged and left out: line 2;" in capsys.readouterr().err
    say_damaged(path)
    assert (capsys.readouterr().err, read_journal(path).damaged) == ("", ())


def test_a_job_of_which_a_damaged_line_told_is_a_stray(path: Path) -> None:
    journal.submitting(path, ARRAY)
    append(path, "submitted", token="t1", job_id="13")
    damaged(path, 1, "a letter")
    found = read_journal(path)
    assert (found.handed, found.strays) == ((), ("13",))


def test_any_flipped_bit_is_noticed_or_harmless(path: Path) -> None:
    journal.submitting(path, ARRAY)
    append(path, "submitted", token="t1", job_id="13")
    whole, before = read_journal(path), path.read_bytes()
    for bit in range(8 * len(before)):
        data = bytearray(before)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        found = read_journal(path)
        assert found.damaged or found == whole, bit


def test_lines_of_a_version_before_are_read(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"event":"cancelled","time":"","runs":["a"],"elements":[]}\n', encoding="utf-8")
    assert read_journal(path).cancelled == {"a"}


def test_what_is_written_twice_is_heard_twice(path: Path) -> None:
    """Neither what came between nor what comes after is lost."""
    journal.submitting(path, ARRAY)
    append(path, "submitted", token="t1", job_id="13")
    journal.submitting(path, ARRAY)
    first, second = read_journal(path).handed
    assert (first.job_id, second.job_id, first.line, second.line) == ("13", None, 1, 3)
    journal.ended(path, "t1", {0: Ending("NODE_FAIL", False)})
    assert [list(handed.endings) for handed in read_journal(path).handed] == [[0], [0]]


def test_an_ending_that_makes_no_sense_is_damaged_whatever_it_is_of(path: Path) -> None:
    append(path, "ended", token="unknown", elements={"1": ["FAILED", 0.5]})
    append(path, "submitted", token=["t1"], job_id="13")
    found = read_journal(path)
    assert (found.damaged, found.strays) == ((1,), ("13",))
